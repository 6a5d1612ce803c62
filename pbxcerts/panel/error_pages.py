"""The pages for what goes wrong; the templates 404 and 403_csrf are shown by Django's own views."""

import logging
import sys

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation

from pbxcerts.system.access import RoleNeeded
from pbxcerts.system.database_lock import is_away, is_locked, let_go_of
from pbxcerts.system.log_lines import REQUEST

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. A host that is not ours comes here before the row with the language is read, so the browser's language counts."""
    host = request.META.get("HTTP_HOST", "") if isinstance(exception, DisallowedHost) else ""
    with translation.override(translation.get_language_from_request(request)):
        return render(request, "400.html", {"host": host}, status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403. Says which role is needed."""
    role = exception.role if isinstance(exception, RoleNeeded) else None
    return render(request, "403.html", {"role": role}, status=403)


def unable(why: str) -> HttpResponse:
    """503: this machine can't work until somebody has put right what is wrong. `why`: "database", or what of its secrets is another
    than on the machine that publishes (`pbxcerts.system.shared_secrets.Difference`).
    """
    page = render_to_string("unable.html", {"why": why, "request_id": REQUEST.get()})
    return HttpResponse(page, status=503, headers={"Retry-After": "5"})


def server_error(request: HttpRequest) -> HttpResponse:
    """500; 503 where another process has locked the database, or the database is away, which passes by itself. No page of these
    needs the database.
    """
    error = sys.exc_info()[1]
    if is_locked(error):
        let_go_of(error)
        return HttpResponse(render_to_string("503.html"), status=503)
    if is_away(error):
        logger.error("the database is away: %s", error)
        let_go_of(error)
        with translation.override(translation.get_language_from_request(request)):
            return unable("database")
    return HttpResponse(render_to_string("500.html", {"request_id": REQUEST.get()}), status=500)
