"""The last look at a pair before anything of it is published (rule verified-twice)."""

import os
import ssl
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import verification

from certificates.pki.authority import Pair
from certificates.pki.errors import (
    ChainError,
    HandshakeError,
    IdentityCode,
    IdentityError,
    KeyMismatchError,
    NamesMissingError,
    ValidityError,
)
from certificates.pki.formats import agent_pem, der
from certificates.pki.identity import Identity
from certificates.pki.keys import load_host_key

# X509_V_FLAG_NO_CHECK_TIME, which Python's ssl does not name. OpenSSL knows only the machine's clock; the dates are
# judged with `now`.
_NO_CHECK_TIME = 0x200000
# TLS 1.3 needs two turns, TLS 1.2 three.
_TURNS = 8


def verify_pair(pair: Pair, *, identity: Identity, now: datetime, addresses_as_dns: bool = False) -> None:
    """Raise a `PairError` unless the pair serves calls at `now` under every name and address of the identity.

    1. the private key belongs to the host certificate;
    2. the host certificate holds every name and address;
    3. both certificates are valid at `now`, and the host does not outlive its root;
    4. cryptography's verifier (RFC 5280 section 6) accepts it for each name and address with only this root trusted;
    5. a TLS client that is as strict as Python 3.13 and trusts only this root takes it in a handshake.

    Raises `IdentityError` (``identity_empty``) for an identity without a name and an address.
    """
    if not identity:
        raise IdentityError(IdentityCode.IDENTITY_EMPTY, "")
    if load_host_key(pair.host_key).public_key() != pair.host.public_key():
        raise KeyMismatchError("the private key does not belong to the host certificate")
    if missing := identity.missing_from(pair.host, addresses_as_dns=addresses_as_dns):
        raise NamesMissingError(missing)
    _check_validity(pair, now)
    _check_chain(pair, identity, now)
    shake_hands(pair, server_name=next(iter(identity.dns_names), None) or str(identity.addresses[0]))


def shake_hands(pair: Pair, *, server_name: str) -> None:
    """A TLS handshake in memory between a server with the pair and a strict client that trusts only its root.

    The key reaches OpenSSL through an anonymous file in memory, never through a file system. Dates are not looked at.
    Raises `HandshakeError`.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        client = _client_context(pair.root).wrap_bio(to_client, to_server, server_hostname=server_name)
        server = _server_context(pair).wrap_bio(to_server, to_client, server_side=True)
        unfinished = [client, server]
        for _ in range(_TURNS):
            unfinished = [end for end in unfinished if not _handshake_done(end)]
            if not unfinished:
                break
        else:
            raise HandshakeError(f"the handshake as {server_name} does not come to an end")
    except (ssl.SSLError, ValueError) as error:
        raise HandshakeError(f"the handshake as {server_name} failed: {error}") from error
    if client.getpeercert(binary_form=True) != der(pair.host):
        raise HandshakeError("the server presented another certificate than the host certificate")


def _check_validity(pair: Pair, now: datetime) -> None:
    for kind, certificate in (("root", pair.root), ("host", pair.host)):
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        # notAfter is inclusive to the second (RFC 5280 section 4.1.2.5).
        if not first <= now < last + timedelta(seconds=1):
            raise ValidityError(f"the {kind} certificate is valid from {first} to {last}, not at {now}")
    if pair.host.not_valid_before_utc < pair.root.not_valid_before_utc:
        raise ValidityError("the host certificate is valid before its root is")
    if pair.host.not_valid_after_utc > pair.root.not_valid_after_utc:
        raise ValidityError("the host certificate outlives its root")


def _check_chain(pair: Pair, identity: Identity, now: datetime) -> None:
    try:
        pair.root.verify_directly_issued_by(pair.root)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ChainError("the root certificate is not signed by itself") from error
    policy = verification.PolicyBuilder().store(verification.Store([pair.root])).time(now)
    subjects: list[verification.Subject] = [
        *(x509.DNSName(name) for name in identity.dns_names),
        *(x509.IPAddress(address) for address in identity.addresses),
    ]
    for subject in subjects:
        try:
            policy.build_server_verifier(subject).verify(pair.host, [])
        except (verification.VerificationError, ValueError) as error:
            raise ChainError(f"the host certificate is refused for {subject.value}: {error}") from error


def _client_context(root: x509.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=der(root))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | _NO_CHECK_TIME
    return context


def _server_context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    descriptor = os.memfd_create("host key")
    with open(descriptor, "wb") as anonymous:  # noqa: PTH123 - a descriptor has no path
        anonymous.write(agent_pem(pair.host, pair.host_key))
        anonymous.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context


def _handshake_done(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
