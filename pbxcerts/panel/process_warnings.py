"""What the pages and the event messages say about the processes of `up` and what they were started with."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pbxcerts import env
from pbxcerts.system.events import EventKind, Notice, said_once
from pbxcerts.system.machines import machine_warnings
from pbxcerts.system.models import Severity
from pbxcerts.system.run_files import FAILING_LISTENERS, FAILING_PROCESSES, broker_is_away

HINT = _(
    "It is tried again at least once a minute. The terminal or the journal in which pbxcerts runs says why it ends."
)
KINDS = {
    "web": EventKind(
        "web_process_fails",
        Severity.CRITICAL,
        _("The web process ends again and again (%(failures)s times in a row, last: %(last_end)s)."),
        cleared=_("The web process runs again."),
        hint=HINT,
        cause=machine_warnings.WHY_IT_ENDS,
        consequence=_(
            "The panel can't be used, and terminals get no files. Calls go on; in a handover terminals miss the new pair."
        ),
    ),
    "worker": EventKind(
        "worker_process_fails",
        Severity.CRITICAL,
        _(
            "The worker ends again and again (%(failures)s times in a row, last: %(last_end)s). "
            "Meanwhile nothing is renewed and nothing is handed over."
        ),
        cleared=_("The worker runs again."),
        hint=HINT,
        cause=machine_warnings.WHY_IT_ENDS,
        consequence=_("Calls go on until the active pair ends; after that there are no calls over TLS."),
    ),
}

LISTENER = EventKind(
    "terminals_listener_fails",
    Severity.CRITICAL,
    _("The terminals' listener at %(address)s cannot be opened: %(reason)s. Terminals do not get their files there."),
    cleared=_("The terminals' listener at %(address)s is open, or no longer wanted."),
    hint=_("It is tried again every second. Free the port, or name another address in the environment."),
    several=_(
        "Several of the terminals' listeners cannot be opened: %(each)s. Terminals do not get their files there."
    ),
    each="%(address)s (%(reason)s)",
    cause=machine_warnings.PORT_REFUSED,
    consequence=machine_warnings.WITHOUT_FILES,
)

BROKER_AWAY = EventKind(
    "broker_away",
    Severity.SERIOUS,
    _("The broker (Redis) does not answer: what is ordered on a page is carried out once a minute, not at once."),
    cleared=_("The broker answers again."),
    hint=_("Start it again, or make the way to it free. Nothing is lost: what is ordered stands in the database."),
    cause=_("Redis does not run, or the machine can't reach it."),
    consequence=_("No calls are lost; what is ordered is carried out up to a minute later."),
)

WEAK_KEY = EventKind(
    "secret_key_weak",
    Severity.SERIOUS,
    _("The secret key of the panel is weak: whoever guesses it can be any user."),
    cleared=_("The secret key of the panel is a good one."),
    hint=_(
        "Give PBXCERTS_SECRET_KEY at least 50 random characters, or remove it and its file: then a good one is made. Everybody logs "
        "in again afterwards."
    ),
    cause=_("PBXCERTS_SECRET_KEY is short or has few different characters."),
    consequence=_("No calls are lost, but a stranger can log in as an administrator and replace the certificates."),
)


def warnings() -> list[Notice]:
    """The warnings about processes, listeners and the secret key that are true now."""
    return [
        *(
            Notice(KINDS[name], params={"failures": child.failures, "last_end": child.last_end})
            for name, child in FAILING_PROCESSES.read(settings.DATA).items()
            if name in KINDS
        ),
        *(
            Notice(LISTENER, subject=name, params={"address": listener.address, "reason": listener.reason})
            for name, listener in FAILING_LISTENERS.read(settings.DATA).items()
        ),
        *([Notice(BROKER_AWAY)] if broker_is_away(settings.DATA) else []),
        *([Notice(WEAK_KEY)] if env.is_weak(settings.SECRET_KEY) else []),
    ]


def of_every_page(request: HttpRequest) -> dict[str, Any]:
    """Context processor: every page shows these warnings, because without a worker no heartbeat sends them."""
    signed_in = getattr(request, "user", None) is not None and request.user.is_authenticated
    return {"process_warnings": said_once([*warnings(), *machine_warnings.of_every_page()]) if signed_in else []}
