"""The pages for what goes wrong, in the frame of the panel for who is logged in. Those for a mistake of ours, and for a database that
does not answer, need nothing that could be broken too: their frame shows no state (rule errors-in-the-frame).
"""

import logging
import sys
from typing import Any

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.middleware.csrf import REASON_BAD_ORIGIN, get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation

from pbxcerts.panel import appearance
from pbxcerts.panel.tree import TREE, hidden_from
from pbxcerts.system.database.database_lock import is_away, is_locked, let_go_of
from pbxcerts.system.log_lines import REQUEST
from pbxcerts.system.outage import Outage
from pbxcerts.system.pages import kept_entries
from pbxcerts.system.users import known_browsers
from pbxcerts.system.users.access import RoleNeeded

logger = logging.getLogger(__name__)
outage = Outage(logger, "pages are made of what the database says again")

AGAIN_AFTER = 5
"""Seconds after which a page looks whether the database can be had again."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. A host that is not ours comes here before the row with the language is read, so the browser's language counts."""
    host = request.META.get("HTTP_HOST", "") if isinstance(exception, DisallowedHost) else ""
    session_over = isinstance(exception, SessionInterrupted)
    with translation.override(appearance.language_without_database(request)):
        return _show(request, "400.html", 400, host=host, session_over=session_over)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403. Says which role is needed."""
    role = exception.role if isinstance(exception, RoleNeeded) else None
    return _show(request, "403.html", 403, role=role)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was not from this session (CSRF). What was typed is given back where the browser says that the form was ours
    (Origin): somebody has logged in anew since it was opened.
    """
    origin, person = request.headers.get("Origin"), request.user
    kept = None
    if origin is not None and reason != REASON_BAD_ORIGIN % origin and person.is_authenticated:
        kept = kept_entries.take(request, whose=known_browsers.sign_of(person))
    return _show(request, "403_csrf.html", 403, kept=kept)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _show(request, "404.html", 404)


def method_not_allowed(request: HttpRequest, response: HttpResponseNotAllowed) -> HttpResponse:
    page = _show(request, "405.html", 405)
    page.headers["Allow"] = response.headers["Allow"]
    return page


def unable(request: HttpRequest, why: str) -> HttpResponse:
    """503: this machine can't work until somebody has put right what is wrong. `why`: "locked" or "database", or what of its secrets
    is another than on the machine that publishes (`pbxcerts.system.machines.shared_secrets.Difference`).
    """
    page = _show_without_state(request, "503.html", 503, why=why)
    page.headers["Retry-After"] = str(AGAIN_AFTER)
    return page


def server_error(request: HttpRequest) -> HttpResponse:
    """500; 503 where another process has locked the database, or the database is away, which passes by itself."""
    error = sys.exc_info()[1]
    if is_locked(error):
        let_go_of(error)
        return unable(request, "locked")
    if error is not None and is_away(error):
        outage.goes_on(error, "the database is away: %s")
        let_go_of(error)
        page = unable(request, "database")
        # Else Django says it of each request, with a traceback.
        page._has_been_logged = True  # type: ignore[attr-defined]
        return page
    return _show_without_state(request, "500.html", 500)


def _show(request: HttpRequest, template: str, status: int, **context: Any) -> HttpResponse:
    user = getattr(request, "user", None)
    in_frame = hasattr(request, "general") and user is not None and user.is_authenticated
    frame = "base.html" if in_frame else "plain.html"
    return render(request, template, {"frame": frame, **context}, status=status)


def _show_without_state(request: HttpRequest, template: str, status: int, **context: Any) -> HttpResponse:
    """It reads nothing but what this request has read before. Where even that fails, nothing but the sentences are left."""
    context["request_id"] = REQUEST.get()
    with translation.override(appearance.language_without_database(request)):
        try:
            page = render_to_string(template, {**_frame_without_state(request), **context})
        except Exception:
            logger.exception("The page of an error could not be shown in its frame.")
            page = render_to_string(template, {"frame": "plain.html", **context})
    return HttpResponse(page, status=status)


def _frame_without_state(request: HttpRequest) -> dict[str, Any]:
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    return {
        "frame": "frame_without_state.html" if has_session else "plain.html",
        "general": getattr(request, "general", None),
        "theme": appearance.theme_without_database(request),
        "demonstration": _mark_of_a_demonstration(),
        "tree": TREE,
        "hidden_views": hidden_from(appearance.known_person(request)),
        "kept": kept_entries.take(request, whose=known_browsers.last_of(request), after_failure=True),
        "csrf_token": get_token(request),
        "repeats_nothing": request.method in {"GET", "HEAD"},
        "again_after": AGAIN_AFTER,
    }


def _mark_of_a_demonstration() -> Any:
    if settings.DEMO is None:
        return None
    from pbxcerts.demo.banner import mark

    return mark()
