"""What goes wrong is told by the running product itself, and the watchdog hears of its heartbeats."""

import json

import pytest

from tests.support.http_sink import HttpSink
from tests.support.running import Tree, wait_for

pytestmark = pytest.mark.process

ADDED = """
from pbxcerts.processes import startup
startup.prepare()
import sys
from pbxcerts.system.notifications import queue, watchdog
from pbxcerts.system.notifications.models import Destination
queue.begin_with(Destination(name="hook", kind="webhook", url=sys.argv[1], secret="s", options={"shown": "-"}, language="en"))
watchdog.set_url(sys.argv[2])
"""


def test_what_is_wrong_is_told_within_a_minute_and_the_watchdog_hears(tmp_path):
    with HttpSink() as sink, HttpSink() as outside, Tree(tmp_path) as tree:
        tree.install().run(ADDED, sink.url, f"{outside.url}/ping")
        tree.start()
        wait_for(lambda: sink.received, what="a message")
        wait_for(lambda: outside.received, what="a call")
        before = len(outside.received)
        with tree.asking_for_heartbeats():
            wait_for(lambda: len(outside.received) > before, what="another call")
        _method, _path, _headers, body = sink.received[0]
        told = {event["kind"]: event["text"] for event in json.loads(body)["events"]}
        # It was a process of its own that sent it, and it has gone.
        wait_for(lambda: len(tree.processes()) == 6, what="no sender left")

    assert "clock_off" in told
    assert "NTP" in told["clock_off"]
    assert {path for _method, path, _headers, _body in outside.received} == {"/hook/ping"}


def test_a_destination_that_hangs_delays_no_heartbeat(tmp_path):
    with HttpSink() as sink, Tree(tmp_path) as tree:
        sink.late = 60
        tree.install().run(ADDED, sink.url, sink.url)
        tree.start()
        wait_for(lambda: sink.received, what="a message")
        with tree.asking_for_heartbeats():
            for _beat in range(3):
                tree.wait_for_a_heartbeat(seconds=15)
        assert tree.end() == 0
        tree.ends_without_a_trace()
