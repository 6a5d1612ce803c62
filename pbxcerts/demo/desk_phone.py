"""What the simulated desk telephones of all makers do: hear a NOTIFY over SIP, and come for their files over HTTPS a moment later.

Each has an address of its own and trusts what it holds, nothing else.
"""

import asyncio
import http.client
import logging
import random
import re
import ssl
from abc import abstractmethod
from typing import Any, ClassVar

TRIES = 5
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", re.MULTILINE)
_CALL = re.compile(rb"^Call-ID: (.*)\r\n", re.MULTILINE)

logger = logging.getLogger("telephones")


class DeskPhone(asyncio.DatagramProtocol):
    """`https`: where it fetches; `path`: its own, which nobody else knows; `trusts`: certificates as PEM."""

    comes_after: ClassVar[float]
    """Seconds, on average, after a NOTIFY: how long it restarts, where it does."""
    comes_at_start: ClassVar[bool] = True
    _transport: asyncio.DatagramTransport

    def __init__(self, *, address: str, model: str, mac: str, path: str, https: tuple[str, int], trusts: str) -> None:
        self._address, self._model, self._mac, self._path = address, model, mac, path
        self._https, self._trusts = https, trusts
        self._heard: set[bytes] = set()
        self._coming: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self.comes_at_start:
            self._begin_to_come()

    def datagram_received(self, request: bytes, source: tuple[Any, ...]) -> None:
        if not request.startswith(b"NOTIFY "):
            return
        copied = b"".join(_COPIED.findall(request))
        self._transport.sendto(b"SIP/2.0 200 OK\r\n" + copied + b"Content-Length: 0\r\n\r\n", source)
        call = b"".join(_CALL.findall(request))
        if call not in self._heard:
            self._heard.add(call)
            self._begin_to_come()

    def _begin_to_come(self) -> None:
        task = asyncio.ensure_future(self._come())
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _come(self) -> None:
        for _attempt in range(TRIES):
            await asyncio.sleep(self.comes_after * (0.75 + random.random() / 2))  # noqa: S311 - it spreads load
            try:
                await asyncio.to_thread(self.fetch)
            except (OSError, http.client.HTTPException) as error:
                logger.warning("%s cannot fetch its files: %s", self._mac, error)
            else:
                return

    @property
    @abstractmethod
    def user_agent(self) -> str:
        """How it names itself."""

    @abstractmethod
    def fetch(self) -> None:
        """Its configuration, and what that names. Raises OSError and HTTPException."""

    def get(self, path: str) -> bytes:
        """From whom it trusts. Raises OSError and HTTPException."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._trusts)
        host, port = self._https
        connection = http.client.HTTPSConnection(
            host, port, timeout=20, context=context, source_address=(self._address, 0)
        )
        try:
            connection.request("GET", path, headers={"User-Agent": self.user_agent})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise http.client.HTTPException(f"{path}: {answer.status}")
        return body
