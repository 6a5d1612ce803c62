"""The pages of the destinations, as each role sees them."""

import pytest
from django.urls import reverse

from pbxcerts.system.models import EventMessage
from pbxcerts.system.notifications import claims, sending, watchdog
from pbxcerts.system.notifications.faults import Fault, NotificationError
from pbxcerts.system.notifications.models import Delivery, Destination, Watchdog
from pbxcerts.system.sealing import seal_anew
from pbxcerts.system.time import timekeeping
from tests.support.http_sink import HttpSink
from tests.support.product import free_port

LIST = "/system/events/destinations/"
MAIL = {
    "name": "Administration",
    "enabled": "on",
    "least_severity": "serious",
    "positive": "on",
    "timing": "at_once",
    "digest_at": "07:00",
    "in_advance": "on",
    "language": "en",
    "host": "mail.example.org",
    "port": "",
    "encryption": "starttls",
    "user": "pbx",
    "password": "ümlaut & secret",
    "sender": "pbx@example.org",
    "recipients": "admin@example.org",
}
EDITED = MAIL | {"port": "587", "password": "", "version": "0"}
HOOK = {name: MAIL[name] for name in list(MAIL)[:8]} | {"url": "https://user:verborgen@hooks.example.org/token?a=b"}


@pytest.fixture(autouse=True)
def _set_up(key_file, viewer_client, operator_client, administrator_client):
    for client in (viewer_client, operator_client, administrator_client):
        client.cookies["django_language"] = "en"


@pytest.fixture
def started(monkeypatch):
    """How often a sender was started; none is."""
    starts = []
    monkeypatch.setattr(sending, "start", lambda: starts.append(1))
    return starts


def added(client, kind="email", **changes):
    answer = client.post(
        reverse("system:events_destination_add", args=[kind]), (MAIL if kind == "email" else HOOK) | changes
    )
    return answer, Destination.objects.last()


def text(answer):
    return " ".join(answer.content.decode().split())


def test_without_a_destination_the_page_says_that_nobody_is_told(viewer_client):
    page = text(viewer_client.get(LIST))

    assert "Nobody is told" in page
    assert "None is set" in page


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("add", ["email"]), ("edit", [1]), ("remove", [1]), ("secret", [1]), ("test", [1])],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_an_administrator_changes_destinations(operator_client, desk, name, arguments, method):
    desk.destination(pk=1)
    answer = getattr(operator_client, method)(reverse(f"system:events_destination_{name}", args=arguments))

    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["watchdog", "watchdog_call", "watchdog_remove"])
def test_only_an_administrator_changes_the_watchdog(operator_client, name):
    assert operator_client.post(reverse(f"system:events_{name}")).status_code == 403


def test_who_views_sees_how_it_goes_and_nothing_to_change(viewer_client, desk):
    destination = desk.destination()
    Destination.objects.update(failures=3, fault="refused", said={"host": "mail", "port": 25})
    for page in (LIST, f"{LIST}{destination.pk}/", f"{LIST}{destination.pk}/state/"):
        shown = text(viewer_client.get(page))
        assert "3 attempts in a row have failed. Nothing answers at mail, port 25." in shown
        assert "/edit/" not in shown
        assert "test/" not in shown


def test_a_mail_destination_is_stored_sealed_and_its_password_is_never_shown(administrator_client):
    answer, destination = added(administrator_client)

    assert answer.status_code == 302, text(answer)
    assert destination.options["port"] == 587
    assert str(destination.secret) == "ümlaut & secret"
    pages = [LIST, answer.url, reverse("system:events_destination_edit", args=[destination.pk])]
    assert all("mlaut" not in text(administrator_client.get(page)) for page in pages)
    assert b"mlaut" not in bytes(destination.secret.token)
    assert seal_anew().as_before == 1


def test_without_a_new_password_the_stored_one_stays(administrator_client):
    _answer, destination = added(administrator_client)
    edit = reverse("system:events_destination_edit", args=[destination.pk])
    administrator_client.post(edit, EDITED | {"name": "Other"})

    destination.refresh_from_db()
    assert (destination.name, str(destination.secret)) == ("Other", "ümlaut & secret")


def test_the_second_of_two_administrators_is_told_and_what_is_typed_stays(administrator_client):
    _answer, destination = added(administrator_client)
    edit = reverse("system:events_destination_edit", args=[destination.pk])
    administrator_client.post(edit, EDITED | {"recipients": "first@example.org"})
    second = EDITED | {"recipients": "second@example.org", "name": "Mine"}
    answer = administrator_client.post(edit, second)

    shown = text(answer)
    assert "Somebody else has changed these settings" in shown
    assert "first@example.org" in shown
    assert 'value="Mine"' in shown
    destination.refresh_from_db()
    assert destination.options["recipients"] == ["first@example.org"]
    assert 'name="version" value="1"' in shown
    assert administrator_client.post(edit, second | {"version": "1"}).status_code == 302
    destination.refresh_from_db()
    assert (destination.options["recipients"], destination.name) == (["second@example.org"], "Mine")


def test_a_form_of_a_destination_that_is_sent_twice_overtakes_nobody(administrator_client):
    _answer, destination = added(administrator_client)
    edit = reverse("system:events_destination_edit", args=[destination.pk])
    changed = EDITED | {"recipients": "other@example.org", "password": "new secret"}

    assert [administrator_client.post(edit, changed).status_code for _ in range(2)] == [302, 302]


@pytest.mark.parametrize(
    "changed", [{"host": "evil.example.org"}, {"port": "25"}, {"user": "root"}, {"encryption": "tls"}]
)
def test_a_stored_password_goes_to_no_other_server_or_user(administrator_client, changed):
    _answer, destination = added(administrator_client)
    edit = reverse("system:events_destination_edit", args=[destination.pk])
    answer = administrator_client.post(edit, EDITED | changed)

    assert "Enter the password" in text(answer)
    destination.refresh_from_db()
    assert destination.options["host"] == "mail.example.org"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "mail server"}, "contains a space"),
        ({"host": ""}, "required"),
        ({"port": "99999"}, "65535"),
        ({"port": "x"}, "whole number"),
        ({"encryption": "none"}, "could be read on the network"),
        ({"password": ""}, "Enter the password"),
        ({"user": "", "password": "x"}, "Enter the user"),
        ({"sender": "nobody"}, "valid email"),
        ({"recipients": ""}, "at least one recipient"),
        ({"recipients": "a@example.org\nnobody"}, "“nobody” is not an e-mail address"),
        ({"digest_at": "25:00"}, "valid time"),
        ({"name": "x\ny\0"}, "Null characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_half_done(administrator_client, changes, said):
    answer, destination = added(administrator_client, **changes)

    assert said in text(answer)
    assert destination is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "Enter the URL"),
        ("ftp://host/", "begins with https://"),
        ("host/hook", "begins with https://"),
        ("https://host:99999/", "65535"),
        ("https://host:port/", "65535"),
        ("https:///hook", "begins with https://"),
        ("https://ho st/", "a space"),
        ("https://host/a\tb", "a space"),
        ("https://a_b/", "is none"),
        ("http://[::1/", "65535"),
    ],
)
def test_a_wrong_url_is_said_and_not_repeated(administrator_client, url, said):
    answer, destination = added(administrator_client, "webhook", url=url)

    assert said in text(answer)
    assert destination is None


def test_the_secret_of_a_webhook_is_shown_once(administrator_client):
    answer, destination = added(administrator_client, "webhook")
    secret = str(destination.secret)

    assert len(secret) > 40
    assert secret in text(answer)
    assert answer.headers["Cache-Control"].startswith("max-age=0")
    pages = [
        text(administrator_client.get(page))
        for page in (LIST, f"{LIST}{destination.pk}/", f"{LIST}{destination.pk}/edit/")
    ]
    assert [page for page in pages if secret in page or "verborgen" in page or "token?" in page] == []
    assert all("https://hooks.example.org/…" in page for page in pages[:2])
    another = text(administrator_client.post(reverse("system:events_destination_secret", args=[destination.pk])))
    destination.refresh_from_db()
    assert str(destination.secret) in another
    assert str(destination.secret) != secret


def test_a_test_starts_a_sender_and_the_page_shows_what_came_of_it(administrator_client, desk, started):
    destination = desk.destination(url=f"http://127.0.0.1:{free_port()}/")
    page = f"{LIST}{destination.pk}/"
    administrator_client.post(f"{page}test/")

    assert started == [1]
    assert "The test is under way" in text(administrator_client.get(page))
    sending.deliver_due()
    assert "Nothing answers at 127.0.0.1" in text(administrator_client.get(f"{page}state/"))


def test_what_was_given_up_stands_on_the_page(viewer_client, desk):
    desk.destination(name="gone")
    desk.happens()
    desk.notes()
    (claimed,) = claims.claim(desk.now)
    claimed.delivery.attempts = 28
    Delivery.objects.update(attempts=28)
    claims.failed(claimed, NotificationError(Fault.REFUSED, host="mail", port=25), desk.now)
    page = text(viewer_client.get(LIST))

    assert "Not delivered" in page
    assert "Nothing answers at mail" in page
    assert EventMessage.objects.filter(kind="delivery_given_up").exists()


def test_one_that_is_removed_takes_its_credentials_and_what_waits_with_it(administrator_client, desk):
    destination = desk.destination()
    desk.happens()
    desk.notes()
    remove = f"{LIST}{destination.pk}/remove/"

    assert "1 message that waits is dropped" in text(administrator_client.get(remove))
    administrator_client.post(remove)
    assert Destination.objects.count() == Delivery.objects.count() == 0


def test_changing_one_does_not_undo_what_the_sender_writes_meanwhile(administrator_client, monkeypatch):
    _answer, destination = added(administrator_client)
    read = timekeeping.read_machine

    def meanwhile():
        Destination.objects.update(failures=5, fault="refused")
        return read()

    monkeypatch.setattr(timekeeping, "read_machine", meanwhile)
    administrator_client.post(f"{LIST}{destination.pk}/edit/", EDITED)

    assert Destination.objects.get().failures == 5


def test_a_watchdog_that_does_not_answer_is_said_at_once(administrator_client, monkeypatch):
    monkeypatch.setattr(watchdog, "_caller", watchdog._Caller())
    url = reverse("system:events_watchdog")
    assert "begins with https://" in text(administrator_client.post(url, {"url": "nonsense"}))
    page = administrator_client.post(url, {"url": f"http://127.0.0.1:{free_port()}/secret-uuid"}, follow=True)
    assert "The watchdog does not answer. Nothing answers at 127.0.0.1" in text(page)
    with HttpSink() as sink:
        page = administrator_client.post(url, {"url": f"{sink.url}/secret-uuid"}, follow=True)
    assert "The watchdog has answered" in text(page)
    assert "secret-uuid" not in text(page)
    administrator_client.post(reverse("system:events_watchdog_remove"))
    assert str(Watchdog.load().url) == ""


@pytest.mark.process
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("foo://secret-token", "Apprise does not understand"),
        ("syslog://secret-token", "on this machine only"),
        ("", "Enter the URL"),
    ],
)
def test_a_url_that_apprise_does_not_take_is_said_without_it(administrator_client, url, said):
    answer, destination = added(administrator_client, "apprise", url=url)

    assert said in text(answer)
    assert "secret-token" not in text(answer)
    assert destination is None


@pytest.mark.process
def test_a_service_of_apprise_is_shown_by_its_name(administrator_client):
    _answer, destination = added(
        administrator_client, "apprise", url="slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
    )

    assert destination.where == "Slack (slack://…)"


def test_the_list_costs_the_same_with_many_destinations(viewer_client, desk, django_assert_max_num_queries):
    for _number in range(20):
        desk.destination()
    viewer_client.get(LIST)
    with django_assert_max_num_queries(8):
        viewer_client.get(LIST)
