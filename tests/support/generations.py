"""A small installation to try the rules of generations on: settings, a clock that a test moves, a file system, telephones.

Nothing of the product is replaced: pairs are made, stored and published by the real use cases. P-256, because it is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from certificates.communication_server.store import Store
from certificates.models import Generation, Settings, Switch
from certificates.renewal import orders
from certificates.renewal.handover import MissingTerminal, Readiness
from certificates.renewal.rounds import RoundOutcome, reconcile
from certificates.renewal.situation import Situation
from certificates.renewal.switching import CommunicationServer
from pbxcerts.system.models import General
from pbxcerts.system.time.clock import FAR_OFF_ABOVE, WARNS_ABOVE, WRONG_ABOVE, Clock, ClockState, Measurement
from tests.support.happened import once

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZURICH = "Europe/Zurich"
START = datetime(2026, 7, 1, tzinfo=UTC)
"""02:00 in Zurich, where the worked examples of the rules of time begin."""

State = Generation.State
Trigger = Generation.Trigger


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_clock(
    now: datetime,
    state: ClockState | None = None,
    offset: timedelta = timedelta(),
    *,
    agreed: bool = False,
    disagreed: bool = False,
    jumped: timedelta | None = None,
) -> Clock:
    """A clock that was judged already. `now` is the machine's; the state follows from the offset where none is said.

    `jumped`: it was set by that much, no server has answered since, and the time known before counts.
    """
    if state is None:
        state = ClockState.RIGHT
        if abs(offset) > WRONG_ABOVE:
            state = ClockState.FAR_OFF if abs(offset) > FAR_OFF_ABOVE else ClockState.WRONG
    if jumped is not None:
        state, offset = ClockState.UNANSWERED, -jumped
    answered = state not in {ClockState.OFF, ClockState.UNANSWERED}
    measurement = Measurement(now, 5000.0, "boot", offset, "ntp.example", 2, agreed, disagreed) if answered else None
    return Clock(
        machine=now,
        corrected=now + offset,
        state=state,
        measurement=measurement,
        agreed=agreed,
        jumped=jumped,
        warns=answered and (abs(offset) > WARNS_ABOVE or disagreed),
    )


@dataclass
class Telephones:
    """Terminals whose readiness a test sets. `began_anew`: how often."""

    ready: Readiness = field(default_factory=Readiness)
    began_anew: int = 0

    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        return self.ready

    def refusing(self, *, trusted_roots: object) -> int:
        return 0

    def begin_anew(self) -> None:
        self.began_anew += 1


def missing(*names: str) -> dict[str, Any]:
    """For `Readiness`: these have not confirmed."""
    return lacking(
        *(MissingTerminal(number=str(100 + n), name=name, why="not confirmed") for n, name in enumerate(names))
    )


def lacking(*terminals: MissingTerminal) -> dict[str, Any]:
    return {"missing_count": len(terminals), "named": lambda: terminals}


@dataclass
class World:
    """What a test sees of the installation. `now` is the true time and, unless a clock is passed, the machine's too."""

    server: CommunicationServer
    now: datetime = START
    telephones: Telephones = field(default_factory=Telephones)

    # -- time and settings -------------------------------------------------------------------------------------------

    def clock(self, state: ClockState | None = None, offset: timedelta = timedelta(), **known: object) -> Clock:
        """The machine's clock where it is off by `-offset`, or was set by `jumped`: the true time is `now` all the same."""
        return a_clock(self.now - offset + (known.get("jumped") or timedelta()), state, offset, **known)

    def at(self, moment: datetime | str) -> World:
        self.now = utc(moment) if isinstance(moment, str) else moment
        return self

    def after(self, span: timedelta) -> World:
        return self.at(self.now + span)

    def set(self, **values: object) -> None:
        """Save parameters of either page, as a person does it now."""
        general, settings = General.load(), Settings.load()
        for name, value in values.items():
            setattr(general if hasattr(General, name) else settings, name, value)
        general.save()
        if {"interval_days", "generation_time", "overlap_days", "time_zone"} & values.keys():
            settings.schedule_saved_at = self.now
        settings.save()

    # -- what happens ------------------------------------------------------------------------------------------------

    def beat(self, clock: Clock | None = None, **options: object) -> RoundOutcome:
        return reconcile(clock or self.clock(), terminals=self.telephones, server=self.server, **options)

    def until(self, moment: datetime | str, *, every: timedelta = MINUTE) -> RoundOutcome:
        """Heartbeats up to and with this moment."""
        end = utc(moment) if isinstance(moment, str) else moment
        while self.now + every < end:
            self.after(every).beat()
        return self.at(end).beat()

    def generate(self, **options: object) -> Generation:
        """As a person does it on the page; without `at_once` with handover."""
        options = {"trigger": Trigger.PAGE, "by": "anna", **options}
        clock = options.pop("clock", None) or self.clock()
        ordered = orders.order_generation(clock, orders.GenerationOrder(**options))
        self.beat(clock)
        return self.generation(ordered.number)

    def once(self, name: str, happens: Callable[[], object]) -> None:
        """Let something happen that has a name and takes no time: to installations that are alike it does once, and is copied."""
        began = self.now
        once(name, happens, self.store.path)
        assert self.now == began

    def begin(self, kind: str = "") -> None:
        """The first pair is active. It is made once for each `kind` of installation."""
        self.once(f"the first pair {kind}", self.generate)
        assert self.states == {1: "active"}

    def activate(self) -> Switch:
        return self._carried_out(orders.activate(self.clock(), by="otto"))

    def roll_back(self) -> Switch:
        return self._carried_out(orders.roll_back(self.clock(), by="otto", reason="phones refuse"))

    def discard(self) -> Generation:
        pair = orders.discard(self.clock(), by="otto")
        self.beat()
        return self.generation(pair.number)

    def withdraw(self, number: int) -> Generation:
        orders.withdraw(self.clock(), number, by="anna", reason="leaked")
        self.beat()
        return self.generation(number)

    def _carried_out(self, switch: Switch) -> Switch:
        self.beat()
        switch.refresh_from_db()
        return switch

    def refuse_to_reload(self) -> None:
        self.server = replace(self.server, reload_command=("false",))

    def reload_again(self) -> None:
        self.server = replace(self.server, reload_command=())

    # -- how things stand --------------------------------------------------------------------------------------------

    @property
    def situation(self) -> Situation:
        return Situation.load(self.clock())

    @property
    def states(self) -> dict[int, str]:
        return {g.number: str(g.state) for g in Generation.objects.order_by("number")}

    def generation(self, number: int) -> Generation:
        return Generation.objects.get(number=number)

    @property
    def active(self) -> Generation:
        return Generation.objects.active().get()

    @property
    def pending(self) -> Generation | None:
        return Generation.objects.filter(state__in=Generation.PENDING).first()

    @property
    def store(self) -> Store:
        return self.server.store

    def published(self, path: str) -> Path:
        return self.store.path / path

    def roots_in_bundle(self) -> set[int]:
        """Whose roots the published trust bundle holds."""
        bundle = self.published("trust.pem").read_text()
        return {g.number for g in Generation.objects.made() if g.root_pem.strip() in bundle}


def a_world(path: Path, **values: object) -> World:
    """Nothing generated yet; the server has a name, an address, no reload command and no address to look at."""
    world = World(CommunicationServer(store=Store(path), look_for=0, look_every=0))
    values = {
        "fqdn": "pbx.example.com",
        "ip_addresses": ["192.0.2.10"],
        "on_this_machine": False,
        "time_zone": ZURICH,
        "generation_time": time(2, 0),
        "key_type": "p256",
        "ntp_enabled": True,
        "ntp_servers": ["ntp.example"],
        **values,
    }

    def settings() -> None:
        world.set(**values)
        Settings.objects.update(schedule_saved_at=None)

    world.once(f"a world with {values}", settings)
    return world
