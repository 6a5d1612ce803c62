"""A TLS connection as a telephone makes it: with the bundle that terminals hold and nothing else, and the name that they know."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import datetime

from certificates.call_proof.steps import Finding
from certificates.communication_server.presented import look_at_tls_address
from pbxcerts.system.network.addresses import SocketAddress, look_up
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.time.clock import Clock
from terminals.call_proof.errors import StepFailed

CONNECT_WITHIN = 5.0
ADDRESSES_AT_MOST = 8
"""Of one name: each is looked at, because a telephone may come to any of them."""

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: OpenSSL knows only the machine's clock
_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH = 62, 64  # X509_V_ERR_*
_LEGACY_SERVER_CONNECT = 0x4  # as in `certificates.communication_server.presented`


@dataclass(frozen=True)
class ExpectedPair:
    """What every address is to present: the host certificate of the active pair, from `not_before` to before `end`. `older` are the
    generations of other pairs by their certificates.
    """

    host_sha256: str
    not_before: datetime
    end: datetime
    older: dict[str, int]


@dataclass(frozen=True)
class Handshake:
    """A connection that was verified. `unreached`: addresses of the same name that take none."""

    connection: ssl.SSLSocket
    sha256: str
    unreached: tuple[str, ...] = ()


def telephone_context(bundle: bytes) -> ssl.SSLContext:
    """It trusts what the trust file holds. How old the server's TLS may be is not for a proof of certificates to judge."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle.decode())
    context.verify_flags |= _NO_CHECK_TIME
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= _LEGACY_SERVER_CONNECT
    return context


def known_name(host: str, otherwise: str) -> str:
    """The name that a telephone compares: that of the address, or where this leads to the machine itself, the server's own."""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host.lower() == "localhost"
    return otherwise if is_loopback and otherwise else host


def connect(
    address: str, context: ssl.SSLContext, pair: ExpectedPair, clock: Clock, *, server: str, until: float
) -> Handshake:
    """Look at every address of a name. `server`: what a telephone calls it by, where the address says nothing. Raises StepFailed
    where one presents what a telephone refuses, or all are silent.
    """
    endpoint = Endpoint.parse(address)
    name = known_name(endpoint.host, server)
    try:
        found = look_up(endpoint.host, endpoint.port, socket.SOCK_STREAM)[:ADDRESSES_AT_MOST]
    except (OSError, ValueError) as error:
        raise StepFailed(Finding.UNREACHED, error) from error
    open_ones: list[ssl.SSLSocket] = []
    unreached: dict[str, OSError] = {}
    try:
        for one in found:
            try:
                plain = _plain(one, until)
            except OSError as error:
                unreached[str(one.address[0])] = error
            else:
                open_ones.append(_secure(plain, one, context, pair, name=name))
        if not open_ones:
            raise StepFailed(Finding.UNREACHED, next(iter(unreached.values()), "no address"))
        sha256 = _judged(open_ones, pair, clock)
        first, *others = open_ones
        for other in others:
            other.close()
        return Handshake(first, sha256, tuple(unreached))
    except BaseException:
        for one_open in open_ones:
            one_open.close()
        raise


def _plain(one: SocketAddress, until: float) -> socket.socket:
    plain = socket.socket(one.family, socket.SOCK_STREAM)
    try:
        plain.settimeout(max(0.001, min(CONNECT_WITHIN, until - time.monotonic())))
        plain.connect(one.address)
    except BaseException:
        plain.close()
        raise
    return plain


def _secure(
    plain: socket.socket, one: SocketAddress, context: ssl.SSLContext, pair: ExpectedPair, *, name: str
) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise StepFailed(*_refusal(error, one, pair)) from error
    except (OSError, ValueError) as error:
        plain.close()
        presents = look_at_tls_address(str(Endpoint(str(one.address[0]), int(one.address[1]))))
        ends = presents.sha256 == pair.host_sha256
        said = f"{one.address[0]}: {error}"
        raise StepFailed(Finding.ENDS_HANDSHAKE if ends else Finding.NO_CERTIFICATE, said) from error


def _refusal(error: ssl.SSLCertVerificationError, one: SocketAddress, pair: ExpectedPair) -> tuple[Finding, str]:
    """Why a telephone refuses it. Which certificate it is a second look says."""
    if error.verify_code in (_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH):
        return Finding.WRONG_NAME, error.verify_message
    presents = look_at_tls_address(str(Endpoint(str(one.address[0]), int(one.address[1]))))
    if presents.sha256 in pair.older:
        return Finding.OTHER_PAIR, str(pair.older[presents.sha256])
    return Finding.UNTRUSTED, f"{one.address[0]}: {error.verify_message}"


def _judged(connections: list[ssl.SSLSocket], pair: ExpectedPair, clock: Clock) -> str:
    """The certificate that all present. Raises StepFailed. Dates are judged by both clocks (rule valid-now)."""
    for connection in connections:
        sha256 = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
        if sha256 in pair.older:
            raise StepFailed(Finding.OTHER_PAIR, pair.older[sha256])
        if sha256 != pair.host_sha256:
            raise StepFailed(Finding.OTHER_CERTIFICATE, connection.getpeername()[0])
    if not clock.within(pair.not_before, pair.end):
        raise StepFailed(Finding.NOT_VALID)
    return pair.host_sha256
