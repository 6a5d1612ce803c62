"""Speech of a call: the offer (RFC 4566, 3264), its answer, and RTP (RFC 3550) with a tone of 1 kHz (ITU-T G.711, table 5). With a
key all of it is SRTP.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from certificates.call_proof.steps import Finding
from terminals.call_proof.errors import StepFailed
from terminals.call_proof.srtp import Authentication, MasterKey, Protection

PACKETS = 150
"""Three seconds."""
TICK = 0.02
AFTERWARDS = 1.0
"""Seconds for what is still on its way."""
ENOUGH = 25
"""Half a second of speech: an announcement may begin late, and a network may lose some."""
RTP, SRTP = "RTP/AVP", "RTP/SAVP"
_AT_A_TIME = 64
_TONE = {0: bytes.fromhex("1e0b0b1e9e8b8b9e") * 20, 8: bytes.fromhex("34212134b4a1a1b4") * 20}
"""20 ms as PCMU and as PCMA, by the static payload types (RFC 3551)."""
_HEAD = struct.Struct("!BBHII")
_FIRST = re.compile(rb"^m=\S+ (\S+) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class MediaTarget:
    """`key`: that of the other side, where speech is encrypted."""

    host: str
    port: int
    payload: int
    key: MasterKey | None = None


@dataclass(frozen=True)
class Spoken:
    """`strange`: whether something came that has not the key of the other side."""

    sent: int
    received: int
    strange: bool = False


def offer(host: str, port: int, key: MasterKey | None = None) -> bytes:
    """With a `key` encrypted speech, and no other."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=pbxcerts {secrets.randbelow(2**31)} 1 IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} {RTP if key is None else SRTP} 0 8",
        *([f"a=crypto:{key.crypto}"] if key is not None else []),
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join([*lines, ""]).encode()


def takes_no_rtp(answer: bytes) -> bool:
    """Whether it refuses the speech that was offered in clear, and not the call (RFC 3264 section 6), or names another kind."""
    found = _FIRST.search(answer)
    return found is not None and (found[1] == b"0" or found[2] != RTP.encode())


def read_answer(body: bytes, *, encrypted: bool = False) -> MediaTarget:
    """Where the other side hears us. Raises StepFailed where nowhere, or not in the way that was offered."""
    host = port = payload = key = None
    in_audio = media_seen = False
    for line in body.decode("latin-1").splitlines()[:200]:
        kind, _, value = line.partition("=")
        words = value.split()
        if kind == "m":
            in_audio = not media_seen and words[:1] == ["audio"]
            media_seen = True
            as_offered = in_audio and len(words) > 3 and words[2] == (SRTP if encrypted else RTP)
            if as_offered and words[1].isascii() and words[1].isdecimal():
                port = int(words[1])
                payload = next((int(one) for one in words[3:] if one in {"0", "8"}), None)
        elif kind == "c" and len(words) == 3 and (in_audio or not media_seen):
            host = words[2].partition("/")[0]
        elif kind == "a" and in_audio and encrypted and value.startswith("crypto:"):
            key = key or MasterKey.read(value.removeprefix("crypto:"))
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        raise StepFailed(Finding.NO_MEDIA, host or "") from None
    if payload is None or not port or not 1023 < port < 65_536 or address.is_unspecified or address.is_multicast:
        raise StepFailed(Finding.NO_MEDIA)
    if encrypted and key is None:
        raise StepFailed(Finding.NO_KEY)
    return MediaTarget(str(address), port, payload, key)


def open_ear(host: str) -> socket.socket:
    """A UDP socket at the address from which the server is reached. Raises StepFailed."""
    ear = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        ear.bind((host, 0))
    except OSError as error:
        ear.close()
        raise StepFailed(Finding.NO_MEDIA, error) from error
    return ear


class _Heard:
    """Packets of speech, each counted once; with a key those alone that who has it has made."""

    def __init__(self, target: MediaTarget) -> None:
        self._payload = target.payload
        self._authentication = Authentication(target.key) if target.key is not None else None
        self._packets: set[tuple[int, int]] = set()
        self.strange = False

    def __len__(self) -> int:
        return len(self._packets)

    def take(self, packet: bytes) -> None:
        first, kind, number, _moment, source = _HEAD.unpack_from(packet)
        if first >> 6 != 2 or kind & 0x7F != self._payload:
            return
        if self._authentication is None or self._authentication.holds(packet):
            self._packets.add((source, number))
        else:
            self.strange = True


def speak(ear: socket.socket, target: MediaTarget, goes_on: Callable[[], bool], key: MasterKey | None = None) -> Spoken:
    """Send a tone and count what comes back, each packet once. The socket is connected, so that the system itself drops what
    anybody else sends from now on. `key`: ours, where speech is encrypted. Raises StepFailed where the network takes nothing.
    """
    protect = Protection(key).protect if key is not None else bytes
    try:
        ear.connect((target.host, target.port))
    except OSError as error:
        raise StepFailed(Finding.NO_MEDIA, error) from error
    ear.settimeout(0)
    source, first, moment = secrets.randbits(32), secrets.randbits(15), secrets.randbits(31)
    heard = _Heard(target)
    sent = 0
    begin = time.monotonic()
    for number in range(PACKETS):
        if not goes_on():
            break
        head = _HEAD.pack(0x80, target.payload, (first + number) & 0xFFFF, (moment + 160 * number) & 0xFFFFFFFF, source)
        # What the network refuses at this moment is as lost on the way.
        sent += _sent(ear, protect(head + _TONE[target.payload]))
        _listen(ear, heard, until=begin + (number + 1) * TICK, most=2 * PACKETS)
    end = time.monotonic() + AFTERWARDS
    while len(heard) < sent and time.monotonic() < end and goes_on():
        _listen(ear, heard, until=min(end, time.monotonic() + TICK), most=2 * PACKETS)
    return Spoken(sent, len(heard), heard.strange)


def _sent(ear: socket.socket, packet: bytes) -> int:
    try:
        ear.send(packet)
    except OSError:
        return 0
    return 1


def _listen(ear: socket.socket, heard: _Heard, *, until: float, most: int) -> None:
    """Always until then: whoever sends without a pause must not make us hurry."""
    while (left := until - time.monotonic()) > 0:
        if not select.select([ear], [], [], left)[0]:
            return
        for _ in range(_AT_A_TIME):
            try:
                packet, whence = ear.recvfrom(2048)
            except OSError:
                break
            # What others have sent before it was connected still waits in it.
            if whence[:2] == ear.getpeername()[:2] and len(packet) > _HEAD.size and len(heard) < most:
                heard.take(packet)
        if len(heard) >= most:
            time.sleep(max(0.0, until - time.monotonic()))
