"""What every response of the panel has: a strict policy for content, and the installation's language and time zone."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import redirect
from django.utils import timezone, translation

from pbxcerts.panel.appearance import language_of
from pbxcerts.panel.error_pages import method_not_allowed, outage, unable
from pbxcerts.processes.listeners.precedence import PRECEDENCE, Precedence
from pbxcerts.system.machines.other_machines import refuses_us
from pbxcerts.system.models import General
from pbxcerts.system.pages import kept_entries
from pbxcerts.system.users.slowing import Slowed

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# data: is for the drawings in Bootstrap's style sheet (rule strict-content).
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


def content_security_policy(get_response: GetResponse) -> GetResponse:
    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return respond


class CompressedFiles(GZipMiddleware):
    """Static files go out compressed. Pages do not: they hold secrets beside what a stranger may have put there (BREACH)."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_whole_file = request.path.startswith(settings.STATIC_URL) and response.status_code == 200
        return super().process_response(request, response) if is_whole_file else response


def no_hsts_of_our_own(get_response: GetResponse) -> GetResponse:
    """HSTS (RFC 6797) is kept only where a declared proxy says how the reader came (rule no-hsts)."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not (settings.TRUSTED_PROXIES and "X-Forwarded-Proto" in request.headers):
            response.headers.pop("Strict-Transport-Security", None)
        return response

    return respond


def people_before_phones(get_response: GetResponse) -> GetResponse:
    """A page that is made for somebody who is logged in goes before phones, and no stranger's page does (rule pages-first)."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        precedence: Precedence | None = request.META.get(PRECEDENCE)
        if precedence is None or not request.user.is_authenticated:
            return get_response(request)
        with precedence.page():
            return get_response(request)

    return respond


def refuse_with_other_secrets(get_response: GetResponse) -> GetResponse:
    """Answer 503 while this machine's secret key or key list is another than on the machine that publishes (rule same-secrets)."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        if why := refuses_us():
            return unable(request, why)
        return get_response(request)

    return respond


def language_and_time_zone(get_response: GetResponse) -> GetResponse:
    """Read the row of System / General once (`request.general`) and answer in its time zone and in the reader's language.

    The language is the one that somebody chose (rule own-appearance), else the system language. What the browser says by itself
    does not count: a PBX's panel speaks the language that its administrator set. Nothing is kept by caches.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        general = General.load()
        outage.is_over()
        request.general = general  # type: ignore[attr-defined]
        language = general.spelt(language_of(request) or general.language)
        with translation.override(language), timezone.override(general.zone):
            response = get_response(request)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    return respond


def too_many_passwords(get_response: GetResponse) -> GetResponse:
    """Give the page whose password was not looked at the status 429 and Retry-After (RFC 6585 section 4).

    Nobody waits inside: each that did would hold one of the eight threads (rule slowed-never-locked).
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        slowed: Slowed | None = getattr(request, "slowed", None)
        if slowed is not None:
            response.status_code = 429
            response.headers["Retry-After"] = str(slowed.seconds)
            # Else whoever is slowed could fill the log.
            response._has_been_logged = True  # type: ignore[attr-defined]
        return response

    return respond


def page_where_a_method_is_not_allowed(get_response: GetResponse) -> GetResponse:
    """Show a page with 405 to a reader who opens the address of a button: Django's own 405 has no body."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        if kept_entries.was_given_back(request):
            # What was pressed, when the session was over, was a button of another page.
            kept = kept_entries.take(request, whose="")
            return redirect(kept.back if kept is not None and kept.back else "home")
        return method_not_allowed(request, response)

    return respond
