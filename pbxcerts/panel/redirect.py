"""Redirect from the plain listener to the HTTPS listener, if the administrator wants it and while that one is open."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from pbxcerts.system import run_files
from pbxcerts.system.models import General

HTTPS = 443


def redirect_to_https(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Redirect GET and HEAD; with another method the body has travelled in the open already, and would be lost besides.

    Behind a proxy nothing is redirected: only the way from the proxy to us is plain, and the reader asks the proxy.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        if request.is_secure() or request.method not in {"GET", "HEAD"} or settings.TRUSTED_PROXIES:
            return get_response(request)
        port = run_files.https_port()
        if port is None or not _general(request).redirect_to_https:
            return get_response(request)
        # The host as it was asked for, without its port; an IPv6 address keeps its brackets (RFC 3986 3.2.2).
        host = re.sub(r":[0-9]+$", "", request.get_host())
        location = host if port == HTTPS else f"{host}:{port}"
        # 302: whoever turns the redirect off again wants browsers to forget it.
        return HttpResponseRedirect(f"https://{location}{request.get_full_path()}")

    return respond


def _general(request: HttpRequest) -> General:
    return getattr(request, "general", None) or General.load()
