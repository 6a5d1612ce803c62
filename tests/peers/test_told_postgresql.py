"""The queue of event messages in a PostgreSQL of Debian: the same promises, also between two processes."""

import json

import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.http_sink import HttpSink
from tests.support.postgresql import installed_database
from tests.support.product import Product
from tests.support.running import Tree, wait_for

pytestmark = pytest.mark.peer

QUEUED = """
import sys, threading
from pbxcerts.processes import startup
startup.prepare()
from django.db import connections
from pbxcerts.system.models import EventMessage, General
from pbxcerts.system.notifications import claims, queue
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.time.timekeeping import machine_time, read_machine
queue.begin_with(Destination(name="hook", kind="webhook", url=sys.argv[1], secret="s", options={"shown": "-"}))
General.load()
for number in range(500):
    EventMessage.objects.create(kind="files_differ", subject=str(number), severity="serious", raised_at=machine_time())

def note():
    queue.note(list(Destination.objects.all()), General.load(), machine_time(), read_machine())
    connections.close_all()

threads = [threading.Thread(target=note) for _number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*[one.count for one in Delivery.objects.all()])
found = []
def claim():
    found.extend(claims.claim(read_machine()))
    connections.close_all()
threads = [threading.Thread(target=claim) for _number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found))
Delivery.objects.update(due_boottime=0)
"""


def test_two_heartbeats_note_once_and_two_senders_claim_once(tmp_path, postgresql):  # noqa: F811 - the fixture
    product = Product(tmp_path, PBXCERTS_DATABASE=installed_database(postgresql))
    with HttpSink() as sink:
        assert product.run(QUEUED, sink.url).split() == ["500", "1"]
        sender = product.command("-m", "pbxcerts", "deliver", "--json")
        output, error = sender.communicate(timeout=60)

    assert sender.returncode == 0, error
    assert output.strip() == '{"delivered": 1}'
    ((_method, _path, _headers, body),) = sink.received
    assert b'"count": 500' in body


SILENT_PUBLISHER = """
import sys
from pbxcerts.processes import startup
startup.prepare()
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time.timekeeping import read_machine
from pbxcerts.system.notifications import queue
from pbxcerts.system.notifications.models import Destination
queue.begin_with(Destination(name="hook", kind="webhook", url=sys.argv[1], secret="s", options={"shown": "-"}))
Heartbeat.load()
Heartbeat.own().update(seen={"0" * 32: [7, -1000.0]}, ran_boot_id=read_machine().boot_id, publishes=False)
Heartbeat.objects.create(key="0" * 32, name="west", works=True, publishes=True, beats=7)
"""


def test_a_panel_without_a_worker_sends_that_the_publisher_is_silent(tmp_path, postgresql):  # noqa: F811 - the fixture
    with HttpSink() as sink, Tree(tmp_path, PBXCERTS_DATABASE=installed_database(postgresql)) as tree:
        tree.run(SILENT_PUBLISHER, sink.url)
        tree.start("--only", "web")
        wait_for(lambda: sink.received, what="a message")
        wait_for(lambda: len(tree.processes()) == 2, what="no sender left")

    _method, _path, _headers, body = sink.received[0]
    (event,) = json.loads(body)["events"]
    assert (event["kind"], event["severity"]) == ("publisher_silent", "critical")
    assert "west" in event["text"]
