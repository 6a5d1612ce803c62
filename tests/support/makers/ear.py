"""A UDP port of loopback at which a simulated telephone hears its NOTIFYs and does at once what they ask for."""

import socket
import threading
from contextlib import contextmanager

from sipmessage import Message


@contextmanager
def listening(telephone):
    """The port. What it does goes on beside the next NOTIFY, and is over when this ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(0.1)
        over, heard = threading.Event(), threading.Event()

        def hear():
            while not over.is_set():
                try:
                    octets, source = ear.recvfrom(65536)
                except TimeoutError:
                    continue
                for reply in telephone.hears(None, Message.parse(octets)):
                    heard.set()
                    ear.sendto(reply, source)

        def act():
            while not over.is_set() or heard.is_set():
                if heard.wait(0.1):
                    heard.clear()
                    telephone.act()

        threads = [threading.Thread(target=hear), threading.Thread(target=act)]
        for thread in threads:
            thread.start()
        try:
            yield ear.getsockname()[1]
        finally:
            over.set()
            for thread in threads:
                thread.join()
