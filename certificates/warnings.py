"""What the page always says when it is true (DESIGN 3.8). Each is an event message too, sent once per step.

The ids are stable: `status --json` and whoever reads it rely on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from certificates.handover import Readiness
from certificates.models import Generation
from certificates.pki import lifetime
from certificates.situation import Situation
from pbxcerts.system.clock import WARNS_ABOVE, Clock, ClockState
from pbxcerts.system.events import Kind, Notice
from pbxcerts.system.models import Severity

HEARTBEAT_LATE = timedelta(minutes=5)
MISSING_STEPS = (7, 3, 1)
NAMED_AT_MOST = 20

NO_GENERATION = Kind(
    "no_generation",
    Severity.SERIOUS,
    _("No certificates yet: no call over TLS is possible. Generate the first ones now."),
    cleared=_("The first certificates have been generated."),
)
CLOCK_OFF = Kind(
    "clock_off",
    Severity.CRITICAL,
    _(
        "The NTP service is off or has no server: certificates are not renewed automatically. Set it under System / General."
    ),
    cleared=_("The NTP service is on."),
)
CLOCK_UNANSWERED = Kind(
    "clock_unanswered",
    Severity.SERIOUS,
    _("No NTP server gives an answer that counts: an automatic generation would be postponed."),
    cleared=_("An NTP server answers again."),
)
CLOCK_WRONG = Kind(
    "clock_wrong",
    Severity.SERIOUS,
    _("The clock of this machine is %(seconds)s s off: an automatic generation would be postponed."),
    cleared=_("The clock of this machine is right again."),
)
CLOCK_FAR_OFF = Kind(
    "clock_far_off",
    Severity.CRITICAL,
    _(
        "The clock of this machine is more than 12 hours off (%(seconds)s s): certificates are not renewed automatically."
    ),
    cleared=_("The clock of this machine is less than 12 hours off again."),
)
CLOCK_INEXACT = Kind(
    "clock_inexact",
    Severity.NORMAL,
    _("The clock of this machine is %(seconds)s s off."),
    cleared=_("The clock of this machine is exact again."),
)
CLOCK_DISAGREE = Kind(
    "clock_disagree",
    Severity.SERIOUS,
    _("Two NTP servers differ by more than 1 s. Check them under System / General."),
    cleared=_("The NTP servers agree again."),
)
CLOCK_JUMPED = Kind(
    "clock_jumped",
    Severity.SERIOUS,
    _("The clock of this machine was set by %(seconds)s s; until an NTP server answers, the time known before counts."),
    cleared=_("The time is known again after the clock was set."),
)
CLOCK_LAST_CHANCE = Kind(
    "clock_last_chance",
    Severity.CRITICAL,
    _("Generation %(number)s was made although the clock is in doubt, because the pair before it was about to end."),
    cleared=_("The clock is right again."),
)
NO_NAMES = Kind(
    "no_names",
    Severity.SERIOUS,
    _("The communication server has no name and no address yet. Enter them under System / General."),
    cleared=_("The communication server has a name or an address."),
)
NAMES_MISSING = Kind(
    "names_missing",
    Severity.SERIOUS,
    _("Not in the active host certificate: %(names)s. Telephones that use them refuse it. Generate manually."),
    cleared=_("All names and addresses are in the active host certificate."),
)
ADDRESS_GONE = Kind(
    "address_gone",
    Severity.SERIOUS,
    _("None of the communication server's addresses (%(addresses)s) is on an interface of this machine any more."),
    cleared=_("An address of the communication server is on this machine again."),
)
INTERVAL_LENGTHENED = Kind(
    "interval_lengthened",
    Severity.NORMAL,
    _(
        "The active pair was made for an interval of %(made_with)s days; the longer one holds from the next generation on."
    ),
    cleared=_("The active pair was made for the interval that is set."),
)
PAIR_ENDS = Kind(
    "pair_ends",
    Severity.SERIOUS,
    _("The active certificates end on %(end)s, in less than %(days)s days."),
    cleared=_("The active certificates are no longer about to end."),
)
PAIR_ENDED = Kind(
    "pair_ended",
    Severity.CRITICAL,
    _("The active certificates ended on %(end)s: no calls are possible. Generate now."),
    cleared=_("The active certificates are valid again."),
)
HANDOVER_WAITS = Kind(
    "handover_waits",
    Severity.NORMAL,
    _("The handover to generation %(number)s waits until %(deadline)s; terminals not yet confirmed: %(missing)s."),
    cleared=_("The handover is over."),
)
HANDOVER_WAITS_ALONE = Kind(
    "handover_waits_alone",
    Severity.NORMAL,
    _(
        "The handover to generation %(number)s waits until %(deadline)s: no terminal is known that could confirm it earlier."
    ),
    cleared=_("The handover is over, or a terminal is known that can confirm it."),
)
DEADLINE_NEAR = Kind(
    "deadline_near",
    Severity.SERIOUS,
    _("The server switches on %(deadline)s; not yet confirmed: %(names)s."),
    cleared=_("The handover no longer waits for a terminal."),
)
DEADLINE_HELD = Kind(
    "deadline_held",
    Severity.CRITICAL,
    _(
        "The deadline has come, but the rollout is stopped or a terminal has not confirmed: the server is not switched yet."
    ),
    cleared=_("The deadline is no longer held up."),
)
PAIR_HELD = Kind(
    "pair_held",
    Severity.CRITICAL,
    _("The switch to generation %(number)s failed; generation %(active)s is served. It is tried again by itself."),
    cleared=_("The switch that failed is settled."),
)
PAIR_ROLLED_BACK = Kind(
    "pair_rolled_back",
    Severity.SERIOUS,
    _("Generation %(number)s was rolled back and is held: it becomes active on %(deadline)s or when a person says so."),
    cleared=_("No rolled back pair is held any more."),
)
SWITCH_UNPROVED = Kind(
    "switch_unproved",
    Severity.CRITICAL,
    _("The server does not present generation %(number)s, and there is no pair to go back to. Reload is repeated."),
    cleared=_("The server presents the active pair."),
)
WITHDRAWN_SERVED = Kind(
    "withdrawn_served",
    Severity.CRITICAL,
    _("Generation %(number)s is withdrawn but still served: no other pair is active yet."),
    cleared=_("The withdrawn pair is no longer served."),
)
GENERATION_FAILED = Kind(
    "generation_failed",
    Severity.CRITICAL,
    _(
        "The last automatic generation failed (attempts: %(failures)s). The active pair stays in service; see the history."
    ),
    cleared=_("The generation that failed has been made up for."),
)
GENERATION_MISSED = Kind(
    "generation_missed",
    Severity.SERIOUS,
    _("No certificates could be generated on %(missed)s; the next attempt is on %(next)s."),
    cleared=_("The generation that was missed has been made up for."),
)
PUBLISH_FAILED = Kind(
    "publish_failed",
    Severity.CRITICAL,
    _("The certificates can't be put on the file system: %(error)s. It is tried again every minute."),
    cleared=_("The certificates are on the file system again."),
)
KEY_LOST = Kind(
    "key_lost",
    Severity.CRITICAL,
    _(
        "The host key of generation %(number)s can't be decrypted: a key is missing in the key list. What is published stays in "
        "service. Restore the key list, or generate now."
    ),
    cleared=_("Every host key can be decrypted."),
)
FILES_DIFFER = Kind(
    "files_differ",
    Severity.CRITICAL,
    _("Published files differ from the database: %(files)s."),
    cleared=_("The published files are right again."),
)
PRESENTS_OTHER = Kind(
    "presents_other",
    Severity.CRITICAL,
    _("%(address)s presents another certificate than the active one. Check the reload command of the server."),
    cleared=_("%(address)s presents the active certificate again."),
)
HEARTBEAT_MISSING = Kind(
    "heartbeat_missing",
    Severity.CRITICAL,
    _("The heartbeat was last seen on %(last_run)s: nothing is renewed by itself. Is pbxcerts running?"),
    cleared=_("The heartbeat is back."),
)


@dataclass(frozen=True)
class Observations:
    """What is not in the situation: the terminals, the disk, the server's ports, this machine, the heartbeat."""

    readiness: Readiness = field(default_factory=Readiness)
    publish_failure: str = ""
    differences: tuple[str, ...] = ()
    lost_keys: tuple[int, ...] = ()
    presented: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    local_addresses: frozenset[str] | None = None
    last_run: datetime | None = None
    clock_checked_at: datetime | None = None


def warnings(situation: Situation, seen: Observations) -> list[Notice]:
    """All that is true, the worst first."""
    return worst_first(_all(situation, seen))


def worst_first(notices: Iterable[Notice]) -> list[Notice]:
    order = [Severity.CRITICAL, Severity.SERIOUS, Severity.NORMAL]
    return sorted(notices, key=lambda notice: order.index(notice.severity))


def clock_warnings(clock: Clock) -> Iterator[Notice]:
    seconds = (clock.corrected - clock.now).total_seconds()
    match clock.state:
        case ClockState.OFF:
            yield Notice(CLOCK_OFF)
        case ClockState.UNANSWERED:
            yield Notice(CLOCK_UNANSWERED)
        case ClockState.WRONG:
            yield Notice(CLOCK_WRONG, params={"seconds": seconds})
        case ClockState.FAR_OFF:
            yield Notice(CLOCK_FAR_OFF, params={"seconds": seconds})
        case ClockState.RIGHT if clock.measurement is not None and abs(clock.measurement.offset) > WARNS_ABOVE:
            yield Notice(CLOCK_INEXACT, params={"seconds": seconds})
    if clock.warns and clock.measurement is not None and clock.measurement.disagreed:
        yield Notice(CLOCK_DISAGREE)
    if clock.jumped is not None:
        yield Notice(CLOCK_JUMPED, params={"seconds": clock.jumped.total_seconds()})


def heartbeat_warning(last_run: datetime | None, clock: Clock) -> Iterator[Notice]:
    if last_run is not None and clock.now - last_run > HEARTBEAT_LATE:
        yield Notice(HEARTBEAT_MISSING, params={"last_run": last_run.isoformat()})


def _all(situation: Situation, seen: Observations) -> Iterator[Notice]:
    yield from clock_warnings(situation.clock)
    yield from heartbeat_warning(seen.last_run, situation.clock)
    if not situation.general.identity:
        yield Notice(NO_NAMES)
    if situation.active is None and situation.pending is None:
        yield Notice(NO_GENERATION)
    newest = situation.pending or situation.active
    if newest is not None and situation.clock.state != ClockState.RIGHT and _made_in_doubt(newest):
        yield Notice(CLOCK_LAST_CHANCE, subject=str(newest.number), params={"number": newest.number})
    if seen.publish_failure:
        yield Notice(PUBLISH_FAILED, params={"error": seen.publish_failure})
    elif seen.differences:
        yield Notice(FILES_DIFFER, params={"files": ", ".join(seen.differences)})
    for number in seen.lost_keys:
        yield Notice(KEY_LOST, subject=str(number), params={"number": number})
    yield from _server_warnings(situation, seen)
    if situation.active is not None:
        yield from _active_warnings(situation, situation.active)
    if situation.pending is not None and situation.active is not None:
        yield from _handover_warnings(situation, situation.pending, situation.active, seen.readiness)


def _made_in_doubt(pair: Generation) -> bool:
    return pair.trigger == Generation.Trigger.SCHEDULE and pair.clock_state != ClockState.RIGHT


def _server_warnings(situation: Situation, seen: Observations) -> Iterator[Notice]:
    general, active = situation.general, situation.active
    if active is not None:
        missing = general.identity.missing_from(active.host)
        if missing:
            yield Notice(NAMES_MISSING, params={"names": ", ".join(missing)})
        if situation.switch is None:
            for address in general.tls_addresses:
                sha256 = seen.presented.get(address, {}).get("sha256", "")
                if sha256 and sha256 != active.host_sha256:
                    yield Notice(PRESENTS_OTHER, subject=address, params={"address": address})
    if (
        general.on_this_machine
        and general.ip_addresses
        and seen.local_addresses is not None
        and not seen.local_addresses.intersection(general.ip_addresses)
    ):
        yield Notice(ADDRESS_GONE, params={"addresses": ", ".join(general.ip_addresses)})


def _active_warnings(situation: Situation, active: Generation) -> Iterator[Notice]:
    assert active.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
    clock, number = situation.clock, str(active.number)
    if situation.has_ended(active):
        yield Notice(PAIR_ENDED, subject=number, params={"end": active.not_after.isoformat()})
    missed = situation.missed
    overdue = missed is not None or situation.failures > 0
    step = lifetime.ends_in_step(now=clock.best, end=active.end, overlap_made_with=active.overlap, overdue=overdue)
    if step is not None:
        yield Notice(
            PAIR_ENDS, subject=number, step=str(step), params={"end": active.not_after.isoformat(), "days": step}
        )
    if situation.settings.interval_days > active.interval_days:
        yield Notice(INTERVAL_LENGTHENED, subject=number, params={"made_with": active.interval_days})
    if active.withdrawn_at is not None:
        yield Notice(WITHDRAWN_SERVED, subject=number, params={"number": active.number})
    if active.switch_failures:
        yield Notice(SWITCH_UNPROVED, subject=number, params={"number": active.number})
    if situation.pending is not None:
        return
    if situation.failures:
        yield Notice(GENERATION_FAILED, subject=number, params={"failures": situation.failures})
    if missed is not None and situation.next_at is not None:
        yield Notice(
            GENERATION_MISSED,
            subject=number,
            step=missed.isoformat(),
            params={"missed": missed.isoformat(), "next": situation.next_at.isoformat()},
        )


def _handover_warnings(
    situation: Situation, pending: Generation, active: Generation, readiness: Readiness
) -> Iterator[Notice]:
    number, clock = str(pending.number), situation.clock
    if pending.state == Generation.State.HELD:
        deadline = pending.deadline.isoformat() if pending.deadline else ""
        if pending.held_because == Generation.Held.SWITCH_FAILED:
            yield Notice(PAIR_HELD, subject=number, params={"number": pending.number, "active": active.number})
        else:
            yield Notice(PAIR_ROLLED_BACK, subject=number, params={"number": pending.number, "deadline": deadline})
    elif pending.deadline is not None and not readiness.counting:
        params = {"number": pending.number, "deadline": pending.deadline.isoformat()}
        yield Notice(HANDOVER_WAITS_ALONE, subject=number, params=params)
    elif pending.deadline is not None:
        yield Notice(
            HANDOVER_WAITS,
            subject=number,
            params={
                "number": pending.number,
                "deadline": pending.deadline.isoformat(),
                "missing": f"{readiness.missing_count} ({_names(readiness, 5)})" if readiness.missing else "0",
            },
        )
    if pending.deadline is None:
        return
    left = pending.deadline - clock.best
    if readiness.missing and left > timedelta(0):
        reached = [step for step in MISSING_STEPS if left <= timedelta(days=step)]
        if reached:
            yield Notice(
                DEADLINE_NEAR,
                subject=number,
                step=str(min(reached)),
                params={"deadline": pending.deadline.isoformat(), "names": _names(readiness, NAMED_AT_MOST)},
            )
    if left <= timedelta(0) and readiness.holds_deadline:
        day = clock.best.astimezone(situation.general.zone).date().isoformat()
        yield Notice(DEADLINE_HELD, subject=number, step=day)


def _names(readiness: Readiness, at_most: int) -> str:
    """Of the first who are missing."""
    named = [str(missing) for missing in readiness.missing[:at_most]]
    return ", ".join([*named, "…"] if readiness.missing_count > len(named) else named)
