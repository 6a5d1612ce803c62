"""Give the eight threads whole requests only (rule whole-requests)."""

import asyncio
from collections.abc import Callable
from typing import Any

from pbxcerts.processes.listeners.admission import Admission
from pbxcerts.processes.listeners.budget import Budget, Holding
from pbxcerts.processes.listeners.panel_connection import HeldFlow
from pbxcerts.processes.listeners.precedence import PRECEDENCE, Precedence

BODY_WITHIN = 20
"""Seconds for the body of a request since its head."""
PART = 16 * 1024
AsgiMessage = dict[str, Any]


class WholeRequests:
    """An ASGI application that reads the body, at most `limit` octets, before it calls `app`. `bodies` and `responses` are
    what all requests together may have kept for them, `admission` is how many are inside, and `counts_as` says whose one is.
    """

    def __init__(
        self,
        app: Any,
        *,
        limit: int,
        bodies: Budget,
        responses: Budget,
        admission: Admission,
        counts_as: Callable[[str], str | None],
    ) -> None:
        self._app = app
        self._limit = limit
        self._bodies = bodies
        self._responses = responses
        self._admission = admission
        self._counts_as = counts_as

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        address = self._counts_as(scope["client"][0]) if scope["client"] else None
        with self._bodies.holding(address, lambda: None) as held:
            body = await self._whole_body(held, receive, send)
            if body is not None:
                await self._answer(body, address, scope, send)

    async def _whole_body(self, held: Holding, receive: Any, send: Any) -> bytes | None:
        """The body, or None where the request has been refused or the client has gone."""
        body = bytearray()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(BODY_WITHIN) as limit:
                held.give_up = lambda: limit.reschedule(loop.time())
                while True:
                    message: AsgiMessage = await receive()
                    if message["type"] != "http.request":
                        return None
                    part = message.get("body", b"")
                    if len(body) + len(part) > self._limit:
                        await _refuse(send, 413, b"The request is too large.")
                        return None
                    body += part
                    held.add(len(part))
                    if held.gave_up:
                        raise TimeoutError
                    if not message.get("more_body"):
                        held.keep()
                        return bytes(body)
        except TimeoutError:
            body.clear()
            if held.gave_up:
                await _refuse(send, 503, b"Too much is being sent at the same time. Please try again.")
            else:
                await _refuse(send, 408, b"The request was not completed in time.")
            return None

    async def _answer(self, body: bytes, address: str | None, scope: Any, send: Any) -> None:
        async def whole() -> AsgiMessage:
            return {"type": "http.request", "body": body, "more_body": False}

        loop = asyncio.get_running_loop()
        state = scope["state"]
        turn_out = state["turn_out"]
        flow: HeldFlow = state["flow"]
        async with self._admission.inside(address, turn_out) as admitted:
            with self._responses.holding(address, turn_out) as held:

                def made(octets: int) -> None:
                    admitted.is_made()
                    held.add(octets)

                # Told by the thread that makes it.
                state["made"] = lambda octets: loop.call_soon_threadsafe(made, octets)
                # Who has gone meanwhile keeps no thread from others.
                if not flow.is_lost:
                    await self._app(scope, whole, lambda message: _send_in_parts(send, message, flow))
                    await flow.drain()


def in_one_go(application: Any, precedence: Precedence) -> Any:
    """The WSGI application, which may take `precedence` for who asks (rule pages-first), and tells how large its response is.

    That is made in one go, into memory, and handed over as a whole: so that no thread waits for the event loop between its parts,
    or for a client that reads slowly.
    """

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        environ[PRECEDENCE] = precedence
        parts = application(environ, start_response)
        try:
            response = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        environ["asgi.scope"]["state"]["made"](len(response))
        return [response]

    return answer


async def _send_in_parts(send: Any, message: AsgiMessage, flow: HeldFlow) -> None:
    """Write a part only when the one before has been taken: TLS does not tell how much of a large one still waits."""
    body = message.get("body", b"")
    for start in range(0, len(body) - PART, PART):
        await send({**message, "body": body[start : start + PART], "more_body": True})
        # Others have their turn, and it is noticed that the client has gone.
        await asyncio.sleep(0)
        if flow.is_lost:
            return
    left = len(body) % PART or min(len(body), PART)
    await send({**message, "body": body[len(body) - left :]} if body else message)


async def _refuse(send: Any, status: int, text: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
