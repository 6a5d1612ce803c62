"""What every response of the panel has: a strict policy for content, and the installation's language and time zone."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.utils import timezone, translation

from pbxcerts.system.models import General

Responder = Callable[[HttpRequest], HttpResponseBase]

# data: is for the drawings in Bootstrap's style sheet.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def content_security_policy(get_response: Responder) -> Responder:
    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return respond


def no_hsts_of_our_own(get_response: Responder) -> Responder:
    """Our root changes with every generation: after HSTS (RFC 6797) no browser would let an administrator past the next one. It
    is kept where a declared proxy, which has a certificate of its own, says how the reader came.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not (settings.TRUSTED_PROXIES and "X-Forwarded-Proto" in request.headers):
            response.headers.pop("Strict-Transport-Security", None)
        return response

    return respond


def installation(get_response: Responder) -> Responder:
    """Read the row of System / General once (`request.general`) and answer in its time zone and in the reader's language.

    The language is the one that this browser chose (a cookie), else the system language. What the browser says by itself does
    not count: a PBX's panel speaks the language that its administrator set. Nothing is kept by caches.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        general = General.load()
        request.general = general  # type: ignore[attr-defined]
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        language = chosen if chosen in dict(settings.LANGUAGES) else general.language
        with translation.override(language), timezone.override(general.zone):
            response = get_response(request)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    return respond


def page_where_a_method_is_not_allowed(get_response: Responder) -> Responder:
    """405 with a page: Django answers with none to who opens the address of a button."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        page = render(request, "405.html", status=405)
        page.headers["Allow"] = response.headers["Allow"]
        return page

    return respond
