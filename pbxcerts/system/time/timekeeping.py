"""Keep the time: read the machine, ask the servers, and remember what they said.

What is remembered stands in two rows: `ClockCheck`, one for each time the servers were asked, and the anchor, which
`Heartbeat` holds. `pbxcerts.system.time.clock` judges by them.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import transaction

from pbxcerts.system.models import ClockCheck, General, Heartbeat
from pbxcerts.system.time import ntp
from pbxcerts.system.time.clock import (
    Clock,
    ClockAnchor,
    ClockState,
    MachineReading,
    Measurement,
    judge_clock,
    next_clock_anchor,
)

CHECKED_EVERY = timedelta(minutes=15)
CHECKED_IN_DOUBT_EVERY = timedelta(minutes=1)
HALF_A_BEAT = timedelta(seconds=30)
"""The heartbeat that asks whether a check is due comes every minute, give or take some seconds."""
CHECKS_ARE_KEPT = timedelta(days=90)
SILENT_CHECKS_ARE_KEPT = 10_000

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

AskServers = Callable[[Sequence[str]], ntp.NtpSurvey]
ReadMachine = Callable[[], MachineReading]


def read_machine() -> MachineReading:
    """Read the machine: its clock, CLOCK_BOOTTIME, and which start of the machine that counts from."""
    return MachineReading(
        wall=machine_time(),
        boottime=time.clock_gettime(time.CLOCK_BOOTTIME),
        boot_id=BOOT_ID.read_text().strip(),
    )


def now() -> datetime:
    """The best clock, for a caller that asks nothing else of it. Two or three queries."""
    return current_clock().best


def machine_time() -> datetime:
    """This machine's clock, right or wrong. It costs no query."""
    return datetime.fromtimestamp(time.time(), UTC)


def current_clock(
    *, general: General | None = None, heartbeat: Heartbeat | None = None, reading: MachineReading | None = None
) -> Clock:
    """The clock as it is now by what is known; asks no server. At most three queries, one with the rows passed in."""
    general = general or General.load()
    heartbeat = heartbeat or Heartbeat.load()
    return judge_clock(
        reading or read_machine(),
        ntp_enabled=general.ntp_enabled,
        servers=general.ntp_servers,
        last=_last_answer(heartbeat),
        anchor=anchor_of(heartbeat),
    )


def since_heartbeat(heartbeat: Heartbeat, reading: MachineReading) -> timedelta | None:
    """How long ago the heartbeat last ran, by CLOCK_BOOTTIME: a clock that is set says nothing of it. After a start of the
    machine that long it has been up without one. None where it never ran.
    """
    if heartbeat.last_run is None:
        return None
    if heartbeat.ran_boottime is None:
        # A version that kept only the machine's clock has run last.
        return reading.wall - heartbeat.last_run
    began = heartbeat.ran_boottime if heartbeat.ran_boot_id == reading.boot_id else 0.0
    return timedelta(seconds=reading.boottime - began)


def check_clock(
    *,
    general: General | None = None,
    heartbeat: Heartbeat | None = None,
    ask: AskServers = ntp.ask,
    read: ReadMachine = read_machine,
) -> ClockCheck | None:
    """Ask the servers, store what they said, and move the anchor. None where the service is off or no server is set.

    `heartbeat`: the row as just read; it is brought up to date. It waits for the network, so never call it inside a
    transaction.
    """
    general = general or General.load()
    check = _ask_servers(general.ntp_servers, ask, read) if general.ntp_enabled and general.ntp_servers else None
    heartbeat = heartbeat or Heartbeat.load()
    with transaction.atomic():
        if check is not None:
            check.machine = heartbeat.key
            check.save()
        if not _remembered(check, general, heartbeat, read()):
            # A person has accepted the clock since the row was read (rule clock-accepted).
            heartbeat.refresh_from_db()
            _remembered(check, general, heartbeat, read())
    return check


def check_if_due(
    *,
    general: General | None = None,
    heartbeat: Heartbeat | None = None,
    ask: AskServers = ntp.ask,
    read: ReadMachine = read_machine,
) -> ClockCheck | None:
    """Check the clock when it is time to: what the heartbeat calls. None where nothing was asked (rule ntp-asked)."""
    general = general or General.load()
    heartbeat = heartbeat or Heartbeat.load()
    if not _is_due(read(), general, heartbeat):
        return None
    check = check_clock(general=general, heartbeat=heartbeat, ask=ask, read=read)
    clock = current_clock(general=general, heartbeat=heartbeat, reading=read())
    # A clock that is in doubt, 400 days ahead perhaps, must not sweep away what was measured by a right one.
    if clock.state is ClockState.RIGHT:
        ClockCheck.objects.filter(checked_at__lt=clock.machine - CHECKS_ARE_KEPT).delete()
    if check is not None:
        # However long nobody answers, these do not fill the disk.
        ClockCheck.objects.filter(offset=None, pk__lt=check.pk - SILENT_CHECKS_ARE_KEPT).delete()
    return check


def _remembered(check: ClockCheck | None, general: General, heartbeat: Heartbeat, reading: MachineReading) -> bool:
    """Store which check was the last and where the anchor is now. Returns False where a person has accepted the clock
    since the row was read: nothing is stored then.
    """
    if check is not None:
        heartbeat.last_check = check
    clock = current_clock(general=general, heartbeat=heartbeat, reading=reading)
    anchor = next_clock_anchor(reading, clock, anchor_of(heartbeat))
    heartbeat.wall, heartbeat.boottime = anchor.wall, anchor.boottime
    heartbeat.boot_id, heartbeat.offset = anchor.boot_id, anchor.offset
    names = ["last_check", "wall", "boottime", "boot_id", "offset"]
    unchanged = Heartbeat.objects.filter(key=heartbeat.key, accepted_at=heartbeat.accepted_at)
    return bool(unchanged.update(**{name: getattr(heartbeat, name) for name in names}))


def _is_due(reading: MachineReading, general: General, heartbeat: Heartbeat) -> bool:
    clock = current_clock(general=general, heartbeat=heartbeat, reading=reading)
    # Where no server is to be asked, only the anchor moves.
    last = heartbeat if clock.state is ClockState.OFF else heartbeat.last_check
    if last is None or last.boottime is None or last.boot_id != reading.boot_id:
        return True
    if isinstance(last, ClockCheck) and {answer["server"] for answer in last.answers} != set(general.ntp_servers):
        return True
    silent = isinstance(last, ClockCheck) and last.offset is None and not _asked_not_to_be_asked(last)
    in_doubt = clock.state is ClockState.FAR_OFF or clock.jumped is not None or silent
    every = CHECKED_IN_DOUBT_EVERY if in_doubt else CHECKED_EVERY
    return not timedelta() <= timedelta(seconds=reading.boottime - last.boottime) < every - HALF_A_BEAT


def _asked_not_to_be_asked(check: ClockCheck) -> bool:
    return any(answer["outcome"] == ntp.NtpFault.KISS_OF_DEATH for answer in check.answers)


def _ask_servers(servers: Sequence[str], ask: AskServers, read: ReadMachine) -> ClockCheck:
    before = read()
    survey = ask(servers)
    after = read()
    # A clock that was set while the servers answered: their offsets belong to either side of it, nobody knows which.
    drift = after.wall - before.wall - timedelta(seconds=after.boottime - before.boottime)
    median = survey.median() if abs(drift) < ntp.AGREE_WITHIN else None
    check = ClockCheck(
        checked_at=after.wall,
        boottime=after.boottime,
        boot_id=after.boot_id,
        answers=[_as_json(outcome) for outcome in survey.outcomes],
    )
    if median is not None:
        check.offset = median.offset
        check.server = median.server
        check.stratum = median.stratum
        check.agreed = survey.agreed
        check.disagreed = survey.disagreed
    return check


def _as_json(outcome: ntp.NtpAnswer | ntp.NtpFailure) -> dict[str, str | float | None]:
    match outcome:
        case ntp.NtpAnswer():
            return {
                "server": outcome.server,
                "outcome": "answered",
                "offset_seconds": outcome.offset.total_seconds(),
                "stratum": outcome.stratum,
            }
        case ntp.NtpFailure():
            return {
                "server": outcome.server,
                "outcome": outcome.reason.value,
                "kiss_code": outcome.kiss_code,
                "offset_seconds": None,
                "stratum": None,
            }


def _last_answer(heartbeat: Heartbeat) -> Measurement | None:
    """The last answer of a server since a person last accepted the clock."""
    check = heartbeat.last_check
    if check is not None and check.offset is None:
        answered = ClockCheck.objects.filter(machine=heartbeat.key, offset__isnull=False)
        check = answered.filter(pk__gt=heartbeat.void_until).first()
    if check is not None and check.pk <= heartbeat.void_until:
        return None
    if check is None or check.offset is None or check.stratum is None:
        return None
    return Measurement(
        checked_at=check.checked_at,
        boottime=check.boottime,
        boot_id=check.boot_id,
        offset=check.offset,
        server=check.server,
        stratum=check.stratum,
        agreed=check.agreed,
        disagreed=check.disagreed,
    )


def anchor_of(heartbeat: Heartbeat) -> ClockAnchor | None:
    if heartbeat.wall is None or heartbeat.boottime is None:
        return None
    return ClockAnchor(heartbeat.wall, heartbeat.boottime, heartbeat.boot_id, heartbeat.offset)
