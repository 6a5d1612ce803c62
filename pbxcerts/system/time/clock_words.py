"""The clock in words, and as a value for scripts."""

from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pbxcerts.system.models import Severity
from pbxcerts.system.time import time_words
from pbxcerts.system.time.clock import Clock, ClockState
from pbxcerts.system.time.ntp import NtpFault
from pbxcerts.system.time.time_words import utc

STATES: dict[ClockState, Promise] = {
    ClockState.OFF: gettext_lazy(
        "The NTP service is off or no server is set: certificates are renewed only shortly before they end."
    ),
    ClockState.UNANSWERED: gettext_lazy(
        "No NTP server has answered in the last 30 minutes: a renewal would be postponed."
    ),
    ClockState.WRONG: gettext_lazy("The clock is more than 5 seconds off: a renewal would be postponed."),
    ClockState.FAR_OFF: gettext_lazy(
        "The clock is more than 12 hours off: certificates are renewed only shortly before they end, if two NTP servers agree."
    ),
    ClockState.RIGHT: gettext_lazy("The clock is right."),
}
SEVERITIES: dict[ClockState, Severity | None] = {
    ClockState.OFF: Severity.CRITICAL,
    ClockState.UNANSWERED: Severity.SERIOUS,
    ClockState.WRONG: Severity.SERIOUS,
    ClockState.FAR_OFF: Severity.CRITICAL,
    ClockState.RIGHT: None,
}
ANSWERED = "answered"
OUTCOMES: dict[str, Promise] = {
    ANSWERED: gettext_lazy("answered"),
    NtpFault.UNRESOLVED: gettext_lazy("the name leads to no address; check the spelling and the name service"),
    NtpFault.UNREACHABLE: gettext_lazy("nobody is there"),
    NtpFault.TIMEOUT: gettext_lazy("no answer in time"),
    NtpFault.MALFORMED: gettext_lazy("the answer is no time"),
    NtpFault.ORIGIN: gettext_lazy("the answer belongs to another question: late or forged"),
    NtpFault.KISS_OF_DEATH: gettext_lazy("the server refuses further requests"),
    NtpFault.STRATUM: gettext_lazy("the server has no source of time itself"),
    NtpFault.LEAP: gettext_lazy("the server's own clock is not set"),
    NtpFault.DELAY: gettext_lazy("the answer took longer than 5 seconds, or the clock was set meanwhile"),
}


def off(offset: timedelta, *, decimals: int = 3) -> str:
    """How a clock goes, as people say it: "2 hours behind". `offset`: the true time minus the clock's; below a minute it is
    told in seconds with so many `decimals`.
    """
    length = _length(offset, decimals)
    if not round(abs(offset.total_seconds()), decimals):
        return _("%(length)s off") % {"length": length}
    return (_("%(length)s behind") if offset > timedelta(0) else _("%(length)s ahead")) % {"length": length}


def off_beside_the_word(offset: timedelta) -> str:
    """As `off`, where "offset" is said already: nothing is "0.000 s"."""
    return off(offset) if round(abs(offset.total_seconds()), 3) else _length(offset, 3)


def moved(jump: timedelta) -> str:
    """By how much a clock was set, as people say it: "2 hours back"."""
    length = {"length": _length(jump, 0)}
    return (_("%(length)s forward") if jump > timedelta(0) else _("%(length)s back")) % length


def _length(span: timedelta, decimals: int) -> str:
    span = abs(span)
    if span >= timedelta(minutes=1):
        return time_words.span(span)
    return _("%(seconds)s s") % {"seconds": number_format(span.total_seconds(), decimals)}


def clock_value(clock: Clock, checked_at: datetime | None) -> dict[str, Any]:
    """`offset` in seconds: the true time minus this machine's. `checked_at`: when the servers were last asked. `machine` and
    `counts`: the machine's time and the one that counts; `jumped`: by how many seconds the machine's was set, where no server
    has answered since.
    """
    measurement = clock.measurement
    return {
        "state": clock.state.value,
        "machine": utc(clock.machine),
        "counts": utc(clock.best),
        "jumped": clock.jumped.total_seconds() if clock.jumped else None,
        "offset": measurement.offset.total_seconds() if measurement else None,
        "server": measurement.server if measurement else None,
        "stratum": measurement.stratum if measurement else None,
        "checked_at": utc(checked_at),
    }
