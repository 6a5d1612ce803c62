"""The seam to the communication server's TLS ports: which certificate does it present?"""

import hashlib
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True)
class Presented:
    """What an address presented: the SHA-256 of its certificate in hex, or "" and why it was not reached."""

    sha256: str = ""
    error: str = ""

    @property
    def reached(self) -> bool:
        return bool(self.sha256)


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port`; raises ValueError."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(address)
    return host, int(port)


def look(address: str, *, timeout: float = 5) -> Presented:
    """One handshake, of which only the certificate counts: whether telephones trust it is judged elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Nothing is entrusted to this connection: an old server is seen as well, with an old certificate.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        host, port = split_address(address)
        with (
            socket.create_connection((host, port), timeout=timeout) as plain,
            context.wrap_socket(plain, server_hostname=None if _is_ip(host) else host) as secure,
        ):
            certificate = secure.getpeercert(binary_form=True)
    except (OSError, ValueError) as error:
        return Presented(error=str(error) or type(error).__name__)
    if certificate is None:
        return Presented(error="no certificate")
    return Presented(sha256=hashlib.sha256(certificate).hexdigest())


def look_at_all(addresses: Iterable[str], *, timeout: float = 5) -> dict[str, Presented]:
    """All of them side by side."""
    wanted = list(addresses)
    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=len(wanted), thread_name_prefix="look") as pool:
        return dict(zip(wanted, pool.map(lambda address: look(address, timeout=timeout), wanted), strict=True))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
