"""The webhook: what it says, how it is signed, and what it does not follow."""

import hashlib
import hmac
import json

import pytest

from pbxcerts import __version__
from pbxcerts.system.models import Severity
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.models import Delivery
from pbxcerts.system.notifications.transports import http
from tests.support.http_sink import HttpSink
from tests.support.product import free_port


@pytest.fixture
def sink():
    with HttpSink() as sink:
        yield sink


def tried(desk, url, **fields):
    delivery = queue.test(desk.destination(url=url, **fields), desk.now)
    sending.deliver_due(limit=3)
    delivery.refresh_from_db()
    return delivery


def test_whoever_has_the_secret_can_check_who_wrote_it_and_when(desk, sink):
    tried(desk, sink.url, secret="s3cret")

    ((method, path, headers, body),) = sink.received
    stamp = headers["Pbxcerts-Timestamp"]
    expected = hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert (method, path) == ("POST", "/hook")
    assert headers["Pbxcerts-Signature"] == f"sha256={expected}"
    assert headers["Content-Type"].startswith("application/json")


def test_it_says_what_sends_it_and_of_which_version(desk, sink):
    tried(desk, sink.url)

    ((_method, _path, headers, _body),) = sink.received
    assert headers["User-Agent"] == f"pbxcerts/{__version__}"


def test_an_event_message_comes_with_its_kind_its_values_and_its_words(desk, sink):
    destination = desk.destination(url=sink.url, language="de")
    message = desk.happens(Severity.CRITICAL, params={"files": "root.pem"})
    desk.notes()
    sending.deliver_due()
    desk.passes(minutes=2)
    desk.ends(message)
    desk.notes()
    sending.deliver_due()

    raised, over = (json.loads(body) for _method, _path, _headers, body in sink.received)
    assert raised["severity"] == "critical"
    (event,) = raised["events"]
    assert (event["kind"], event["phase"], event["values"]) == ("files_differ", "raised", {"files": "root.pem"})
    assert "root.pem" in event["text"]
    assert event["text"] in raised["subject"]
    assert raised["language"] == destination.language
    assert [one["phase"] for one in over["events"]] == ["over"]
    assert over["events"][0]["id"] != event["id"]


@pytest.mark.parametrize(
    ("status", "fault"), [(500, "http_status"), (404, "http_status"), (301, "redirect"), (307, "redirect")]
)
def test_any_other_status_than_success_is_said(desk, sink, status, fault):
    sink.status = status
    delivery = tried(desk, sink.url)

    assert delivery.fault == fault
    assert str(status) in delivery.fault_text


def test_a_redirect_is_not_followed(desk, sink):
    with HttpSink() as elsewhere:
        sink.status, sink.location = 307, elsewhere.url
        tried(desk, sink.url)

    assert elsewhere.received == []


def test_an_umlaut_in_the_path_is_sent_as_browsers_send_it(sink):
    http.request(f"{sink.url}/größe%20a?für=ü%C3%BC&b=c;d", limit=5)

    [(_method, path, _headers, _body)] = sink.received
    assert path == "/hook/gr%C3%B6%C3%9Fe%20a?f%C3%BCr=%C3%BC%C3%BC&b=c;d"


def test_user_and_password_of_a_url_are_sent_and_never_told(desk, sink):
    sink.status = 403
    delivery = tried(desk, sink.url.replace("http://", "http://user:ge%C3%BCheim@"))

    ((_method, _path, headers, _body),) = sink.received
    assert headers["Authorization"] == "Basic dXNlcjpnZcO8aGVpbQ=="
    assert "heim" not in f"{delivery.said} {delivery.fault_text}"


@pytest.mark.parametrize(("drops", "late", "fault"), [(True, 0, "dropped"), (False, 30, "no_answer")])
def test_one_that_drops_or_answers_after_a_minute_is_said(desk, sink, drops, late, fault):
    sink.drops, sink.late = drops, late

    assert tried(desk, sink.url).fault in {fault, "no_http"}


def test_one_that_answers_octet_by_octet_is_cut_off(sink):
    sink.slowly = 0.2
    with pytest.raises(http.NotificationError) as error:
        http.request(sink.url, limit=1)

    assert error.value.fault == "no_answer"


def test_a_port_at_which_nobody_listens_is_named(desk):
    port = free_port()
    delivery = tried(desk, f"http://127.0.0.1:{port}/")

    assert (delivery.fault, delivery.state) == ("refused", Delivery.State.GIVEN_UP)
    assert str(port) in delivery.fault_text


def test_a_server_without_tls_is_said(desk, sink):
    assert tried(desk, sink.url.replace("http://", "https://")).fault == "tls"


@pytest.mark.parametrize(
    "url", ["https://user:secret@host:8443/a?token=b", "https://host:8443/", "https://host:8443/#secret"]
)
def test_of_a_url_only_scheme_host_and_port_are_shown(url):
    assert http.shown_url(url) == "https://host:8443/…"
