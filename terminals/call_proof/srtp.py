"""Encrypted speech: SRTP (RFC 3711) with AES_CM_128_HMAC_SHA1_80, and the line of an SDP that names its key (SDES, RFC 4568). Pure.

Of what comes only the authentication is looked at: it shows that the other side has the key, and what is said nobody hears.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CTR

SUITE = "AES_CM_128_HMAC_SHA1_80"
"""Which everybody who speaks SDES must know."""
KEY, SALT, AUTHENTICATION, TAG = 16, 14, 20, 10
"""Octets."""
_CRYPTO = re.compile(
    # Tag, suite, key, lifetime, and what identifies the key in each packet (MKI) with its length.
    rf"1 {SUITE} inline:([A-Za-z0-9+/]{{40}})(?:\|(?:2\^)?\d{{1,20}})?(?:\|\d{{1,20}}:(\d{{1,3}}))?(?: WSH=\d+)?"
)
_LONGEST_MKI = 128


@dataclass(frozen=True)
class MasterKey:
    """`mki`: how many octets stand before the tag of each packet."""

    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    mki: int = 0

    @classmethod
    def new(cls) -> MasterKey:
        return cls(secrets.token_bytes(KEY), secrets.token_bytes(SALT))

    @classmethod
    def read(cls, crypto: str) -> MasterKey | None:
        """Of the value of `a=crypto:` in an answer; None where it is not the suite that was offered, or wants what was not."""
        found = _CRYPTO.fullmatch(" ".join(crypto.split()))
        if found is None or (mki := int(found[2] or 0)) > _LONGEST_MKI:
            return None
        octets = base64.b64decode(found[1])
        return cls(octets[:KEY], octets[KEY:], mki)

    @property
    def crypto(self) -> str:
        """The value of `a=crypto:` in an offer."""
        return f"1 {SUITE} inline:{base64.b64encode(self.key + self.salt).decode()}"


@dataclass(frozen=True)
class SessionKeys:
    """Of one master key (section 4.3.1): it is never derived anew."""

    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    authentication: bytes = field(repr=False)

    @classmethod
    def of(cls, master: MasterKey) -> SessionKeys:
        def derived(label: int, octets: int) -> bytes:
            start = (int.from_bytes(master.salt) ^ label << 48) << 16
            return key_stream(master.key, start, octets)

        return cls(derived(0, KEY), derived(2, SALT), derived(1, AUTHENTICATION))

    def tag(self, packet: bytes, rollover: int) -> bytes:
        return hmac.digest(self.authentication, packet + rollover.to_bytes(4), hashlib.sha1)[:TAG]


def key_stream(key: bytes, start: int, octets: int) -> bytes:
    """AES in counter mode (section 4.1.1)."""
    encryptor = Cipher(AES128(key), CTR(start.to_bytes(16))).encryptor()
    return encryptor.update(bytes(octets)) + encryptor.finalize()


class Protection:
    """Of the packets of one source, in their order; each has a head of 12 octets."""

    def __init__(self, master: MasterKey) -> None:
        self._keys = SessionKeys.of(master)
        self._index = -1

    def protect(self, packet: bytes) -> bytes:
        number, source = int.from_bytes(packet[2:4]), int.from_bytes(packet[8:12])
        self._index = next_index(self._index, number)
        start = int.from_bytes(self._keys.salt) << 16 ^ source << 64 ^ self._index << 16
        head, speech = packet[:12], packet[12:]
        stream = key_stream(self._keys.key, start, len(speech))
        hidden = head + bytes(one ^ other for one, other in zip(speech, stream, strict=True))
        return hidden + self._keys.tag(hidden, self._index >> 16)


class Authentication:
    """Of what comes, by the key of the other side. Who has not got it adds nothing to what is remembered."""

    def __init__(self, master: MasterKey) -> None:
        self._keys, self._mki = SessionKeys.of(master), master.mki
        self._index: dict[bytes, int] = {}

    def holds(self, packet: bytes) -> bool:
        end = len(packet) - TAG - self._mki
        if end < 12:
            return False
        source = packet[8:12]
        highest = self._index.get(source, -1)
        index = next_index(highest, int.from_bytes(packet[2:4]))
        if not hmac.compare_digest(self._keys.tag(packet[:end], index >> 16), packet[-TAG:]):
            return False
        self._index[source] = max(highest, index)
        return True


def next_index(highest: int, number: int) -> int:
    """Of the packet with this sequence number: that which is nearest to the highest one so far (section 3.3.1), -1 before the first."""
    if highest < 0:
        return number
    rounds = highest & ~0xFFFF
    candidates = (rounds + turn + number for turn in (-0x10000, 0, 0x10000))
    return min((index for index in candidates if index >= 0), key=lambda index: abs(index - highest))
