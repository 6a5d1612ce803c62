"""Judge the machine's clock: what time it is, how far that can be trusted, and what may be done by it
(rules which-clock, corrected-clock, clock-gate).

Pure: every function takes what was read and measured, and returns a value. All instants are aware and in UTC, all
values of `boottime` are seconds of CLOCK_BOOTTIME, which counts on while the machine sleeps and which nobody can set.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

ANSWER_COUNTS = timedelta(minutes=30)
"""An older answer counts as none."""
WARNS_ABOVE = timedelta(seconds=1)
WRONG_ABOVE = timedelta(seconds=5)
FAR_OFF_ABOVE = timedelta(hours=12)
JUMP_ABOVE = timedelta(seconds=60)
STILL_NOW = timedelta(minutes=1)
"""Two processes read the clock one after the other. What lies further ahead was written by a wrong clock
(rule written-ahead).
"""
SERVERS_DECIDE = timedelta(hours=24)
"""How long before the active pair ends servers decide alone."""


class ClockState(enum.StrEnum):
    OFF = "off"
    """The NTP service is off or no server is set."""
    UNANSWERED = "unanswered"
    """No answer that counts: none yet, too old, from before a jump or a restart of the machine."""
    WRONG = "wrong"
    """More than 5 s off."""
    FAR_OFF = "far_off"
    """More than 12 h off."""
    RIGHT = "right"


class ClockVerdict(enum.StrEnum):
    """What a clock allows for a generation."""

    DO = "do"
    DO_WITH_EVENT = "do_with_event"
    """Done all the same, with a critical event."""
    POSTPONE = "postpone"
    SUSPEND = "suspend"
    REQUIRES_TICK = "requires_tick"
    """A person ticks that the clock is in doubt; the tick is recorded."""
    REFUSE_UNLESS_REASON = "refuse_unless_reason"
    """A person confirms it and says why."""


@dataclass(frozen=True)
class MachineReading:
    """One reading of the machine: its clock, and how long it has been up since which start."""

    wall: datetime
    boottime: float
    boot_id: str


@dataclass(frozen=True)
class Measurement:
    """What the NTP servers said when they were asked.

    `offset` is the true time minus the machine's, `server` and `stratum` are those of the answer that counts,
    `checked_at` is by the machine's clock. `agreed`: another server's offset lies within 1 s of this one;
    `disagreed`: two servers differ by more than 1 s.
    """

    checked_at: datetime
    boottime: float
    boot_id: str
    offset: timedelta
    server: str
    stratum: int
    agreed: bool
    disagreed: bool


@dataclass(frozen=True)
class ClockAnchor:
    """The last reading at which the machine's clock and CLOCK_BOOTTIME were known to belong together.

    `offset` is what was known then of the true time minus the machine's, None where nothing was.
    """

    wall: datetime
    boottime: float
    boot_id: str
    offset: timedelta | None

    def covers(self, reading: MachineReading) -> bool:
        """Whether CLOCK_BOOTTIME leads from here to there.

        Not where the machine was started in between, nor where CLOCK_BOOTTIME ran backwards, which only a machine or
        a container that was restored does.
        """
        return reading.boot_id == self.boot_id and reading.boottime >= self.boottime

    def undisturbed(self, reading: MachineReading) -> datetime:
        """What the machine's clock would show there had nobody set it since."""
        return self.wall + timedelta(seconds=reading.boottime - self.boottime)


@dataclass(frozen=True)
class Clock:
    """The time by the machine and the time by all that is known (rule which-clock).

    `measurement` is the last answer of the servers that are set, shown even where it is too old to count; `agreed` and
    `warns` speak only of one that does. `jumped` is by how much the machine's clock was set since it was last known, while
    no server has answered since (rule corrected-clock).
    """

    machine: datetime
    corrected: datetime
    state: ClockState
    measurement: Measurement | None
    agreed: bool
    jumped: timedelta | None
    warns: bool

    @property
    def best(self) -> datetime:
        """The corrected clock where the machine's is wrong; else the machine's, which does not step with each answer."""
        return self.corrected if abs(self.corrected - self.machine) > WRONG_ABOVE else self.machine

    def has_passed(
        self, instant: datetime, *, active_end: datetime | None = None, one_server_suffices: bool = False
    ) -> bool:
        """Whether a deadline or an end has passed (rule has-passed). `active_end`: when the active pair ends.
        `one_server_suffices`: for the switch to a pair that is there, where one server answers and is within 12 hours.
        """
        decides = self.agreed or (one_server_suffices and self.state in {ClockState.RIGHT, ClockState.WRONG})
        if decides and active_end is not None and self.corrected >= active_end - SERVERS_DECIDE:
            return self.corrected >= instant
        return min(self.machine, self.corrected) >= instant

    def within(self, not_before: datetime, end: datetime) -> bool:
        """Whether a pair is valid now (rule valid-now). `end` is exclusive."""
        return any(not_before <= clock < end for clock in (self.machine, self.corrected))

    @property
    def is_disputed(self) -> bool:
        """Whether servers say that the machine's clock is far off, and no two of them agree: they or the machine may lie."""
        return self.state is ClockState.FAR_OFF and not self.agreed

    def may_have_passed(self, end: datetime) -> bool:
        """Whether a pair with this end may have ended before it is made: by the corrected clock, or by the machine's where
        no two servers agree that this one is wrong (rule dates-by-both).
        """
        return self.corrected >= end or (self.machine >= end and not self.agreed)


def judge_clock(
    reading: MachineReading,
    *,
    ntp_enabled: bool,
    servers: Sequence[str],
    last: Measurement | None,
    anchor: ClockAnchor | None,
) -> Clock:
    """Judge a reading of the machine by the last answer and the last anchor.

    An answer counts as rule ntp-answers says; its offset is all that is known, and used, beyond. A server that was taken
    from the list, or a service that was turned off, has nothing more to say at all, not even of the time known before a
    jump: that is how an administrator gets rid of a server that lies.
    """
    enabled = ntp_enabled and bool(servers)
    if last is not None and not (enabled and last.server in servers):
        last = None

    jumped = None
    corrected = reading.wall if last is None else reading.wall + last.offset
    reference = last_known(reading, last, anchor)
    if reference is not None:
        undisturbed = reference.undisturbed(reading)
        if abs(reading.wall - undisturbed) > JUMP_ABOVE:
            jumped = reading.wall - undisturbed
            known = None if last is None else reference.offset
            corrected = undisturbed + (known or timedelta())

    counting = last if last is not None and jumped is None and _is_recent(last, reading) else None
    return Clock(
        machine=reading.wall,
        corrected=corrected,
        state=_state(counting) if enabled else ClockState.OFF,
        measurement=last,
        agreed=counting is not None and counting.agreed,
        jumped=jumped,
        warns=counting is not None and (abs(counting.offset) > WARNS_ABOVE or counting.disagreed),
    )


def next_clock_anchor(reading: MachineReading, clock: Clock, anchor: ClockAnchor | None) -> ClockAnchor:
    """The anchor after this reading: here, or where it was while the clock has jumped and no server has answered."""
    known = last_known(reading, clock.measurement, anchor)
    if clock.jumped is not None and known is not None:
        return known
    offset = None if clock.measurement is None else clock.measurement.offset
    return ClockAnchor(reading.wall, reading.boottime, reading.boot_id, offset)


def automatic(clock: Clock, *, last_chance: datetime | None, active_end: datetime | None) -> ClockVerdict:
    """What the clock says to an automatic generation that is due (rules clock-gate, last-chance). `last_chance` is None
    while no pair is active.
    """
    is_last_chance = last_chance is not None and clock.has_passed(last_chance, active_end=active_end)
    match clock.state:
        case ClockState.RIGHT:
            return ClockVerdict.DO
        case ClockState.OFF:
            return ClockVerdict.DO_WITH_EVENT if is_last_chance else ClockVerdict.SUSPEND
        case ClockState.UNANSWERED | ClockState.WRONG:
            return ClockVerdict.DO if is_last_chance else ClockVerdict.POSTPONE
        case ClockState.FAR_OFF:
            return ClockVerdict.DO if is_last_chance and clock.agreed else ClockVerdict.SUSPEND


def manual(clock: Clock) -> ClockVerdict:
    """What the clock says to a generation that a person asks for."""
    match clock.state:
        case ClockState.RIGHT:
            return ClockVerdict.DO
        case ClockState.OFF | ClockState.UNANSWERED | ClockState.WRONG:
            return ClockVerdict.REQUIRES_TICK
        case ClockState.FAR_OFF:
            return ClockVerdict.REFUSE_UNLESS_REASON


def replacement(clock: Clock) -> ClockVerdict:
    """What the clock says to the pair that takes the place of a withdrawn one (rule withdraw)."""
    return ClockVerdict.REFUSE_UNLESS_REASON if clock.is_disputed else ClockVerdict.DO


def last_known(reading: MachineReading, last: Measurement | None, anchor: ClockAnchor | None) -> ClockAnchor | None:
    """The later of anchor and answer, both of which tie the clock to CLOCK_BOOTTIME; of two at once the answer."""
    known = [] if last is None else [ClockAnchor(last.checked_at, last.boottime, last.boot_id, last.offset)]
    if anchor is not None:
        known.append(anchor)
    return max((point for point in known if point.covers(reading)), key=lambda point: point.boottime, default=None)


def _is_recent(measurement: Measurement, reading: MachineReading) -> bool:
    age = timedelta(seconds=reading.boottime - measurement.boottime)
    return measurement.boot_id == reading.boot_id and timedelta() <= age <= ANSWER_COUNTS


def _state(counting: Measurement | None) -> ClockState:
    if counting is None:
        return ClockState.UNANSWERED
    if abs(counting.offset) > FAR_OFF_ABOVE:
        return ClockState.FAR_OFF
    if abs(counting.offset) > WRONG_ABOVE:
        return ClockState.WRONG
    return ClockState.RIGHT
