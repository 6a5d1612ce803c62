"""Telephones in pure Python behind a sender, and the worker that asks them: what a rollout is tried on without a network.

Time is the world's: while the worker waits, it passes, and the telephones do what they are about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection

from certificates.models import Switch, Transition
from certificates.renewal.situation import Situation
from terminals.drivers.base import Reaction
from terminals.drivers.registry import IN_TURN_METHODS
from terminals.evidence import recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust, Proved, Reported
from terminals.evidence.models import Requester
from terminals.models import DeliverySettings, Installation, Rollout, Terminal, TerminalType
from terminals.rollout import rounds, waves
from terminals.rollout.claims import Ask, AskResult
from terminals.trust_file import generations_of, trust_file, trust_files
from terminals.web.snapshot import next_in_turn
from tests.support.generations import DAY, MINUTE, SECOND, World

REBOOT = 2 * MINUTE
TIMER_F = 32 * SECOND
IN_TIME = 45 * MINUTE
IDLE = DAY
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
    """All telephones, the wire to them and the clock. It is a `NotifySender` and a `Stopwatch` at once."""

    world: World
    phones: dict[int, Phone] = field(default_factory=dict)
    most_in_flight: int = 0
    kill: Callable[[str], bool] = lambda _where: False
    _events: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    _back: dict[datetime, list[Phone]] = field(default_factory=dict)
    _answers: list[AskResult] = field(default_factory=list)
    _worker: int = 0
    _began: datetime | None = None

    # -- who is there ------------------------------------------------------------------------------------------------

    def type(self, name: str = "Mitel 6867i", method: str = "mitel_sip", **values: object) -> TerminalType:
        return TerminalType.objects.get_or_create(name=name, defaults={"method": method, **values})[0]

    def add(self, count: int = 1, of: TerminalType | None = None, **values: object) -> list[Phone]:
        first, kind = Terminal.objects.count() + 100, of or self.type()
        rows = Terminal.objects.bulk_create(
            Terminal(number=str(n), name=f"desk {n}", type=kind, path_secret=f"secret-{n}", **values)
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

    def once(self, name: str, happens: Callable[[], object]) -> None:
        """As to the world: what happens to an installation, after which no telephone is about to do anything."""
        self.world.once(name, happens)
        assert not self._events
        self.phones = {row.pk: Phone(row) for row in Terminal.objects.select_related("type").order_by("pk")}

    # -- the worker --------------------------------------------------------------------------------------------------

    def beat(self, **options: object) -> Rollout | None:
        """One round of the heartbeat: the certificates, then the rollout."""
        situation = self.world.beat().situation
        current = rounds.reconcile_rollouts(situation)
        if current is not None:
            self.run(situation, current, **options)
            current.refresh_from_db()
        return current

    def run(self, situation: Situation, current: Rollout, **options: object) -> None:
        """The worker's round of a rollout, in which these telephones are asked."""
        self._began = self.world.now
        with suppress(WorkerKilled):
            rounds.RolloutRound(situation, current, self, stopwatch=self, **options).run()
        # What is answered from now on is heard by nobody.
        self._worker += 1
        self._answers.clear()

    def until(self, moment: datetime, *, every: timedelta = MINUTE) -> Rollout | None:
        """Heartbeats up to and with this moment.

        After one that has changed nothing the next is that at which something may happen, a day later at most: those in
        between would find what it has found.
        """
        while True:
            began, found = self.world.now, self.rows()
            current = self.beat()
            if self.world.now >= moment:
                return current
            to = self.next_beat(began, every) if self.rows() == found else began + every
            self._pass(min(max(to, self.world.now), moment))

    def rows(self) -> list[list[tuple[object, ...]]]:
        """What a heartbeat may change, as it is stored."""
        kinds = [kind._meta for kind in (Installation, Rollout, Transition, Switch)]
        with connection.cursor() as cursor:
            return [
                cursor.execute(f'SELECT * FROM "{kind.db_table}" ORDER BY "{kind.pk.column}"').fetchall()
                for kind in kinds
            ]

    def next_beat(self, began: datetime, every: timedelta) -> datetime:
        """The next heartbeat that may change something, whatever the telephones do until then; a round has a length."""
        situation = self.world.situation
        schedule, hours = situation.settings.schedule, DeliverySettings.load().window_hours
        closes = waves.restarts_until(schedule, hours, began)
        instants = [at for at, _ in self._events]
        instants += Installation.objects.filter(next_at__gt=began).values_list("next_at", flat=True)
        instants += Installation.objects.filter(doubt_until__gt=began).values_list("doubt_until", flat=True)
        seen = Terminal.objects.filter(last_contact__isnull=False).values_list("last_contact", flat=True)
        instants += [at + DAY for at in seen]
        instants += [schedule.first_from(began + timedelta.resolution), closes, situation.next_at]
        for pair in (situation.active, situation.pending):
            if pair is not None:
                instants += [pair.end, pair.end - DAY, pair.deadline, pair.deadline and pair.deadline - DAY]
        first = min([began + IDLE, *(at for at in instants if at and at > began)])
        return began + max((first - began) // every, 1) * every

    def during(self, span: timedelta, **options: timedelta) -> Rollout | None:
        return self.until(self.world.now + span, **options)

    # -- NotifySender ------------------------------------------------------------------------------------------------

    def ask(self, asks: Sequence[Ask]) -> None:
        in_flight = Installation.objects.filter(state__in=["asked", "heard", "fetched"]).exclude(wave=0).count()
        self.most_in_flight = max(self.most_in_flight, in_flight)
        self._perhaps("claimed")
        for ask in asks:
            self._perhaps("sending")
            self._notify(ask)

    def answers(self, within: timedelta) -> list[AskResult]:
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
            self._answers.append(AskResult(ask, STATUS[phone.answer], phone.answer, retry_after=phone.retry_after))

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
        self._mitel([phone for phone in phones if phone.terminal.type.method == "mitel_sip"], address)
        self._ip_system([phone for phone in phones if phone.terminal.type.method == "ip_system"], address)
        self._in_turn([phone for phone in phones if phone.terminal.type.method in IN_TURN_METHODS], address)

    def _mitel(self, phones: Sequence[Phone], address: str) -> None:
        now, situation = self.world.now, self.world.situation
        files = {phone.terminal.type: trust_file(situation, phone.terminal.type) for phone in phones}
        recording.fetched(
            [FetchedConfiguration(phone.terminal.pk, "cfg", "Mitel6867i", address, now) for phone in phones]
        )
        recording.fetched(
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

    def _in_turn(self, phones: Sequence[Phone], address: str) -> None:
        """Each takes the file that is named to it, unless it is the one that it took last."""
        now = self.world.now
        for phone in phones:
            files = trust_files(self.world.situation, phone.terminal.type)
            known = Requester.objects.filter(terminal=phone.terminal, source=address).first()
            taken = known.holds if known else []
            file = next_in_turn(files, taken, phone.terminal.type.driver.capabilities.holds)
            recording.fetched([FetchedConfiguration(phone.terminal.pk, "cfg", "Yealink", address, now)])
            if not taken or file.generations[0] != taken[-1]:
                took = frozenset(file.generations)
                recording.fetched([FetchedTrust(phone.terminal.pk, took, file.version, "Yealink", address, now)])

    def _ip_system(self, phones: Sequence[Phone], address: str) -> None:
        situation: Situation = self.world.situation
        presented = situation.pending or situation.active
        roots = situation.trusted_roots
        now = self.world.now
        recording.reported([Reported(phone.terminal.pk, roots, "agent", address, now) for phone in phones])
        recording.proved(
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
