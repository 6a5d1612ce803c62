"""The clock in words."""

from datetime import timedelta

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.clock import ClockState
from pbxcerts.system.models import Severity
from pbxcerts.system.ntp import Reason

STATES: dict[ClockState, Promise] = {
    ClockState.OFF: _("The NTP service is off or no server is set: nothing is renewed automatically."),
    ClockState.UNANSWERED: _("No server has answered in the last 30 minutes: a renewal would be postponed."),
    ClockState.WRONG: _("The clock is more than 5 seconds off: a renewal would be postponed."),
    ClockState.FAR_OFF: _("The clock is more than 12 hours off: nothing is renewed automatically."),
    ClockState.RIGHT: _("The clock is right."),
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
    ANSWERED: _("answered"),
    Reason.UNRESOLVED: _("the name leads to no address; check the spelling and the name service"),
    Reason.UNREACHABLE: _("nobody is there"),
    Reason.TIMEOUT: _("no answer in time"),
    Reason.MALFORMED: _("the answer is no time"),
    Reason.ORIGIN: _("the answer belongs to another question: late or forged"),
    Reason.KISS_OF_DEATH: _("the server asks not to be asked"),
    Reason.STRATUM: _("the server has no source of time itself"),
    Reason.LEAP: _("the server's own clock is not set"),
    Reason.DELAY: _("the answer took longer than 5 seconds, or the clock was set meanwhile"),
}


def signed_seconds(offset: timedelta, *, decimals: int = 3) -> str:
    """An offset in seconds with its sign, as the reader's language writes numbers; with `decimals` where it is below a minute."""
    value = offset.total_seconds()
    digits = decimals if abs(value) < 60 else 0
    sign = "\N{MINUS SIGN}" if round(value, digits) < 0 else "+"
    return sign + number_format(abs(value), digits)
