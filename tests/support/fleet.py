"""Telephones in pure Python behind a sender, and the worker that asks them: what a rollout is tried on without a network.

Time is the world's: while the worker waits, it passes, and the telephones do what they are about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certificates.situation import Situation
from terminals import installations, rollout
from terminals.claims import Answered, Ask
from terminals.drivers.base import Reaction
from terminals.installations import FetchedConfiguration, FetchedTrust, Proved, Reported
from terminals.models import Installation, Methods, Rollout, Terminal, TerminalType
from terminals.trust_file import generations_of, trust_file
from tests.support.generations import MINUTE, SECOND, World

REBOOT = 2 * MINUTE
TIMER_F = 32 * SECOND
IN_TIME = 45 * MINUTE
ROUND_TRIP = SECOND / 10


@dataclass
class Phone:
    """One telephone. `answer`: its reaction to a NOTIFY; `comes_back`: whether it fetches afterwards, and how much later."""

    terminal: Terminal
    answer: Reaction = Reaction.HEARD
    comes_back: bool = True
    reboot: timedelta = REBOOT
    retry_after: timedelta | None = None
    notified: list[datetime] = field(default_factory=list)

    heard: list[datetime] = field(default_factory=list)

    @property
    def restarts(self) -> int:
        return len(self.heard)


STATUS = {
    Reaction.HEARD: 200,
    Reaction.ABSENT: 0,
    Reaction.BUSY: 486,
    Reaction.REFUSED: 403,
    Reaction.CREDENTIALS: 401,
    Reaction.NOT_SUPPORTED: 489,
    Reaction.OVERLOADED: 503,
    Reaction.OTHER: 500,
}


class WorkerKilled(BaseException):
    """As SIGKILL: nothing of the worker runs after it."""


@dataclass
class Fleet:
    """All telephones, the wire to them and the clock. It is a `Sender` and a `Stopwatch` at once."""

    world: World
    phones: dict[int, Phone] = field(default_factory=dict)
    most_in_flight: int = 0
    kill: Callable[[str], bool] = lambda _where: False
    _events: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    _back: dict[datetime, list[Phone]] = field(default_factory=dict)
    _answers: list[Answered] = field(default_factory=list)
    _worker: int = 0
    _began: datetime | None = None

    # -- who is there ------------------------------------------------------------------------------------------------

    def type(self, name: str = "Mitel 6867i", method: str = Methods.MITEL_SIP, **values: object) -> TerminalType:
        return TerminalType.objects.get_or_create(name=name, defaults={"method": method, **values})[0]

    def add(self, count: int = 1, of: TerminalType | None = None, **values: object) -> list[Phone]:
        first = Terminal.objects.count() + 100
        rows = Terminal.objects.bulk_create(
            Terminal(number=str(n), name=f"desk {n}", type=of or self.type(), path_secret=f"secret-{n}", **values)
            for n in range(first, first + count)
        )
        added = [Phone(row) for row in rows]
        self.phones.update((phone.terminal.pk, phone) for phone in added)
        return added

    def equipped(self, count: int = 1, of: TerminalType | None = None, **values: object) -> list[Phone]:
        """Telephones that trust what is handed out now."""
        phones = self.add(count, of, **values)
        self.fetch(*phones)
        return phones

    # -- the worker --------------------------------------------------------------------------------------------------

    def beat(self, **options: object) -> Rollout | None:
        """One round of the heartbeat: the certificates, then the rollout."""
        self.world.beat()
        current = rollout.reconcile(self.world.situation)
        if current is not None:
            self._began = self.world.now
            with suppress(WorkerKilled):
                rollout.run(self.world.situation, current, self, stopwatch=self, **options)
            # What is answered from now on is heard by nobody.
            self._worker += 1
            self._answers.clear()
            current.refresh_from_db()
        return current

    def until(self, moment: datetime, *, every: timedelta = MINUTE) -> Rollout | None:
        """Heartbeats up to and with this moment."""
        while True:
            began = self.world.now
            current = self.beat()
            if self.world.now >= moment:
                return current
            self._pass(min(max(began + every, self.world.now), moment))

    def during(self, span: timedelta, **options: timedelta) -> Rollout | None:
        return self.until(self.world.now + span, **options)

    # -- Sender ------------------------------------------------------------------------------------------------------

    def ask(self, asks: Sequence[Ask]) -> None:
        in_flight = Installation.objects.filter(state__in=["asked", "heard", "fetched"]).exclude(wave=0).count()
        self.most_in_flight = max(self.most_in_flight, in_flight)
        self._perhaps("claimed")
        for ask in asks:
            self._perhaps("sending")
            self._notify(ask)

    def answers(self, within: timedelta) -> list[Answered]:
        end = self.world.now + within
        while not self._answers and self.world.now < end:
            self._pass(min(end, min((at for at, _ in self._events), default=end)))
        self._perhaps("answered")
        came, self._answers = self._answers, []
        return came

    def _notify(self, ask: Ask) -> None:
        phone, now = self.phones[ask.terminal.pk], self.world.now
        phone.notified.append(now)
        if phone.answer is Reaction.HEARD:
            phone.heard.append(now)
        takes = TIMER_F if phone.answer is Reaction.ABSENT else ROUND_TRIP

        worker = self._worker

        def answer() -> None:
            if worker != self._worker:
                return
            self._answers.append(Answered(ask, STATUS[phone.answer], phone.answer, retry_after=phone.retry_after))

        self.at(now + takes, answer)
        if phone.answer is Reaction.HEARD and phone.comes_back:
            self._back.setdefault(now + phone.reboot, []).append(phone)
            if len(self._back[now + phone.reboot]) == 1:
                self.at(now + phone.reboot, lambda: self.fetch(*self._back.pop(now + phone.reboot)))

    # -- Stopwatch ---------------------------------------------------------------------------------------------------

    def elapsed(self) -> timedelta:
        assert self._began is not None
        return self.world.now - self._began

    def pause(self, span: timedelta) -> None:
        self._pass(self.world.now + span)

    # -- what telephones do ------------------------------------------------------------------------------------------

    def at(self, moment: datetime, happens: Callable[[], None]) -> None:
        self._events.append((moment, happens))

    def _pass(self, end: datetime) -> None:
        while due := sorted((event for event in self._events if event[0] <= end), key=lambda event: event[0]):
            self._events.remove(due[0])
            self.world.at(max(due[0][0], self.world.now))
            due[0][1]()
        self.world.at(max(end, self.world.now))

    def _perhaps(self, where: str) -> None:
        if self.kill(where):
            raise WorkerKilled(where)

    def fetch(self, *phones: Phone, address: str = "192.0.2.99") -> None:
        """Each takes what its method gives it now, as the listeners would record it."""
        self._mitel([phone for phone in phones if phone.terminal.type.method == Methods.MITEL_SIP], address)
        self._ip_system([phone for phone in phones if phone.terminal.type.method == Methods.IP_SYSTEM], address)

    def _mitel(self, phones: Sequence[Phone], address: str) -> None:
        now, situation = self.world.now, self.world.situation
        files = {phone.terminal.type: trust_file(situation, phone.terminal.type) for phone in phones}
        installations.fetched_configuration(
            [FetchedConfiguration(phone.terminal.pk, "cfg", "Mitel6867i", address, now) for phone in phones]
        )
        installations.fetched_trust(
            [
                FetchedTrust(
                    phone.terminal.pk,
                    generations_of(files[phone.terminal.type].version),
                    files[phone.terminal.type].version,
                    "Mitel6867i",
                    address,
                    now,
                )
                for phone in phones
            ]
        )

    def _ip_system(self, phones: Sequence[Phone], address: str) -> None:
        situation: Situation = self.world.situation
        presented = situation.pending or situation.active
        roots = situation.trusted_roots
        now = self.world.now
        installations.reported([Reported(phone.terminal.pk, roots, "agent", address, now) for phone in phones])
        installations.proved(
            [Proved(phone.terminal.pk, presented.number, "agent", address, now) for phone in phones if presented]
        )

    # -- how things stand --------------------------------------------------------------------------------------------

    def states(self, number: int | None = None) -> dict[str, int]:
        """How many installations of the newest generation are in which state."""
        number = number or max(Installation.objects.values_list("generation", flat=True))
        states = list(Installation.objects.filter(generation=number).values_list("state", flat=True))
        return {state: states.count(state) for state in sorted(set(states))}

    def row(self, phone: Phone, number: int | None = None) -> Installation:
        rows = Installation.objects.filter(terminal=phone.terminal)
        return rows.get(generation=number) if number else rows.latest("generation_id")

    def notified(self, phones: Iterable[Phone] | None = None) -> int:
        return sum(len(phone.notified) for phone in (phones if phones is not None else self.phones.values()))
