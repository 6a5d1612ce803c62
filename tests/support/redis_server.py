"""A Redis of Debian on loopback."""

import subprocess
from contextlib import contextmanager

import redis

from tests.support.peers import require_program
from tests.support.ports import free_port
from tests.support.postgresql import wait_until


class RedisServer:
    """`url` with its password; it can be ended and started again on the same port, and keeps nothing."""

    def __init__(self, directory, user):
        self._directory, self._user = directory, user
        self._port = free_port()
        self._process = None
        self.url = f"redis://:kettle@127.0.0.1:{self._port}/0"

    def start(self):
        options = {"port": self._port, "bind": "127.0.0.1", "save": "", "requirepass": "kettle", "dir": self._directory}
        words = (str(word) for name, value in options.items() for word in (f"--{name}", value))
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [require_program("redis-server"), *words], cwd=self._directory, stdout=log, stderr=log, **self._user
            )
        with redis.Redis.from_url(self.url) as client:
            wait_until(client.ping, redis.ConnectionError, self._process)

    def end(self):
        self._process.terminate()
        self._process.wait(timeout=30)


@contextmanager
def redis_server(directory, user):
    server = RedisServer(directory, user)
    server.start()
    try:
        yield server
    finally:
        server.end()
