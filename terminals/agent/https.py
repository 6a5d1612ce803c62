"""HTTP/1.1 (RFC 9112) over connections that the trust store secures.

Each connection has a TLS context of its own: a change of the store changes none that is open, and a new one sees it at once.
"""

import asyncio
import contextlib
import http.client
import io
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterable
from email.message import Message
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pbxcerts import __version__
from terminals.agent.config import ServerUrl
from terminals.agent.errors import ServerUnreached
from terminals.agent.reach import reach

CLOSE_WITHIN = 10.0
ANSWER_WITHIN = 30.0
"""Seconds for a whole answer, however slowly it comes."""
LONGEST_HEAD = 16_384
LONGEST_BODY = 262_144
USER_AGENT = f"pbxcerts-agent/{__version__}"

_WITHOUT_BODY = (204, 304)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")


class HttpsResponse(NamedTuple):
    status: int
    headers: Message
    body: bytes

    def text(self) -> str:
        """The beginning of the body, for a log."""
        words = self.body[:200].decode("ascii", "replace")
        return "".join(filter(str.isprintable, words))


class HttpsConnection:
    """One connection to one server, kept open between requests."""

    def __init__(self, server: ServerUrl, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(
        self, method: str, path: str, *, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> HttpsResponse:
        """Send a request and wait for the whole answer. Raises ServerUnreached."""
        server = self._server
        lines = [
            f"{method} {server.path}{path} HTTP/1.1",
            f"Host: {server.endpoint}",
            f"User-Agent: {USER_AGENT}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await self._writer.drain()
                return await self._answer(method)
        except TimeoutError:
            raise ServerUnreached(f"{server.endpoint} did not answer within {ANSWER_WITHIN:.0f} s") from None
        except (asyncio.IncompleteReadError, EOFError):
            raise ServerUnreached(f"{server.endpoint} cut its answer off") from None
        except asyncio.LimitOverrunError:
            raise ServerUnreached(f"{server.endpoint} sends too long an answer") from None
        except (ValueError, http.client.HTTPException) as error:
            raise ServerUnreached(f"{server.endpoint} does not speak HTTP: {error}") from None
        except OSError as error:
            raise ServerUnreached(f"{server.endpoint}: {error}") from error

    async def _answer(self, method: str) -> HttpsResponse:
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, _, fields = head.partition(b"\r\n")
            version, status = line.decode("ascii").split(" ", 2)[:2]
            if version not in ("HTTP/1.1", "HTTP/1.0") or not (status.isdecimal() and len(status) == 3):
                raise ValueError("the first line of the answer")
            if status[0] != "1":
                break
        headers = http.client.parse_headers(io.BytesIO(fields))
        if method == "HEAD" or int(status) in _WITHOUT_BODY:
            return HttpsResponse(int(status), headers, b"")
        return HttpsResponse(int(status), headers, await self._body(headers))

    async def _body(self, headers: Message) -> bytes:
        """RFC 9112 section 6.3; a body without a length is refused, because its end cannot be told from a cut."""
        coding = headers.get("Transfer-Encoding")
        if coding is not None:
            if coding.strip().lower() != "chunked":
                raise ValueError(f"transfer coding {coding}")
            return await self._chunks()
        length = headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or len(headers.get_all("Content-Length", [])) > 1:
            raise ValueError("the length of the answer")
        return await self._reader.readexactly(_bounded(int(length)))

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := _chunk_size(await self._reader.readuntil(b"\r\n")):
            body += await self._reader.readexactly(_bounded(len(body) + size) - len(body))
            if await self._reader.readexactly(2) != b"\r\n":
                raise ValueError("the length of a chunk")
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return bytes(body)

    @property
    def is_open(self) -> bool:
        return not (self._reader.at_eof() or self._writer.is_closing())

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that the server presented; only of a connection over HTTPS."""
        return x509.load_der_x509_certificate(self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(server: ServerUrl, trusted: Iterable[x509.Certificate] = ()) -> AsyncIterator[HttpsConnection]:
    """A new connection; with HTTPS only to a server whose certificate one of the trusted roots secures for that name.
    Raises ServerUnreached and ServerUntrusted.
    """
    context = client_context(trusted) if server.secure else None

    def connect(address: str) -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        return asyncio.open_connection(
            address,
            server.endpoint.port,
            limit=LONGEST_HEAD,
            ssl=context,
            server_hostname=server.endpoint.host if context else None,
            ssl_shutdown_timeout=1 if context else None,
        )

    reader, writer = await reach(server.endpoint, connect)
    connection = HttpsConnection(server, reader, writer)
    try:
        yield connection
    except BaseException:
        # Whoever is told to end does not wait for the other side's farewell.
        connection.abort()
        raise
    await connection.close()


def client_context(trusted: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """Trusts these roots and none of the machine's; the name is checked (RFC 9525)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in trusted)
    if pem:
        context.load_verify_locations(cadata=pem.decode())
    return context


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not _CHUNK_SIZE.fullmatch(digits):
        raise ValueError("the length of a chunk")
    return int(digits, 16)


def _bounded(length: int) -> int:
    if length > LONGEST_BODY:
        raise ValueError(f"{length} octets are more than {LONGEST_BODY}")
    return length
