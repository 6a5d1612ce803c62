"""A start while the broker is away: the worker does its task without it, the log says so once, and all goes on when it is back."""

import socket
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.support.postgresql import unprivileged_directory
from tests.support.redis_server import RedisServer
from tests.support.running import MANAGE, TreeFromItsBeginning, wait_for

pytestmark = pytest.mark.peer

AWAY = "the broker does not answer: "


@contextmanager
def hanging_up(port):
    """Whoever connects is hung up on; gives who has come."""
    came = []

    def hang_up():
        with suppress(OSError):
            while True:
                connection, address = listener.accept()
                came.append(address)
                connection.close()

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            yield came
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def said(tree, what):
    """What follows on these words in the log, and how often each stands there."""
    return Counter(line.partition(what)[2] for line in tree.log.read_text().splitlines() if what in line)


def test_it_works_without_the_broker_says_so_once_and_goes_on_with_it(tmp_path):
    with unprivileged_directory() as found:
        server = RedisServer(*found)
        with TreeFromItsBeginning(tmp_path, PBXCERTS_BROKER=server.url) as tree:
            with hanging_up(urlsplit(server.url).port) as came:
                tree.launch("--bind", f"127.0.0.1:{tree.port}", program=MANAGE)
                tree.wait_until_it_answers()
                wait_for(tree.beats, what="a heartbeat without the broker")
                before = len(came)
                wait_for(lambda: len(came) >= before + 4, what="more tries")
                reasons = said(tree, AWAY)
            assert reasons
            assert set(reasons.values()) == {1}, reasons
            assert (tree.data / "run" / "broker-away").exists()

            server.start()
            try:
                wait_for(lambda: not (tree.data / "run" / "broker-away").exists(), what="a worker with the broker")
                assert said(tree, "the broker answers again") == {"": 1}
                with tree.asking_for_heartbeats():
                    before = tree.beats()
                    wait_for(lambda: tree.beats() > before, what="another heartbeat")
                assert tree.end() == 0
            finally:
                server.end()
    assert "Traceback" not in tree.log.read_text()
