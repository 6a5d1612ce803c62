"""Which root is served and which are to be served next, signed for hosts that have seen a later one (rule signed-succession).

A signature is a JWS in compact form (RFC 7515 section 7.1) over the words as JSON. It cannot be taken for a signature of
TLS with the same key: that is over octets which base64url and a full stop do not have (RFC 8446 section 4.4.3).
"""

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from certificates.pki import formats
from certificates.pki.keys import SecretPem, load_host_key

SIGNATURE_TYPE = "pbxcerts-succession"

_COORDINATE = 32  # octets of r and of s with P-256 (RFC 7518 section 3.4)


@dataclass(frozen=True)
class Succession:
    """`number`: of the newest change of a state. `served` and `next`: roots by their SHA-256, in lower-case hex."""

    number: int
    served: str
    next: tuple[str, ...] = ()

    def words(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def sign(succession: Succession, host: x509.Certificate, host_key: SecretPem) -> str:
    """A JWS over the words, with the certificate by whose key it is. Raises `UnreadableError` for a key that is none."""
    key = load_host_key(host_key)
    header = {
        "alg": "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256",
        "typ": SIGNATURE_TYPE,
        # RFC 7515 section 4.1.6 has it in base64, not in base64url.
        "x5c": [base64.b64encode(formats.der(host)).decode()],
    }
    signed = f"{_encoded(_json(header))}.{_encoded(_json(succession.words()))}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_COORDINATE) + s.to_bytes(_COORDINATE)
    return f"{signed}.{_encoded(signature)}"


def number_of(signature: str) -> int | None:
    """The number in a JWS that `sign` has made; None for any other text."""
    try:
        words = signature.split(".")[1]
        return int(json.loads(base64.urlsafe_b64decode(words + "=" * (-len(words) % 4)))["number"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(octets: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
