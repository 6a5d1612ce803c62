"""The length of the queue in a Redis of Debian, and a Redis that does not answer (rule metrics-when-asked)."""

import json
import os
import socket
import subprocess

import pytest
import redis

from tests.support.peers import require_program
from tests.support.ports import free_port
from tests.support.postgresql import wait_until
from tests.support.product import Product

pytestmark = pytest.mark.peer

READ = """
import json, time
from django_q.tasks import async_task
import sys
for _ in range(int(sys.argv[1])):
    async_task("pbxcerts.tasks.heartbeat")
from pbxcerts.health.database_reading import read_database
began = time.monotonic()
print(json.dumps([read_database().tasks, time.monotonic() - began]))
"""


def read(directory, port, *, asked):
    product = Product(directory, PBXCERTS_BROKER=f"redis://127.0.0.1:{port}/0").install()
    tasks, took = json.loads(product.run(READ, str(asked)))
    assert took < 2
    return tasks


def test_tasks_in_redis_are_counted(tmp_path):
    port = free_port()
    server = subprocess.Popen(
        [require_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        with redis.Redis(port=port) as client:
            wait_until(client.ping, redis.ConnectionError, server)
        assert read(tmp_path, port, asked=3) == 3
    finally:
        server.terminate()
        server.wait()


def test_one_that_does_not_answer_is_not_waited_for_and_nothing_is_said_of_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert read(tmp_path, silent.getsockname()[1], asked=0) is None
