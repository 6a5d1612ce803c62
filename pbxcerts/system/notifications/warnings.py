"""What is wrong with telling itself: event messages, which the other destinations carry (rule event-messages)."""

from collections.abc import Iterable, Iterator

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from pbxcerts.system.notifications.models import Destination, Watchdog

WATCHDOG_SILENT_FROM = 5
"""So many heartbeats in a row."""

DESTINATION_FAILS = EventKind(
    "destination_fails",
    Severity.SERIOUS,
    _("Event messages do not reach the destination “%(name)s”."),
    cleared=_("Event messages reach the destination “%(name)s” again, or it is no longer in use."),
    hint=_("The page of the destination says why, and what to do. A test there shows whether it works again."),
    several=_("Event messages do not reach several destinations: %(each)s."),
    each=_("“%(name)s”"),
    cause=_("The mail server, the address or the log-in of the destination is wrong, or it is away."),
    consequence=_("None for calls by itself, but nobody is told there when something costs calls."),
)
DELIVERY_GIVEN_UP = EventKind(
    "delivery_given_up",
    Severity.SERIOUS,
    _(
        "A message to the destination “%(name)s” could not be delivered for a day and is no longer tried. Event messages in it:"
        " %(count)s."
    ),
    hint=_("They all stand on the page of the event messages."),
    cause=_("The destination has refused or not answered for a day."),
    consequence=_("Those who read there do not know these event messages."),
    remedy=_("Read them on the page of the event messages, and mend the destination."),
)
WATCHDOG_UNANSWERED = EventKind(
    "watchdog_unanswered",
    Severity.SERIOUS,
    _("The watchdog outside does not answer: nobody there would notice that pbxcerts is silent."),
    cleared=_("The watchdog outside answers again, or none is set."),
    hint=_("The page of the destinations says why, and what to do."),
    cause=_("The address of the watchdog is wrong, or the way there is closed."),
    consequence=_("If pbxcerts ends, nobody notices before the active pair ends and calls fail."),
)


def notification_warnings(destinations: Iterable[Destination], watchdog: Watchdog) -> Iterator[Notice]:
    for destination in destinations:
        if destination.fails:
            yield Notice(DESTINATION_FAILS, subject=str(destination.pk), params={"name": destination.name})
    if watchdog.shown and watchdog.failures >= WATCHDOG_SILENT_FROM:
        yield Notice(WATCHDOG_UNANSWERED)
