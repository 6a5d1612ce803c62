"""Which root is served and which are to be served next: as the server tells it, as the agent writes it down, and as the
host key of a pair has signed it (rules agent-current, signed-succession). Pure: no clock, no disk, no network.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from terminals.agent.anchors import UNREADABLE, fingerprint
from terminals.agent.errors import BundleRefused

SIGNATURE_TYPE = "pbxcerts-succession"
MOST_NEXT = 16
MOST_SIGNATURES = 64
LARGEST_NUMBER = 2**63 - 1

FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COORDINATE = 32  # octets of r and of s with P-256 (RFC 7518 section 3.4)


@dataclass(frozen=True, slots=True)
class KnownSuccession:
    """`number`: of the change that this was said after. `served` and `next`: roots by their SHA-256 in lower-case hex."""

    number: int
    served: str
    next: frozenset[str] = frozenset()

    @property
    def current(self) -> frozenset[str]:
        return self.next | {self.served}

    def as_json(self) -> bytes:
        return json.dumps({"number": self.number, "served": self.served, "next": sorted(self.next)}).encode()


@dataclass(frozen=True, slots=True)
class ToldSuccession:
    """What the server says over this connection, and the signatures of what it has said before and says now."""

    now: KnownSuccession
    signatures: tuple[object, ...]


def read_succession(octets: bytes) -> KnownSuccession:
    """Raises ValueError."""
    return _succession(_object(octets))


def read_told(body: bytes) -> ToldSuccession:
    """The answer of `/succession`. Raises BundleRefused."""
    try:
        value = _object(body)
        signatures = value.get("signatures", [])
        if not isinstance(signatures, list):
            raise ValueError("signatures is no list")
        return ToldSuccession(_succession(value), tuple(signatures[:MOST_SIGNATURES]))
    except ValueError as error:
        raise BundleRefused(f"the succession cannot be understood: {error}") from None


def by_dates(served: x509.Certificate, handed_out: Iterable[x509.Certificate], number: int) -> KnownSuccession:
    """For a server that does not tell it: next are the roots that begin later than the served one."""
    later = [one for one in handed_out if one.not_valid_before_utc > served.not_valid_before_utc]
    return KnownSuccession(number, fingerprint(served), frozenset(map(fingerprint, later)))


def is_proved(anchor: x509.Certificate, *, by: x509.Certificate, after: int, signatures: Iterable[object]) -> bool:
    """Whether a signature by the certificate that the root `by` has signed names this anchor as served or next, later
    than the change with the number `after`.
    """
    signed = [_signed_succession(signature, by) for signature in signatures]
    return any(one and one.number > after and fingerprint(anchor) in one.current for one in signed)


def _signed_succession(signature: object, root: x509.Certificate) -> KnownSuccession | None:
    """What a JWS in compact form (RFC 7515) says, if the host certificate that this root has signed made it."""
    try:
        if not isinstance(signature, str):
            raise ValueError("no text")
        head, words, octets = signature.split(".")
        header = _object(_decoded(head))
        # Extensions that must be understood (RFC 7515 section 4.1.11) are not.
        if header.get("typ") != SIGNATURE_TYPE or "crit" in header:
            raise ValueError("the header")
        (encoded,) = header["x5c"]
        host = x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
        host.verify_directly_issued_by(root)
        _verify(host, header["alg"], f"{head}.{words}".encode(), _decoded(octets))
        return read_succession(_decoded(words))
    except (*UNREADABLE, KeyError, InvalidSignature):
        return None


def _verify(host: x509.Certificate, algorithm: object, signed: bytes, octets: bytes) -> None:
    """Raises InvalidSignature, or ValueError for another algorithm than the key's (RFC 7518 section 3)."""
    key = host.public_key()
    if algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
        key.verify(octets, signed, padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(octets) == 2 * _COORDINATE:
        r, s = int.from_bytes(octets[:_COORDINATE]), int.from_bytes(octets[_COORDINATE:])
        key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    else:
        raise ValueError("the algorithm")


def _succession(value: dict[str, Any]) -> KnownSuccession:
    number, served, following = value.get("number"), value.get("served"), value.get("next")
    # In Python true is a number.
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= LARGEST_NUMBER:
        raise ValueError("number is none")
    if not isinstance(following, list) or len(following) > MOST_NEXT:
        raise ValueError("next is no list of roots")
    if not all(isinstance(one, str) and FINGERPRINT.fullmatch(one) for one in (served, *following)):
        raise ValueError("a root is not named by its SHA-256")
    return KnownSuccession(number, str(served), frozenset(following))


def _object(octets: bytes) -> dict[str, Any]:
    try:
        value = json.loads(octets)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _decoded(text: str) -> bytes:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
