"""A person accepts the machine's clock where no server can be asked (rule clock-accepted).

Somebody set it by hand: until then the time known before counts, and by nothing else than a person's word could it ever end.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pbxcerts.system import events
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import ClockCheck, General, Heartbeat, Severity
from pbxcerts.system.time import ntp, timekeeping
from pbxcerts.system.time.clock import Clock, ClockState, MachineReading, last_known
from pbxcerts.system.time.timekeeping import AskServers, ReadMachine

SILENT_FOR = timedelta(hours=1)

CLOCK_ACCEPTED = EventKind(
    "clock_accepted",
    Severity.NORMAL,
    gettext_lazy(
        "%(by)s accepted the clock of this machine: %(machine)s. Until then the time that counted was %(counted)s."
    ),
    cause=gettext_lazy("No NTP server could be asked, and an administrator has accepted the clock."),
    consequence=gettext_lazy("If the clock is wrong, so are the dates of the next pair, and telephones may refuse it."),
    remedy=gettext_lazy("Nothing, if it was meant. Make an NTP server reachable as soon as possible."),
    instants=("machine", "counted"),
)


class AcceptanceRefused(Exception):
    """The machine's clock is not for a person to accept now. The message is for that person."""


def is_possible(general: General, heartbeat: Heartbeat, reading: MachineReading) -> bool:
    """Whether the machine's clock is not the one that counts, or was set, and no server could say whether it is right: the
    service is off, or all servers have been silent for an hour of asking since.
    """
    clock = timekeeping.current_clock(general=general, heartbeat=heartbeat, reading=reading)
    if clock.best == clock.machine and clock.jumped is None:
        return False
    if clock.state is ClockState.OFF:
        return True
    return clock.state is ClockState.UNANSWERED and _silent_for(clock, heartbeat, reading) >= SILENT_FOR


def _silent_for(clock: Clock, heartbeat: Heartbeat, reading: MachineReading) -> timedelta:
    """How long ago the servers were first asked in vain: since they last answered, since the clock jumped, and since the
    machine was started.
    """
    checks = ClockCheck.objects.filter(machine=heartbeat.key)
    answered = checks.filter(offset__isnull=False).aggregate(last=Max("pk"))["last"] or 0
    in_vain = checks.filter(pk__gt=answered, boot_id=reading.boot_id)
    known = last_known(reading, clock.measurement, timekeeping.anchor_of(heartbeat))
    if clock.jumped is not None and known is not None:
        in_vain = in_vain.filter(boottime__gt=known.boottime)
    first = in_vain.order_by("pk").values_list("boottime", flat=True).first()
    return timedelta() if first is None else timedelta(seconds=reading.boottime - first)


def accept(*, by: str, ask: AskServers = ntp.ask, read: ReadMachine = timekeeping.read_machine) -> None:
    """Let the machine's clock count from now on, after the servers have been asked once more. Raises AcceptanceRefused.

    What servers said before has no say any more. It waits for the network, so never call it inside a transaction.
    """
    general, heartbeat = General.load(), Heartbeat.load()
    timekeeping.check_clock(general=general, heartbeat=heartbeat, ask=ask, read=read)
    reading = read()
    if not is_possible(general, heartbeat, reading):
        raise AcceptanceRefused(
            _(
                "There is nothing to accept: the machine's clock counts already, an NTP server has answered, or the servers"
                " have not been silent for an hour yet."
            )
        )
    counted = timekeeping.current_clock(general=general, heartbeat=heartbeat, reading=reading).best
    told = {"by": by, "machine": reading.wall.isoformat(), "counted": counted.isoformat()}
    with transaction.atomic():
        Heartbeat.objects.filter(key=heartbeat.key).update(
            wall=reading.wall,
            boottime=reading.boottime,
            boot_id=reading.boot_id,
            offset=None,
            accepted_at=reading.wall,
            void_until=ClockCheck.objects.aggregate(last=Max("pk"))["last"] or 0,
        )
        events.tell(Notice(CLOCK_ACCEPTED, subject=reading.wall.isoformat(), params=told), now=reading.wall)
