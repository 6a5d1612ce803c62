"""Keep the time: read the machine, ask the servers, and remember what they said.

What is remembered stands in two rows: `ClockCheck`, one for each time the servers were asked, and the anchor, which
`Heartbeat` holds. `pbxcerts.system.clock` judges by them.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import transaction

from pbxcerts.system import ntp
from pbxcerts.system.clock import Anchor, Clock, ClockState, Instant, Measurement, judge, next_anchor
from pbxcerts.system.models import ClockCheck, General, Heartbeat

CHECKED_EVERY = timedelta(minutes=15)
CHECKED_IN_DOUBT_EVERY = timedelta(minutes=1)
HALF_A_BEAT = timedelta(seconds=30)
"""The heartbeat that asks whether a check is due comes every minute, give or take some seconds."""
CHECKS_ARE_KEPT = timedelta(days=90)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Ask = Callable[[Sequence[str]], ntp.Survey]
Read = Callable[[], Instant]


def read_instant() -> Instant:
    """Read the machine: its clock, CLOCK_BOOTTIME, and which start of the machine that counts from."""
    return Instant(
        wall=datetime.fromtimestamp(time.time(), UTC),
        boottime=time.clock_gettime(time.CLOCK_BOOTTIME),
        boot_id=BOOT_ID.read_text().strip(),
    )


def current_clock(
    *, general: General | None = None, heartbeat: Heartbeat | None = None, instant: Instant | None = None
) -> Clock:
    """The clock as it is now by what is known; asks no server. At most three queries, one with the rows passed in."""
    general = general or General.load()
    heartbeat = heartbeat or Heartbeat.load()
    return judge(
        instant or read_instant(),
        ntp_enabled=general.ntp_enabled,
        servers=general.ntp_servers,
        last=_last_answer(heartbeat.last_check),
        anchor=_anchor(heartbeat),
    )


def check_clock(
    *,
    general: General | None = None,
    heartbeat: Heartbeat | None = None,
    ask: Ask = ntp.ask,
    read: Read = read_instant,
) -> ClockCheck | None:
    """Ask the servers, store what they said, and move the anchor. None where the service is off or no server is set.

    `heartbeat`: the row as just read; it is brought up to date. It waits for the network, so never call it inside a
    transaction.
    """
    general = general or General.load()
    check = _ask_servers(general.ntp_servers, ask, read) if general.ntp_enabled and general.ntp_servers else None
    heartbeat = heartbeat or Heartbeat.load()
    if check is not None:
        heartbeat.last_check = check

    instant = read()
    clock = current_clock(general=general, heartbeat=heartbeat, instant=instant)
    anchor = next_anchor(instant, clock, _anchor(heartbeat))
    heartbeat.wall, heartbeat.boottime = anchor.wall, anchor.boottime
    heartbeat.boot_id, heartbeat.offset = anchor.boot_id, anchor.offset
    with transaction.atomic():
        if check is not None:
            check.save()
        heartbeat.save(update_fields=["last_check", "wall", "boottime", "boot_id", "offset"])
    return check


def check_if_due(
    *,
    general: General | None = None,
    heartbeat: Heartbeat | None = None,
    ask: Ask = ntp.ask,
    read: Read = read_instant,
) -> ClockCheck | None:
    """Check the clock when it is time to: what the heartbeat calls. None where nothing was asked.

    Every 15 minutes; every minute while the clock is far off or has jumped; at once after a start of the machine and
    after the list of servers was changed.
    """
    general = general or General.load()
    heartbeat = heartbeat or Heartbeat.load()
    if not _is_due(read(), general, heartbeat):
        return None
    check = check_clock(general=general, heartbeat=heartbeat, ask=ask, read=read)
    clock = current_clock(general=general, heartbeat=heartbeat, instant=read())
    # A clock that is in doubt, 400 days ahead perhaps, must not sweep away what was measured by a right one.
    if clock.state is ClockState.RIGHT:
        ClockCheck.objects.filter(checked_at__lt=clock.now - CHECKS_ARE_KEPT).delete()
    return check


def _is_due(instant: Instant, general: General, heartbeat: Heartbeat) -> bool:
    clock = current_clock(general=general, heartbeat=heartbeat, instant=instant)
    # Where no server is to be asked, only the anchor moves.
    last = heartbeat if clock.state is ClockState.OFF else heartbeat.last_check
    if last is None or last.boottime is None or last.boot_id != instant.boot_id:
        return True
    if isinstance(last, ClockCheck) and {answer["server"] for answer in last.answers} != set(general.ntp_servers):
        return True
    in_doubt = clock.state is ClockState.FAR_OFF or clock.jumped is not None
    every = CHECKED_IN_DOUBT_EVERY if in_doubt else CHECKED_EVERY
    return not timedelta() <= timedelta(seconds=instant.boottime - last.boottime) < every - HALF_A_BEAT


def _ask_servers(servers: Sequence[str], ask: Ask, read: Read) -> ClockCheck:
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


def _as_json(outcome: ntp.Answer | ntp.Refusal) -> dict[str, str | float | None]:
    match outcome:
        case ntp.Answer():
            return {
                "server": outcome.server,
                "outcome": "answered",
                "offset_seconds": outcome.offset.total_seconds(),
                "stratum": outcome.stratum,
            }
        case ntp.Refusal():
            return {
                "server": outcome.server,
                "outcome": outcome.reason.value,
                "kiss_code": outcome.kiss_code,
                "offset_seconds": None,
                "stratum": None,
            }


def _last_answer(last_check: ClockCheck | None) -> Measurement | None:
    check = last_check
    if check is not None and check.offset is None:
        check = ClockCheck.objects.filter(offset__isnull=False).first()
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


def _anchor(heartbeat: Heartbeat) -> Anchor | None:
    if heartbeat.wall is None or heartbeat.boottime is None:
        return None
    return Anchor(heartbeat.wall, heartbeat.boottime, heartbeat.boot_id, heartbeat.offset)
