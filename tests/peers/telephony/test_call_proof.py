"""A proof by call through a real communication server, to a real telephone that answers by itself (rule proof-by-call)."""

import re
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from certificates.call_proof import orders
from certificates.call_proof.models import CallProof, CallProofSettings
from certificates.communication_server.errors import KamailioError
from certificates.communication_server.kamailio import Kamailio
from certificates.models import Generation, Switch
from certificates.renewal.orders import GenerationOrder, order_generation
from pbxcerts.system import sealing
from pbxcerts.system.time.timekeeping import current_clock
from terminals.call_proof.proving import prove_ordered
from terminals.models import Installation, Terminal, TerminalType
from tests.peers.telephony.test_renewal import NAME, a_heartbeat, general, generate, office, store
from tests.support.telephony.office import trust_file
from tests.support.telephony.programs import eventually

__all__ = ["general", "office", "store"]

pytestmark = [pytest.mark.peer, pytest.mark.django_db]

# That of the telephones too.
PASSWORD = "none"
REGISTER = (
    b"REGISTER sip:pbx.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:berta@pbx.test>;tag=1\r\nTo: <sip:berta@pbx.test>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n"
    b"Contact: <sip:berta@127.0.0.1:5060;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
)
A_SECOND_OF_SPEECH = 50  # RTP packets of 20 ms


@pytest.fixture
def server(office, store, general, settings):
    """Kamailio with the first pair; it registers those alone who know the password, and has an echo test's number."""
    generate(at_once=True)
    server = office.kamailio(store, telephone_password=PASSWORD, knows_calls=True)
    settings.RELOAD_COMMAND = server.reload_command
    # As the reload command.
    settings.KAMCMD = server.reload_command[:-1]
    general.tls_addresses = [f"127.0.0.1:{server.port}"]
    general.save()
    CallProofSettings.load()
    CallProofSettings.objects.update(user="proof", password=sealing.seal(PASSWORD.encode()), number="echo")
    return server


def findings(proof):
    return {record.step.value: record.finding.value for record in proof.records}


def prove():
    orders.order_by_person(Generation.objects.active().get().number, current_clock().best, by="anna")
    return prove_ordered()


def kamailio(settings):
    return Kamailio(settings.KAMCMD)


def test_it_knows_who_is_registered_since_when_and_who_is_in_a_call(office, store, server, settings):
    telephone = {"server": f"{NAME}:{server.port}", "trust": trust_file(store)}
    anna, berta, clara = (office.baresip(name, **telephone) for name in ("anna", "berta", "clara"))
    assert [one.refusal() for one in (anna, berta, clara)] == [""] * 3
    known = kamailio(settings).registered(current_clock().best)
    assert {one.number for one in known} == {"anna", "berta", "clara"}
    assert all(abs(one.since - datetime.now(UTC)) < timedelta(minutes=10) for one in known)
    assert kamailio(settings).in_call() == frozenset()

    anna.dial("berta")
    berta.wait_for_call()
    assert kamailio(settings).in_call() == {"anna", "berta"}

    anna.hang_up()
    eventually(lambda: kamailio(settings).in_call() == frozenset(), what=server.log)


def invite(contact, *, port):
    """A stranger's call to the echo test, in which all that he says of himself is of somebody else."""
    lines = [
        f"INVITE sip:echo@{NAME} SIP/2.0",
        "Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK2;rport",
        "Max-Forwards: 70",
        f"From: <sip:mallory@{NAME}>;tag=1",
        f"To: <sip:echo@{NAME}>",
        "Call-ID: of-a-stranger",
        "CSeq: 1 INVITE",
        f"Contact: <{contact}>",
        "Content-Type: application/sdp",
    ]
    sdp = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    return "\r\n".join([*lines, f"Content-Length: {len(sdp)}", "", sdp]).encode()


def test_a_dialog_does_not_tell_whose_a_copied_contact_is_so_its_harm_is_bounded(office, store, server, settings):
    """Rule kamailio-asked: what Kamailio knows of a call holds nothing that the stranger has not written himself, so a telephone is put
    off ten times at most. Should that change some day, this fails, and who is in a call can be told better.
    """
    telephone = {"server": f"{NAME}:{server.port}", "trust": trust_file(store)}
    anna, echo = (office.baresip(name, **telephone) for name in ("anna", "echo"))
    assert [anna.refusal(), echo.refusal()] == ["", ""]
    [contact] = re.findall(r"Address: (sip:anna-\S+)", server.control("ul.dump"))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as stranger,
    ):
        stranger.sendall(invite(contact, port=9))
        eventually(lambda: "anna" in kamailio(settings).in_call(), what=server.log)
        said = server.control("dlg.list")
        assert not anna.in_call()
        assert f":{stranger.getsockname()[1]}" not in said
        names = set(re.findall(r"^\s*([\w-]+):", said, re.MULTILINE))
        assert not names & {"Tcpconn-Id", "Received", "received", "src_ip", "source", "connection"}


def test_who_is_registered_without_tls_is_told_from_who_is_over_it(office, store, general, settings):
    generate(at_once=True)
    server = office.kamailio(store, over_tcp=True)
    settings.KAMCMD = server.reload_command[:-1]
    anna = office.baresip("anna", server=f"{NAME}:{server.port}", trust=trust_file(store))
    assert anna.refusal() == ""
    with socket.create_connection(("127.0.0.1", server.tcp_port), timeout=30) as plain:
        plain.sendall(REGISTER)
        assert plain.recv(4096).startswith(b"SIP/2.0 200")
        known = {one.number: one.since for one in kamailio(settings).registered(current_clock().best)}

    assert known["berta"] is None
    assert known["anna"] is not None
    assert "Tcpconn-Id" in server.control("ul.dump").partition("AoR: berta")[2], "a connection, but none over TLS"


def test_neither_a_stranger_nor_a_telephone_speaks_for_another(office, store, server, settings):
    """Kamailio shows what each says of itself with its line breaks."""
    anna = office.baresip("anna", server=f"{NAME}:{server.port}", trust=trust_file(store))
    assert anna.refusal() == ""
    [known] = kamailio(settings).registered(current_clock().best)
    [connection] = re.findall(r"Tcpconn-Id: (\d+)", server.control("ul.dump"))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    says = f"x\n\tid: {connection}\n\ttimestamp: 2099-01-01 00:00:00\n\tx: 1"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=says),
    ):
        assert "2099" in server.control("tls.list")
        [still] = kamailio(settings).registered(current_clock().best)
    assert abs(still.since - known.since) < timedelta(seconds=10)


def test_nor_can_a_telephone_by_its_user_agent(office, store, general, settings):
    generate(at_once=True)
    server = office.kamailio(store, over_tcp=True)
    settings.KAMCMD = server.reload_command[:-1]
    with socket.create_connection(("127.0.0.1", server.tcp_port), timeout=30) as plain:
        plain.sendall(REGISTER.replace(b"Contact:", b"User-Agent: x\r\n\tAoR: clara\r\nContact:"))
        assert plain.recv(4096).startswith(b"SIP/2.0 200")
        assert re.search(r"AoR: clara", server.control("ul.dump"))
        with pytest.raises(KamailioError):
            kamailio(settings).registered(current_clock().best)


def test_after_a_switch_a_telephone_registers_calls_hears_and_hangs_up(office, store, server):
    generate(at_once=True)
    assert (Switch.objects.first().to_id, Switch.objects.first().outcome) == (2, "verified")
    # Kamailio tells its times in whole seconds: what connects any sooner may have done so before.
    until = Switch.objects.first().finished_at + timedelta(seconds=2)
    eventually(lambda: current_clock().best > until, what=server.log)
    terminal = Terminal.objects.create(number="echo", type=TerminalType.objects.get(name="Mitel 6867i"))
    Installation.objects.create(terminal=terminal, generation_id=2)
    echo = office.baresip("echo", server=f"{NAME}:{server.port}", trust=trust_file(store))
    assert echo.refusal() == ""

    proof = prove_ordered()

    assert (proof.generation_id, proof.outcome) == (2, "proved"), proof.steps
    steps = ["tls", "options", "register", "call", "media", "hang_up", "registered"]
    assert findings(proof) == dict.fromkeys(steps, "ok")
    assert (proof.records[-1].sent, proof.records[-1].received) == (1, 1)
    assert Installation.objects.get().registered_since >= until - timedelta(seconds=1)
    media = proof.records[4]
    assert min(media.sent, media.received) >= A_SECOND_OF_SPEECH
    echo.wait_for_no_call()
    assert "proof" not in server.control("ul.dump"), "it has taken its registration back"


def test_a_telephone_that_demands_encrypted_speech_is_called_with_it(office, store, server):
    echo = office.baresip("echo", server=f"{NAME}:{server.port}", trust=trust_file(store), encrypted=True)
    assert echo.refusal() == ""

    proof = prove()

    assert proof.outcome == "proved", proof.steps
    media = proof.records[4]
    assert media.encrypted
    assert min(media.sent, media.received) >= A_SECOND_OF_SPEECH
    echo.wait_for_no_call()
    assert "SRTP" in echo.log() or "srtp" in echo.log()


def test_one_that_is_content_with_speech_in_clear_is_called_in_clear(office, store, server):
    echo = office.baresip("echo", server=f"{NAME}:{server.port}", trust=trust_file(store))
    assert echo.refusal() == ""
    [media] = [record for record in prove().records if record.step.value == "media"]

    assert (media.finding.value, media.encrypted) == ("ok", False)


def test_one_that_takes_no_calls_fails_by_sip(server):
    proof = prove()

    steps = ["tls", "options", "register", "registered"]
    assert findings(proof) == {**dict.fromkeys(steps, "ok"), "call": "refused"}
    assert proof.records[3].said == "404 Not Found"


def test_one_whose_telephone_answers_without_speech_fails_by_media_alone(office, store, server):
    mute = office.baresip("echo", server=f"{NAME}:{server.port}", trust=trust_file(store), speaks=False)
    assert mute.refusal() == ""

    proof = prove()

    assert proof.outcome == "media_failed"
    # Whether its connection is of before the switch depends on the second in which it was opened.
    found = findings(proof) | {"registered": "ok"}
    steps = ["tls", "options", "register", "call", "hang_up", "registered"]
    assert found == {**dict.fromkeys(steps, "ok"), "media": "nothing_came"}
    assert proof.records[4].sent >= A_SECOND_OF_SPEECH
    mute.wait_for_no_call()
    assert Generation.objects.active().get().number == 1


def test_one_that_serves_the_old_pair_after_a_reload_that_succeeded_gets_it_back(server, settings):
    settings.RELOAD_COMMAND = ["true"]
    clock = current_clock()
    order_generation(clock, GenerationOrder(Generation.Trigger.PAGE, without_clock=True, at_once=True))
    a_heartbeat(clock, look_for=1)

    assert Switch.objects.first().outcome == "went_back"
    assert Generation.objects.active().get().number == 1
    assert findings(prove_ordered())["tls"] == "ok"
    assert CallProof.objects.count() == 1
