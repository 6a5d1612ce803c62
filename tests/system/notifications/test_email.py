"""E-mail, told to a real mail server with TLS and a log-in."""

import socket
from contextlib import closing

import pytest

from pbxcerts import __version__
from pbxcerts.system.models import General
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.models import Delivery
from tests.support.mail_server import MailServer, a_certificate
from tests.support.product import free_port

PASSWORD = "Süß & ungewöhnlich: €ß"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return a_certificate(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The operating system of this machine trusts the mail server's root."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


@pytest.fixture
def serve(certificate):
    """Start a mail server: `with serve(encryption="tls") as server`."""
    _root, chain, key = certificate

    def serve(**options):
        return MailServer(chain, key, **{"accounts": {"pbx": PASSWORD}, **options})

    return serve


def to(
    desk, server, *, encryption="starttls", user="pbx", password=PASSWORD, recipients=("admin@example.org",), **fields
):
    port = server if isinstance(server, int) else server.port
    options = {
        "host": "127.0.0.1",
        "port": port,
        "encryption": encryption,
        "user": user,
        "sender": "pbx@example.org",
        "recipients": list(recipients),
    }
    return desk.destination("email", options=options, url="", secret=password if user else "", **fields)


def tried(desk, destination, **options):
    """A test message to it, as it stands after the sender has ended."""
    delivery = queue.test(destination, desk.now)
    sending.deliver_due(**options)
    delivery.refresh_from_db()
    return delivery


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_a_test_message_arrives_encrypted_and_logged_in_also_with_an_umlaut_in_the_password(
    desk, serve, trusted, encryption
):
    with serve(encryption=encryption) as server:
        delivery = tried(desk, to(desk, server, encryption=encryption))

    assert delivery.state == Delivery.State.DELIVERED, delivery.fault_text
    assert {login[1:] for login in server.logins} == {("pbx", PASSWORD)}
    (message,) = server.received
    assert message["To"] == "admin@example.org"
    assert message["From"] == "pbx@example.org"


def test_a_domain_with_an_umlaut_is_sent_as_the_internet_has_it(desk, serve, trusted):
    with serve() as server:
        destination = to(desk, server, recipients=("admin@bücher.example", "otto@example.org"))
        destination.options["sender"] = "pbx@bücher.example"
        destination.save()
        delivery = tried(desk, destination)

    assert delivery.state == Delivery.State.DELIVERED, delivery.fault_text
    (message,) = server.received
    assert message["From"] == "pbx@xn--bcher-kva.example"
    assert message["To"] == "admin@xn--bcher-kva.example, otto@example.org"


def test_nobody_answers_it_and_it_is_known_again(desk, serve, trusted):
    General.objects.update(site_name="Werk Süd")
    with serve() as server:
        delivery = tried(desk, to(desk, server, language="de"))

    (message,) = server.received
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["User-Agent"] == f"pbxcerts/{__version__}"
    assert message["Message-ID"] == f"<{delivery.uid.hex}.{desk.general.installation[:8]}@example.org>"
    assert message["Date"].datetime == desk.now.wall
    assert message.get_content_type() == "text/plain"
    assert message.get_content_charset() == "utf-8"
    assert message["Subject"] == "[Werk Süd] Testnachricht"
    assert "Werk Süd" in message.get_content()


def test_no_name_can_write_a_header_of_its_own(desk, serve, trusted):
    General.objects.update(site_name="Site\r\nBcc: all@example.org\nX: y")
    with serve() as server:
        tried(desk, to(desk, server))

    (message,) = server.received
    assert message["Bcc"] is None
    assert message["X"] is None
    assert message["Subject"] == "[Site Bcc: all@example.org X: y] Test message"


def test_a_certificate_that_the_system_does_not_trust_is_refused(desk, serve):
    with serve() as server:
        delivery = tried(desk, to(desk, server))

    assert (delivery.state, delivery.fault) == (Delivery.State.GIVEN_UP, "certificate")
    assert server.received == server.logins == []


def test_a_wrong_password_is_said_and_not_repeated(desk, serve, trusted):
    with serve() as server:
        delivery = tried(desk, to(desk, server, password="wrong & secret"))

    assert delivery.fault == "login_refused"
    assert "wrong & secret" not in str(delivery.said)
    assert server.received == []


@pytest.mark.parametrize(
    ("encryption", "asked", "fault"),
    [("none", "starttls", "no_starttls"), ("none", "tls", "tls"), ("tls", "starttls", "dropped")],
)
def test_the_wrong_kind_of_encryption_is_said(desk, serve, trusted, encryption, asked, fault):
    with serve(encryption=encryption, accounts={}) as server:
        delivery = tried(desk, to(desk, server, encryption=asked, user=""), limit=5)

    assert delivery.fault in {fault, "no_answer"} if fault == "dropped" else delivery.fault == fault
    assert server.received == []


def test_a_server_without_a_log_in_is_said(desk, serve, trusted):
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    delivery = tried(desk, to(desk, port))

    assert delivery.fault == "refused"
    assert str(port) in delivery.fault_text


def test_a_name_that_nobody_knows_is_said(desk, trusted):
    destination = to(desk, free_port())
    destination.options["host"] = "mail.invalid"
    destination.save()

    assert tried(desk, destination).fault == "name_unknown"


@pytest.mark.parametrize(("drops", "fault"), [("greeting", "dropped"), ("data", "dropped")])
def test_a_server_that_accepts_and_drops_is_said(desk, serve, trusted, drops, fault):
    with serve() as server:
        server.drops = drops
        delivery = tried(desk, to(desk, server))

    assert delivery.fault == fault


def test_a_refused_recipient_is_named_and_the_others_get_it(desk, serve, trusted):
    with serve() as server:
        server.refuses = {"gone@example.org"}
        destination = to(desk, server, recipients=("gone@example.org", "admin@example.org"))
        delivery = tried(desk, destination)

    assert (delivery.state, delivery.fault) == (Delivery.State.DELIVERED, "recipients_refused")
    assert "gone@example.org" in delivery.fault_text
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["admin@example.org"]]


def test_what_a_server_says_is_shown_in_one_bounded_line(desk, serve, trusted):
    with serve() as server:
        server.says = "554 no \x1b[31m<b>spam</b> " + "x" * 400
        delivery = tried(desk, to(desk, server))

    assert delivery.fault == "message_refused"
    assert len(delivery.said["said"]) <= 200
    assert "\x1b" not in delivery.said["said"]


def test_a_server_that_answers_too_late_is_not_waited_for(desk, serve, trusted):
    with serve() as server:
        server.late = 5
        delivery = tried(desk, to(desk, server), limit=3)

    assert (delivery.fault, delivery.said) == ("no_answer", {"seconds": 3})


def test_a_server_that_dies_after_it_has_taken_a_message_gets_the_same_one_again(desk, serve, trusted):
    with serve() as server:
        server.drops = "data"
        to(desk, server)
        desk.happens()
        desk.notes()
        sending.deliver_due()
        assert Delivery.objects.get().fault == "dropped"
        server.drops = ""
        desk.passes(minutes=1)
        sending.deliver_due()

    first, second = server.received
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()


def test_a_server_that_is_away_and_comes_back_gets_it(desk, serve, trusted):
    server = serve()
    with serve() as other:
        server.port = other.port
    to(desk, server)
    desk.happens()
    desk.notes()
    sending.deliver_due()
    assert Delivery.objects.get().fault == "refused"
    desk.passes(minutes=1)
    with server:
        sending.deliver_due()

    assert len(server.received) == 1
