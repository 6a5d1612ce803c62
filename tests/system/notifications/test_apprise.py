"""What Apprise speaks, told by its own URLs to a receiver on loopback."""

import json
import logging

import pytest

from pbxcerts import __version__
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.transports import apprise_url
from pbxcerts.system.notifications.transports.apprise_url import parts_of
from tests.support.http_sink import HttpSink

# Apprise imports it for its own reasons.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
SECRET = "ge%C3%BCheim"


@pytest.fixture
def sink():
    with HttpSink() as sink:
        yield sink


def tried(desk, url):
    delivery = queue.test(desk.destination("apprise", url=url, options={"shown": "JSON"}), desk.now)
    sending.deliver_due(limit=10)
    delivery.refresh_from_db()
    return delivery


def test_a_service_is_told_title_and_text(desk, sink):
    delivery = tried(desk, f"json://anna:{SECRET}@127.0.0.1:{sink.port}/there")

    ((_method, path, headers, body),) = sink.received
    assert delivery.state == "delivered", delivery.fault_text
    assert path.rstrip("/") == "/there"
    assert headers["Authorization"]
    assert headers["User-Agent"] == f"pbxcerts/{__version__}"
    assert "Test message" in json.loads(body)["title"]


def test_why_it_was_refused_is_said_without_any_part_of_the_url(desk, sink, caplog, capfd):
    sink.status = 403
    delivery = tried(desk, f"json://anna:{SECRET}@127.0.0.1:{sink.port}/private-token?x=other-token")

    # pytest hears what goes nowhere, too.
    logged = [one.getMessage() for one in caplog.records if logging.getLogger(one.name).propagate]
    told = f"{delivery.said}{delivery.fault_text}{logged}{capfd.readouterr()}"
    assert delivery.fault == "service_refused"
    assert "403" in told
    assert [part for part in ("anna", "heim", "private-token", "other-token", "127.0.0.1") if part in told] == []


def test_what_apprise_says_of_the_url_itself_is_left_out(desk, monkeypatch):
    url = f"json://anna:{SECRET}@host.example.org/private-token"

    class Talkative:
        def notify(self, **_options):
            logging.getLogger("apprise").warning("it failed: %s, private-token, geüheim", url)
            return False

    monkeypatch.setattr(apprise_url, "service_of", lambda _url: Talkative())
    delivery = tried(desk, url)

    assert delivery.said == {"said": "it failed: …, …, …"}


def test_a_redirect_is_not_followed(desk, sink):
    with HttpSink() as elsewhere:
        sink.status, sink.location = 307, elsewhere.url
        delivery = tried(desk, f"json://127.0.0.1:{sink.port}/?redirect=yes")

    assert elsewhere.received == []
    assert delivery.fault == "service_refused"


def test_a_url_that_a_newer_version_no_longer_understands_is_said(desk):
    assert tried(desk, "nothing-of-the-kind://x").fault == "url_wrong"


def test_a_service_that_does_not_answer_is_not_waited_for(desk, sink):
    sink.late = 60
    delivery = queue.test(desk.destination("apprise", url=f"json://127.0.0.1:{sink.port}/"), desk.now)
    sending.deliver_due(limit=1)
    delivery.refresh_from_db()

    assert delivery.fault in {"no_answer", "service_refused"}


def test_every_part_of_a_url_is_taken_for_a_secret():
    assert {"T1JJ3T3L2", "A1BRTD4JD", "bot", "ü"} <= parts_of("slack://bot:%C3%BC@T1JJ3T3L2/A1BRTD4JD/?a=b")
