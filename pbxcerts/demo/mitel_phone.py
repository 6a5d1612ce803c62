"""A simulated Mitel SIP phone: it answers a NOTIFY, restarts, and fetches its configuration and the trust file named there.

It trusts what it fetched last and nothing else, and it has an address of its own.
"""

import asyncio
import http.client
import logging
import random
import re
import ssl
from typing import Any

RESTART_TAKES = 2.0
TRIES = 5
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", re.MULTILINE)
_CALL = re.compile(rb"^Call-ID: (.*)\r\n", re.MULTILINE)
_TRUST_FILE = re.compile(r"^\^?sips trusted certificates: https://[^/]+(/\S+)", re.MULTILINE)

logger = logging.getLogger("telephones")


class MitelPhone(asyncio.DatagramProtocol):
    """`https`: where it fetches; `trusts`: certificates as PEM."""

    _transport: asyncio.DatagramTransport

    def __init__(self, *, address: str, model: str, mac: str, https: tuple[str, int], trusts: str) -> None:
        self._address, self._mac, self._https, self._trusts = address, mac, https, trusts
        dashed = "-".join(mac[at : at + 2] for at in range(0, 12, 2))
        self._user_agent = f"{model} MAC:{dashed} V:6.4.0.140-SIP"
        self._heard: set[bytes] = set()
        self._restarting: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, request: bytes, source: tuple[Any, ...]) -> None:
        if not request.startswith(b"NOTIFY "):
            return
        copied = b"".join(_COPIED.findall(request))
        self._transport.sendto(b"SIP/2.0 200 OK\r\n" + copied + b"Content-Length: 0\r\n\r\n", source)
        call = b"".join(_CALL.findall(request))
        if call not in self._heard:
            self._heard.add(call)
            task = asyncio.ensure_future(self._restart())
            self._restarting.add(task)
            task.add_done_callback(self._restarting.discard)

    async def _restart(self) -> None:
        for _attempt in range(TRIES):
            await asyncio.sleep(RESTART_TAKES * (0.75 + random.random() / 2))  # noqa: S311 - it spreads load
            try:
                await asyncio.to_thread(self.fetch)
            except (OSError, http.client.HTTPException) as error:
                logger.warning("%s cannot fetch its files: %s", self._mac, error)
            else:
                return

    def fetch(self) -> None:
        """Raises OSError and HTTPException."""
        configuration = self._get(f"/{self._mac}.cfg").decode()
        if named := _TRUST_FILE.findall(configuration):
            # The last line counts.
            self._trusts = self._get(named[-1]).decode()

    def _get(self, path: str) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._trusts)
        host, port = self._https
        connection = http.client.HTTPSConnection(
            host, port, timeout=20, context=context, source_address=(self._address, 0)
        )
        try:
            connection.request("GET", path, headers={"User-Agent": self._user_agent})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise http.client.HTTPException(f"{path}: {answer.status}")
        return body
