"""The watchdog outside: what it hears, and that it never stands in the way."""

import threading
import time
from types import SimpleNamespace

import pytest

from pbxcerts import tasks
from pbxcerts.system.models import EventMessage
from pbxcerts.system.notifications import watchdog
from pbxcerts.system.notifications.faults import NotificationError
from pbxcerts.system.notifications.models import Watchdog
from pbxcerts.system.notifications.warnings import notification_warnings
from tests.support.http_sink import HttpSink
from tests.support.product import free_port
from tests.support.running import wait_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def sink():
    with HttpSink() as sink:
        yield sink


@pytest.fixture
def beats(monkeypatch, key_file):
    """The task of the worker, whose round ends as `beats(...)` says: a failure to publish, an exception, or another machine's affair."""
    monkeypatch.setattr(watchdog, "_caller", watchdog._Caller())

    def beats(publish_failure="", error=None, is_elsewhere=False):
        def beat():
            watchdog.remember(Watchdog.load())
            if error:
                raise error
            return SimpleNamespace(publish_failure=publish_failure, is_elsewhere=is_elsewhere)

        monkeypatch.setattr(tasks, "beat", beat)
        tasks.heartbeat()

    yield beats
    if watchdog._caller.thread is not None:
        watchdog._caller.thread.join()


def heard(sink, count=1):
    wait_for(lambda: len(sink.received) >= count, seconds=10)
    return [(method, path) for method, path, _headers, _body in sink.received]


def test_it_hears_of_each_heartbeat_that_succeeded(beats, sink):
    watchdog.set_url(f"{sink.url}?key=1")
    beats()

    assert heard(sink) == [("GET", "/hook?key=1")]


def test_it_hears_nothing_of_a_machine_that_does_not_publish(beats, sink):
    watchdog.set_url(sink.url)
    beats(is_elsewhere=True)
    assert watchdog._caller.thread is None or not watchdog._caller.thread.is_alive()

    assert sink.received == []


def test_it_hears_fail_where_the_files_can_t_be_published(beats, sink):
    watchdog.set_url(f"{sink.url}/?key=1")
    beats(publish_failure="disk full")

    assert heard(sink) == [("GET", "/hook/fail?key=1")]


def test_it_hears_fail_where_the_heartbeat_failed_and_the_failure_is_not_hidden(beats, sink):
    watchdog.set_url(sink.url)
    with pytest.raises(ValueError, match="broken"):
        beats(error=ValueError("broken"))

    assert heard(sink) == [("GET", "/hook/fail")]


def test_nobody_waits_for_it_and_it_is_cut_off_after_five_seconds(beats, sink):
    sink.late = 60
    watchdog.set_url(sink.url)
    began = time.monotonic()
    beats()
    assert time.monotonic() - began < 1
    heard(sink)
    beats()
    assert len(sink.received) == 1, "while one call has no end yet, no other is made"
    watchdog._caller.thread.join(7)
    assert not watchdog._caller.thread.is_alive()
    assert time.monotonic() - began < 7


def test_without_a_url_nothing_is_called(beats):
    beats()

    assert watchdog._caller.thread is None
    assert not [one for one in threading.enumerate() if one.name == "watchdog"]


def test_silence_is_a_warning_after_five_heartbeats_and_clears_itself(beats, monkeypatch):
    port = free_port()
    watchdog.set_url(f"http://127.0.0.1:{port}/hook")

    def beat_and_wait():
        beats()
        watchdog._caller.thread.join()

    for _beat in range(5):
        beat_and_wait()
        assert list(notification_warnings([], Watchdog.load())) == []
    beat_and_wait()
    (notice,) = notification_warnings([], Watchdog.load())
    assert notice.id == "watchdog_unanswered"
    assert str(port) in Watchdog.load().fault_text
    sink = HttpSink()
    sink.port = port
    with sink:
        beat_and_wait()
    beats()
    assert list(notification_warnings([], Watchdog.load())) == []
    assert EventMessage.objects.count() == 0


def test_setting_it_says_at_once_whether_it_answers(sink, key_file):
    watchdog.set_url(sink.url)
    watchdog.call_now()
    assert Watchdog.load().answered_at is not None
    sink.status = 404
    with pytest.raises(NotificationError):
        watchdog.call_now()
    assert Watchdog.load().failures == 1


def test_its_url_is_sealed_and_a_redirect_is_not_followed(sink, key_file):
    with HttpSink() as elsewhere:
        sink.status, sink.location = 302, elsewhere.url
        watchdog.set_url(f"{sink.url}/secret-uuid")
        with pytest.raises(NotificationError):
            watchdog.call_now()

    row = Watchdog.load()
    assert elsewhere.received == []
    assert row.fault == "redirect"
    assert b"secret-uuid" not in bytes(row.url.token)
    assert "secret-uuid" not in row.shown
