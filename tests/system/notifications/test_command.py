"""`destinations` and `deliver`."""

import io
import json

import pytest
from django.core.management import call_command

from pbxcerts.system.commands import CommandFailed, WrongUse
from pbxcerts.system.notifications import sending
from pbxcerts.system.notifications.models import Destination
from tests.support.http_sink import HttpSink


@pytest.fixture(autouse=True)
def _set_up(desk, monkeypatch):
    desk.general.language = "en"
    desk.general.save()
    monkeypatch.setattr(sending, "start", lambda: sending.deliver_due(limit=2))


def said(*arguments, stdin=None, monkeypatch=None):
    if stdin is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_one_is_added_tested_listed_and_removed(monkeypatch):
    with HttpSink() as sink:
        added = said(
            *("destinations", "add", "webhook", "name=hook", "least_severity=normal", "positive=off", "--secrets"),
            stdin=f"url={sink.url}?token=hidden\n",
            monkeypatch=monkeypatch,
        )
        assert len(added["secret"]) > 40
        assert said("destinations", "test", "hook")["fault"] is None
        assert len(sink.received) == 1
    (listed,) = said("destinations", "list")["destinations"]
    assert (listed["name"], listed["least_severity"], listed["positive"]) == ("hook", "normal", False)
    assert listed["delivered_at"] is not None
    assert "hidden" not in json.dumps(listed)
    said("destinations", "remove", str(listed["id"]))
    assert Destination.objects.count() == 0


def test_a_mail_account_takes_its_password_from_standard_input(monkeypatch):
    said(
        *("destinations", "add", "email", "name=mail", "host=mail.example.org", "user=pbx"),
        *("sender=pbx@example.org", "recipients=a@example.org,b@example.org", "--secrets"),
        stdin="password=ü=x\n",
        monkeypatch=monkeypatch,
    )

    destination = Destination.objects.get()
    assert str(destination.secret) == "ü=x"
    assert destination.options["recipients"] == ["a@example.org", "b@example.org"]


def test_a_secret_among_the_arguments_is_refused():
    with pytest.raises(WrongUse) as error:
        said("destinations", "add", "webhook", "name=hook", "url=http://user:hidden@host/")

    assert "hidden" not in str(error.value)
    assert Destination.objects.count() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "syslog", "name=log", "server=host:port"],
        ["add", "syslog", "name=log", "nonsense=1"],
        ["add", "syslog", "name"],
        ["add", "syslog", "server=127.0.0.1"],
        ["remove", "nobody"],
        ["test", "99999999999999999999"],
    ],
)
def test_what_is_wrong_is_said_and_nothing_done(arguments):
    with pytest.raises(WrongUse):
        said("destinations", *arguments)

    assert Destination.objects.count() == 0


def test_a_test_that_fails_is_a_failure_with_its_reason():
    with HttpSink() as sink:
        sink.status = 500
        said("destinations", "add", "syslog", "name=log", "server=127.0.0.1:9")
        Destination.objects.update(kind="webhook", url=sink.url, options={"shown": "-"})
        with pytest.raises(CommandFailed, match="status 500") as error:
            said("destinations", "test", "log")

    assert error.value.code == "http_status"


def test_deliver_says_how_much_it_has_delivered(desk):
    with HttpSink() as sink:
        desk.destination(url=sink.url)
        desk.happens()
        desk.notes()
        assert said("deliver") == {"delivered": 1}
        assert said("deliver") == {"delivered": 0}
