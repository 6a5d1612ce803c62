"""The names of the panel's cookies over HTTPS, where all of them are Secure (rule cookies)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PREFIX = "__Secure-"
"""A browser takes a cookie with such a name only over HTTPS, and only with Secure (RFC 6265bis section 4.1.3.1)."""


def secure_cookies_over_https(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give every cookie over HTTPS the attribute Secure and a name with the prefix, and read only such.

    With the names of plain HTTP it would not be enough: a browser lets no plain response replace a Secure cookie, so that
    nobody could log in there any more, and what a plain response did set first would count over HTTPS.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        if not (request.is_secure() or settings.SECURE_COOKIES):
            return get_response(request)
        received = request.COOKIES.items()
        request.COOKIES = {name.removeprefix(PREFIX): value for name, value in received if name.startswith(PREFIX)}
        response = get_response(request)
        for name in list(response.cookies):
            cookie = response.cookies.pop(name)
            cookie.set(f"{PREFIX}{name}", cookie.value, cookie.coded_value)
            cookie["secure"] = True
            response.cookies[cookie.key] = cookie
        return response

    return respond
