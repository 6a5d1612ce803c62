"""Speech of a call: the offer (RFC 4566, 3264), its answer, and RTP (RFC 3550) with a tone of 1 kHz (ITU-T G.711, table 5)."""

from __future__ import annotations

import ipaddress
import secrets
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from certificates.call_proof.steps import Finding
from terminals.call_proof.errors import StepFailed

PACKETS = 150
"""Three seconds."""
TICK = 0.02
AFTERWARDS = 1.0
"""Seconds for what is still on its way."""
ENOUGH = 25
"""Half a second of speech: an announcement may begin late, and a network may lose some."""
_AT_A_TIME = 64
_TONE = {0: bytes.fromhex("1e0b0b1e9e8b8b9e") * 20, 8: bytes.fromhex("34212134b4a1a1b4") * 20}
"""20 ms as PCMU and as PCMA, by the static payload types (RFC 3551)."""
_HEAD = struct.Struct("!BBHII")


@dataclass(frozen=True)
class MediaTarget:
    host: str
    port: int
    payload: int


@dataclass(frozen=True)
class Spoken:
    sent: int
    received: int


def offer(host: str, port: int) -> bytes:
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=pbxcerts {secrets.randbelow(2**31)} 1 IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 8",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join([*lines, ""]).encode()


def read_answer(body: bytes) -> MediaTarget:
    """Where the other side hears us. Raises StepFailed where nowhere, or not in a way that was offered."""
    host = port = payload = None
    in_audio = media_seen = False
    for line in body.decode("latin-1").splitlines()[:200]:
        kind, _, value = line.partition("=")
        words = value.split()
        if kind == "m":
            in_audio = not media_seen and words[:1] == ["audio"]
            media_seen = True
            if in_audio and len(words) > 3 and words[2] == "RTP/AVP" and words[1].isascii() and words[1].isdecimal():
                port = int(words[1])
                payload = next((int(one) for one in words[3:] if one in {"0", "8"}), None)
        elif kind == "c" and len(words) == 3 and (in_audio or not media_seen):
            host = words[2].partition("/")[0]
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        raise StepFailed(Finding.NO_MEDIA, host or "") from None
    if payload is None or not port or not 1023 < port < 65_536 or address.is_unspecified or address.is_multicast:
        raise StepFailed(Finding.NO_MEDIA)
    return MediaTarget(str(address), port, payload)


def open_ear(host: str) -> socket.socket:
    """A UDP socket at the address from which the server is reached. Raises StepFailed."""
    ear = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        ear.bind((host, 0))
    except OSError as error:
        ear.close()
        raise StepFailed(Finding.NO_MEDIA, error) from error
    return ear


def speak(ear: socket.socket, target: MediaTarget, goes_on: Callable[[], bool]) -> Spoken:
    """Send a tone and count what comes back, each packet once. The socket is connected, so that the system itself drops what
    anybody else sends from now on. Raises StepFailed where the network takes nothing.
    """
    try:
        ear.connect((target.host, target.port))
    except OSError as error:
        raise StepFailed(Finding.NO_MEDIA, error) from error
    ear.settimeout(0)
    source, first, moment = secrets.randbits(32), secrets.randbits(15), secrets.randbits(31)
    heard: set[tuple[int, int]] = set()
    sent = 0
    begin = time.monotonic()
    for number in range(PACKETS):
        if not goes_on():
            break
        head = _HEAD.pack(0x80, target.payload, (first + number) & 0xFFFF, (moment + 160 * number) & 0xFFFFFFFF, source)
        # What the network refuses at this moment is as lost on the way.
        sent += _sent(ear, head + _TONE[target.payload])
        _listen(ear, target.payload, heard, until=begin + (number + 1) * TICK, most=2 * PACKETS)
    end = time.monotonic() + AFTERWARDS
    while len(heard) < sent and time.monotonic() < end and goes_on():
        _listen(ear, target.payload, heard, until=min(end, time.monotonic() + TICK), most=2 * PACKETS)
    return Spoken(sent, len(heard))


def _sent(ear: socket.socket, packet: bytes) -> int:
    try:
        ear.send(packet)
    except OSError:
        return 0
    return 1


def _listen(ear: socket.socket, payload: int, heard: set[tuple[int, int]], *, until: float, most: int) -> None:
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
                first, kind, number, _moment, source = _HEAD.unpack_from(packet)
                if first >> 6 == 2 and kind & 0x7F == payload:
                    heard.add((source, number))
        if len(heard) >= most:
            time.sleep(max(0.0, until - time.monotonic()))
