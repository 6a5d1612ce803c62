"""A telephone on a UDP port of loopback that answers whatever reaches it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def a_phone(status: str = "200 OK") -> Iterator[tuple[int, list[str]]]:
    """Its port, and the requests that have reached it."""
    heard: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.1)
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                try:
                    octets, source = listening.recvfrom(65536)
                except TimeoutError:
                    continue
                request = octets.decode()
                heard.append(request)
                copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", request, re.MULTILINE)
                listening.sendto(f"SIP/2.0 {status}\r\n{''.join(copied)}Content-Length: 0\r\n\r\n".encode(), source)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listening.getsockname()[1], heard
        finally:
            over.set()
            thread.join()
