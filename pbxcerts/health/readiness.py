"""Whether this process can answer, and what else is in order (rules ready-while-it-answers, proof-of-life).

The reasons are for machines: in English, and of fixed words, because strangers read them.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from certificates.renewal.situation import read_store
from certificates.renewal.standing import Change
from pbxcerts.health.bounded_look import ANSWERS_WITHIN, BoundedLook
from pbxcerts.health.own_state import OwnState
from pbxcerts.system.database.database_lock import is_locked, let_go_of
from pbxcerts.system.machines.other_machines import refuses_us
from pbxcerts.system.models import General, Heartbeat
from pbxcerts.system.run_files import FAILING_PROCESSES
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import Clock, ClockState

SILENCE = timedelta(minutes=3)
"""As the supervisor has it."""
OF_THE_CLOCK = {
    ClockState.OFF: "the NTP service is off",
    ClockState.UNANSWERED: "no NTP server has answered",
    ClockState.WRONG: "more than 5 s off",
    ClockState.FAR_OFF: "more than 12 h off",
}
NOT_KNOWN = "not known: the database cannot be read"


@dataclass(frozen=True)
class Check:
    """`reason` is "" where it is in order."""

    name: str
    ok: bool
    reason: str = ""


def check(name: str, reason: str) -> Check:
    return Check(name, not reason, reason)


class ReadinessProbe:
    """Asked by strangers as often as they like."""

    def __init__(self, own: OwnState, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._own = own
        self._monotonic = monotonic
        self._beats: int | None = None
        self._changed_at: float | None = None
        self._database = BoundedLook(self.look_into_database, name="readiness")

    async def as_json(self) -> tuple[bool, dict[str, Any]]:
        """Whether this process can answer, and the value that says so."""
        seen = await self._database.now()
        if seen is None:
            seen = _unread(f"no answer within {ANSWERS_WITHIN:.0f} s")
        checks = [*seen, check("listeners", _joined("not open", self._own.not_open))]
        # Terminals get their files from memory, so nothing but those can be missing; a panel alone has nothing without its database.
        ready = self._own.has_files() if self._own.serves_terminals else checks[0].ok
        if refuses_us():
            checks.append(check("secrets", "other than on the machine that publishes"))
            ready = False
        return ready, {"ready": ready, "checks": [asdict(one) for one in checks]}

    def look_into_database(self) -> list[Check]:
        """The checks that need it, its own first. At most five queries."""
        close_old_connections()
        try:
            general, heartbeat = General.load(), Heartbeat.load()
            reading = timekeeping.read_machine()
            clock = timekeeping.current_clock(general=general, heartbeat=heartbeat, reading=reading)
            rests = read_store().standing(general.installation, Change.newest()).rests
            silence = timekeeping.since_heartbeat(heartbeat, reading)
        except (DatabaseError, InterfaceError) as error:
            let_go_of(error)
            return _unread("locked" if is_locked(error) else "cannot be read")
        return [
            check("database", ""),
            check("worker", self._why_no_life(heartbeat.beats, silence)),
            check("clock", _why_in_doubt(clock)),
            check("store", _why_not_published(heartbeat, rests=rests)),
        ]

    def _why_no_life(self, beats: int, silence: timedelta | None) -> str:
        """A long round shows life by its row before it is over, which is seen by whoever looks twice."""
        now = self._monotonic()
        if self._beats is not None and beats != self._beats:
            self._changed_at = now
        self._beats = beats
        if "worker" in FAILING_PROCESSES.read(settings.DATA):
            return "it ends again and again"
        if self._changed_at is not None and now - self._changed_at < SILENCE.total_seconds():
            return ""
        if silence is None:
            return "no heartbeat yet"
        return "" if silence < SILENCE else f"no heartbeat for {silence.total_seconds():.0f} s"


def _why_in_doubt(clock: Clock) -> str:
    return OF_THE_CLOCK.get(clock.state, "")


def _why_not_published(heartbeat: Heartbeat, *, rests: bool) -> str:
    if rests:
        return "it shows what this database does not know; an administrator decides"
    return "the last publication failed" if heartbeat.publish_failure else ""


def _unread(why: str) -> list[Check]:
    return [check("database", why), *(check(name, NOT_KNOWN) for name in ("worker", "clock", "store"))]


def _joined(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""
