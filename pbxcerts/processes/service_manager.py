"""The service manager above `up`: told by the protocol of sd_notify(3) that all runs, how it runs, and that `up` itself goes on.

Its variables are taken out of the environment, so that nothing that is started can speak for us (rule service-manager).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from pbxcerts.env import OF_THE_SERVICE_MANAGER


class ServiceManager:
    """`address`: its socket, "" for none, and then nothing is told. `watchdog`: seconds of silence after which it ends us, 0 for
    never.
    """

    def __init__(self, address: str = "", watchdog: float = 0) -> None:
        # An abstract address (unix(7)) is written with @ in place of its first octet.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._feeds_every = watchdog / 2
        self._fed_at: float | None = None
        self._status = ""

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> ServiceManager:
        """As the variables say, which are gone then. A watchdog that is another process's is not ours."""
        address, microseconds, pid = (environment.pop(name, "") for name in OF_THE_SERVICE_MANAGER)
        is_ours = microseconds.isdecimal() and pid in {"", str(os.getpid())}
        return cls(address, int(microseconds) / 1_000_000 if is_ours else 0)

    @property
    def is_there(self) -> bool:
        return self._address != ""

    def ready(self) -> None:
        self._send("READY=1")

    def status(self, sentence: str) -> None:
        """What `systemctl status` shows."""
        if sentence != self._status:
            self._status = sentence
            self._send(f"STATUS={' '.join(sentence.split())}")

    def stopping(self) -> None:
        self._send("STOPPING=1\nWATCHDOG=1")

    def feed_watchdog(self, now: float) -> None:
        if self._feeds_every and (self._fed_at is None or now - self._fed_at >= self._feeds_every):
            self._fed_at = now
            self._send("WATCHDOG=1")

    def seconds_until_feeding(self, now: float) -> float:
        """Infinity without a watchdog."""
        if not self._feeds_every or self._fed_at is None:
            return float("inf")
        return max(0.0, self._fed_at + self._feeds_every - now)

    def _send(self, state: str) -> None:
        """A manager that is busy, or gone, keeps nobody waiting."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(0)
                sender.sendto(state.encode(), self._address)
