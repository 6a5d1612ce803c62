"""What this machine's processes have been told of the others. It costs no query (rules one-publishes, same-secrets, one-time)."""

from datetime import timedelta

from django.conf import settings

from pbxcerts.system.run_files import OTHER_MACHINES, OtherMachine


def publishes_elsewhere() -> OtherMachine | None:
    """The other machine that publishes, as this machine's processes were last told; None where it is this one, or nobody."""
    return next((one for one in OTHER_MACHINES.read(settings.DATA).values() if one.publishes), None)


def refuses_us() -> str:
    """Which secret of ours is another than on the machine that publishes, so that this process may not work; "" where none is."""
    return next((one.refuses_us for one in OTHER_MACHINES.read(settings.DATA).values() if one.refuses_us), "")


def clock_ahead_of_the_publishers() -> timedelta:
    """By how much the clock of this machine is ahead of that of the machine that publishes, where that is more than five seconds."""
    publisher = publishes_elsewhere()
    return timedelta(seconds=publisher.our_clock_ahead) if publisher is not None else timedelta()
