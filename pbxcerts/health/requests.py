"""What is known of each of the panel's requests: its id, its route, and how long it took (rule request-id)."""

import re
import secrets
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from pbxcerts.system.log_lines import REQUEST
from pbxcerts.system.network.forwarded import AddressesOnly

if TYPE_CHECKING:
    from pbxcerts.health.request_times import RequestTimes

GIVEN = re.compile(rb"[A-Za-z0-9._:=+-]{8,64}")
"""What a proxy may have given: nginx has 32 hex digits, others a UUID."""
NO_ROUTE = "none"
STATIC = "static"


class TracedRequests:
    """An ASGI application around `app`. `proxies`: the addresses whose X-Request-ID counts. `times` counts, where anybody asks."""

    def __init__(self, app: Any, *, proxies: list[str], times: "RequestTimes | None") -> None:
        self._app = app
        self._proxies = AddressesOnly(proxies)
        self._times = times

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        began = perf_counter()
        request = self._id(scope)
        # The server has made a task for this request, with a context of its own, which the thread that answers gets too.
        REQUEST.set(request)

        async def tell(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request.encode())]}
                if self._times is not None:
                    route = scope["state"].get("route", NO_ROUTE)
                    self._times("panel", route, message["status"], perf_counter() - began)
            await send(message)

        await self._app(scope, receive, tell)

    def _id(self, scope: Any) -> str:
        """A header that came twice is nobody's."""
        if scope["state"].get("peer", "") in self._proxies:
            given = [value for name, value in scope["headers"] if name == b"x-request-id"]
            if len(given) == 1 and GIVEN.fullmatch(given[0]):
                return str(given[0], "ascii")
        return secrets.token_hex(8)


def name_the_route(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: tell what counts the request by which route it was answered: never by its path, which a stranger makes up and
    which may hold a secret.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        scope = request.META.get("asgi.scope")
        if scope is not None:
            scope["state"]["route"] = route_of(request, response)
        return response

    return respond


def route_of(request: HttpRequest, response: HttpResponseBase) -> str:
    if request.resolver_match is not None:
        return request.resolver_match.view_name or NO_ROUTE
    is_static = request.path.startswith(settings.STATIC_URL) and response.status_code < 400
    return STATIC if is_static else NO_ROUTE
