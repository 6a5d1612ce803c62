"""The other side of encrypted speech, written from RFC 3711 and RFC 4568 for the tests alone: nothing of the product is in it."""

import base64
import hashlib
import hmac
import re
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import ECB

OFFER = re.compile(rb"^a=crypto:(\d+) AES_CM_128_HMAC_SHA1_80 inline:(\S{40})\r?$", re.MULTILINE)


def _blocks(key, counter, octets):
    """Section 4.1.1, block by block."""
    encryptor = Cipher(AES128(key), ECB()).encryptor()
    stream = b""
    while len(stream) < octets:
        stream += encryptor.update(counter.to_bytes(16, "big"))
        counter = (counter + 1) % 2**128
    return stream[:octets]


class Stream:
    """Packets one way, by their master key; the sequence numbers of a test do not begin anew."""

    def __init__(self, master):
        key, salt = master[:16], int.from_bytes(master[16:], "big")
        # Section 4.3.3: label || index, from the right of the salt, times 2^16.
        self.key, self.authentication, session_salt = (
            _blocks(key, (salt ^ (label * 2**48)) * 2**16, octets) for label, octets in ((0, 16), (1, 20), (2, 14))
        )
        self.salt = int.from_bytes(session_salt, "big")

    def _mac(self, packet):
        return hmac.new(self.authentication, packet + bytes(4), hashlib.sha1).digest()[:10]

    def _crypted(self, packet):
        source, number = int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big")
        counter = (self.salt * 2**16) ^ (source * 2**64) ^ (number * 2**16)
        stream = _blocks(self.key, counter, len(packet) - 12)
        return packet[:12] + bytes(a ^ b for a, b in zip(packet[12:], stream, strict=True))

    def close(self, packet):
        hidden = self._crypted(packet)
        return hidden + self._mac(hidden)

    def open(self, packet):
        """The packet in clear; None where it is not authentic."""
        hidden, tag = packet[:-10], packet[-10:]
        return self._crypted(hidden) if tag == self._mac(hidden) else None


class SecuredSide:
    """Answers an offer with a key of its own, hears what is sent with the offered one, and says it again with its own."""

    def __init__(self):
        self.master = secrets.token_bytes(30)
        self.says, self.hears = Stream(self.master), None
        self.heard = []

    @property
    def crypto(self):
        return f"1 AES_CM_128_HMAC_SHA1_80 inline:{base64.b64encode(self.master).decode()}"

    def take(self, offer):
        """Whether it offers encrypted speech."""
        found = OFFER.search(offer)
        if found is None or not re.search(rb"^m=audio \d+ RTP/SAVP ", offer, re.MULTILINE):
            return False
        self.hears = Stream(base64.b64decode(found[2]))
        return True

    def again(self, packet):
        clear = self.hears.open(packet)
        if clear is None:
            return None
        self.heard.append(clear)
        return self.says.close(clear)
