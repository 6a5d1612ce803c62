"""What the pages and the event messages say about the processes of `up`."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pbxcerts import listeners, process_state
from pbxcerts.system.events import Kind, Notice
from pbxcerts.system.models import Severity

HINT = _(
    "It is tried again at least once a minute. The terminal or the journal in which pbxcerts runs says why it ends."
)
KINDS = {
    "web": Kind(
        "web_process_fails",
        Severity.CRITICAL,
        _("The web process ends again and again (%(failures)s times in a row, last: %(last_end)s)."),
        cleared=_("The web process runs again."),
        hint=HINT,
    ),
    "worker": Kind(
        "worker_process_fails",
        Severity.CRITICAL,
        _(
            "The worker ends again and again (%(failures)s times in a row, last: %(last_end)s). "
            "Meanwhile nothing is renewed and nothing is handed over."
        ),
        cleared=_("The worker runs again."),
        hint=HINT,
    ),
}

LISTENER = Kind(
    "terminals_listener_fails",
    Severity.CRITICAL,
    _("The terminals' listener at %(address)s cannot be opened: %(reason)s. Terminals do not get their files there."),
    cleared=_("The terminals' listener at %(address)s is open."),
    hint=_("It is tried again every second. Free the port, or name another address in the environment."),
)


def warnings() -> list[Notice]:
    """Those that are true now."""
    failing = process_state.read(process_state.file(settings.DATA))
    return [
        *(
            Notice(KINDS[name], params={"failures": child.failures, "last_end": child.last_end})
            for name, child in failing.items()
            if name in KINDS
        ),
        *(
            Notice(LISTENER, subject=name, params={"address": listener.address, "reason": listener.reason})
            for name, listener in listeners.failing().items()
        ),
    ]


def of_every_page(request: HttpRequest) -> dict[str, Any]:
    """Context processor: where the worker can't be started, no heartbeat sends a message, so the frame says it itself."""
    signed_in = getattr(request, "user", None) is not None and request.user.is_authenticated
    return {"process_warnings": warnings() if signed_in else []}
