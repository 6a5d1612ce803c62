"""The seam to the communication server's TLS ports: which certificate does it present? (rules seams, tls-look)"""

import hashlib
import socket
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from pbxcerts.system.network.addresses import NoAttemptSucceeded, SocketAddress, first_success, look_up
from pbxcerts.system.network.endpoint import Endpoint

GOODBYE_WITHIN = 1
"""Seconds for a server to take note of our end of the connection."""
LONGEST_FLIGHT = 262_144
"""Octets of a server until its certificate has come."""
# Python knows the name from 3.12 on (OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT).
_LEGACY_SERVER_CONNECT = 0x4

_HANDSHAKE, _CERTIFICATE = 22, 11


@dataclass(frozen=True)
class Presented:
    """What an address presented: its certificate (DER) and the SHA-256 of that in hex, or "" and why there was none. `reached`:
    whether it took a connection.
    """

    sha256: str = ""
    error: str = ""
    reached: bool = False
    certificate: bytes = field(default=b"", repr=False)


class _NoCertificate(OSError):
    """Something took the connection and presented no certificate."""


def look_at_tls_address(address: str, *, timeout: float = 5) -> Presented:
    """Begin a TLS handshake and read the certificate; a name is tried at all its addresses (rule every-address). Whether
    telephones would trust it is judged elsewhere.
    """
    until = time.monotonic() + timeout
    try:
        endpoint = Endpoint.parse(address)
        name = None if _is_ip(endpoint.host) else endpoint.host
        found = look_up(endpoint.host, endpoint.port, socket.SOCK_STREAM)
        certificate = first_success(found, lambda one: _certificate_at(one, name, until), within=timeout)
    except NoAttemptSucceeded as none:
        reached = [error for error in none.errors if isinstance(error, _NoCertificate)]
        return Presented(error=str(reached[0] if reached else none), reached=bool(reached))
    except (OSError, ValueError) as error:
        return Presented(error=str(error) or type(error).__name__)
    return Presented(sha256=hashlib.sha256(certificate).hexdigest(), reached=True, certificate=certificate)


def look_at_tls_addresses(addresses: Iterable[str], *, timeout: float = 5) -> dict[str, Presented]:
    """Look at every address at the same time."""
    wanted = list(addresses)
    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=len(wanted), thread_name_prefix="look") as pool:
        return dict(
            zip(wanted, pool.map(lambda address: look_at_tls_address(address, timeout=timeout), wanted), strict=True)
        )


def _certificate_at(one: SocketAddress, name: str | None, until: float) -> bytes:
    """The server's certificate in DER. Raises OSError; _NoCertificate where there was a connection."""
    with socket.socket(one.family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_left(until))
        connection.connect(one.address)
        try:
            return _Look(connection, name, until).certificate()
        except (OSError, ValueError) as error:
            raise _NoCertificate(str(error) or type(error).__name__) from error


class _Look:
    """One handshake whose octets are kept: up to TLS 1.2 the certificate stands in them in clear, and it is there also where the
    server then ends the handshake, because it demands a certificate of ours for example. In TLS 1.3 the handshake is over
    for us before the server judges that.
    """

    def __init__(self, connection: socket.socket, name: str | None, until: float) -> None:
        self._connection, self._until = connection, until
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._secure = _context().wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._came = bytearray()
        self._is_over = False

    def certificate(self) -> bytes:
        """Raises OSError."""
        try:
            certificate = self._by_handshake()
        except OSError as error:
            certificate = self._in_clear()
            if certificate is None:
                raise error from None
        if certificate is None:
            raise _NoCertificate("no certificate")
        return certificate

    def _by_handshake(self) -> bytes | None:
        while True:
            try:
                self._secure.do_handshake()
            except ssl.SSLWantReadError:
                self._connection.sendall(self._outgoing.read())
                self._receive()
            else:
                self._take_leave()
                return self._secure.getpeercert(binary_form=True)

    def _take_leave(self) -> None:
        """Complete the handshake for the server too, and close as TLS has it (close_notify), after what it still sends: a
        handshake that is broken off, or a reset, is an error in its log, and there are servers that then lose others.
        """
        end = min(time.monotonic() + GOODBYE_WITHIN, self._until)
        with suppress(OSError):
            with suppress(ssl.SSLWantReadError):
                self._secure.unwrap()
            self._connection.sendall(self._outgoing.read())
            self._connection.shutdown(socket.SHUT_WR)
            while time.monotonic() < end:
                self._connection.settimeout(_left(end))
                if not self._connection.recv(16_384):
                    break

    def _in_clear(self) -> bytes | None:
        """What failed the handshake may have come before the certificate, so more is read until it is there."""
        while (certificate := certificate_in_clear(self._came)) is None and not self._is_over:
            try:
                self._receive()
            except OSError:
                break
        return certificate

    def _receive(self) -> None:
        self._connection.settimeout(_left(self._until))
        octets = self._connection.recv(16_384)
        self._came += octets
        self._is_over = not octets or len(self._came) > LONGEST_FLIGHT
        if self._is_over:
            self._incoming.write_eof()
        else:
            self._incoming.write(octets)


def certificate_in_clear(octets: bytes | bytearray) -> bytes | None:
    """The first certificate of a Certificate message in the records of a server (RFC 5246 sections 6.2.1 and 7.4.2); None where none
    is there, or not whole yet.
    """
    handshake = bytearray()
    position = 0
    while position + 5 <= len(octets) and octets[position] == _HANDSHAKE:
        end = position + 5 + int.from_bytes(octets[position + 3 : position + 5])
        handshake += octets[position + 5 : end]
        position = end
    position = 0
    while position + 4 <= len(handshake):
        begin, end = position + 4, position + 4 + int.from_bytes(handshake[position + 1 : position + 4])
        if handshake[position] == _CERTIFICATE:
            length = int.from_bytes(handshake[begin + 3 : begin + 6])
            certificate = bytes(handshake[begin + 6 : begin + 6 + length])
            return certificate if length and len(certificate) == length and begin + 6 + length <= end else None
        position = end
    return None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Nothing is entrusted to this connection: an old server is seen as well, with an old certificate, and one that knows no
    # secure renegotiation (RFC 5746).
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= _LEGACY_SERVER_CONNECT
    return context


def _left(until: float) -> float:
    return max(0.001, until - time.monotonic())


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
