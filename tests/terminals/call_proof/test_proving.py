"""A proof over real sockets: what a telephone sees of the server, and what is made of it (rule proof-by-call)."""

import logging
import re
import socket
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from certificates.call_proof import orders
from certificates.call_proof.models import CallProofSettings
from certificates.call_proof.words import lines, outcome
from certificates.communication_server.presented import look_at_tls_address
from certificates.pki import formats
from certificates.renewal.situation import load_situation
from terminals.call_proof import proving
from terminals.call_proof.proving import prove_ordered
from tests.support.sip_pbx import Pbx, answer_sdp, reply
from tests.support.sip_registrar import challenge
from tests.support.x509 import a_pair
from tests.terminals.call_proof.conftest import PASSWORD, findings

pytestmark = pytest.mark.django_db


@pytest.fixture
def of_another(tmp_path):
    """The files of a pair that the product knows nothing of."""
    pair, chain, key = a_pair(), tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(formats.fullchain_pem(pair.host, pair.root))
    key.write_bytes(pair.host_key.reveal())
    return chain, key


# -- it goes through ----------------------------------------------------------------------------------------------------


def test_a_telephone_registers_calls_hears_and_hangs_up(pbx, account, prove, world):
    account()
    proof = prove()

    assert findings(proof) == dict.fromkeys(["tls", "options", "register", "call", "media", "hang_up"], "ok")
    assert (proof.outcome, outcome(proof)) == ("proved", "proved by a call with speech")
    assert proof.host_sha256 == proof.records[0].sha256 == world.situation.active.host_sha256
    media = proof.records[4]
    assert (media.sent, media.received) == (40, 40)
    assert pbx.methods() == ["OPTIONS", *["REGISTER"] * 2, *["INVITE", "ACK"] * 2, "BYE", "REGISTER"]
    assert pbx.heard[-1]["Expires"] == "0", "it takes its registration back"


def test_requests_within_the_call_go_by_route_and_contact(pbx, account, prove):
    account()
    prove()
    bye = next(one for one in pbx.heard if one.method == "BYE")

    assert bye.uri == f"sip:echo@{pbx.address};transport=tls"
    assert bye["Route"] == f"<sip:{pbx.address};transport=tls;lr>"
    assert bye["To"].endswith(";tag=p")


def test_without_an_account_nobody_registers_and_that_is_said(pbx, prove):
    proof = prove()

    assert findings(proof) == {"tls": "ok", "options": "ok", "register": "no_account"}
    assert outcome(proof) == "proved as far as it goes without a test account"
    assert pbx.methods() == ["OPTIONS"]


def test_without_a_number_nobody_is_called(pbx, account, prove):
    account(number="")
    assert findings(prove())["call"] == "no_number"
    assert "INVITE" not in pbx.methods()


def test_a_server_that_wants_no_password_is_none_the_worse(pbx, account, prove):
    account()
    pbx.password = ""
    assert prove().outcome == "proved"


def test_an_answer_that_says_no_to_options_speaks_sip_all_the_same(pbx, prove):
    pbx.does["OPTIONS"] = lambda heard, _: reply(heard, "404 Not Found")
    assert prove().outcome == "proved"


def switched_unseen(world, pbx):
    """Its reload command has "succeeded", and it presents what it did; nobody looks."""
    world.set(tls_addresses=[])
    world.generate(at_once=True)
    world.set(tls_addresses=[pbx.address])
    assert world.states == {1: "superseded", 2: "active"}


# -- the certificate ----------------------------------------------------------------------------------------------------


def test_a_server_that_still_serves_the_old_pair_is_named_with_it(pbx, prove, world):
    switched_unseen(world, pbx)
    proof = prove()

    assert (proof.generation_id, proof.outcome) == (2, "tls_failed")
    assert "generation 1" in lines(proof)[0].sentence
    assert pbx.methods() == [], "nothing is asked of it"


def test_a_pair_that_has_left_the_bundle_is_named_too(pbx, prove, world):
    switched_unseen(world, pbx)
    world.at(world.generation(1).leaves_bundle_at)
    assert len(world.situation.in_bundle) == 1
    assert "generation 1" in lines(prove())[0].sentence


def test_a_certificate_of_somebody_else_is_refused(world, prove, of_another):
    with Pbx(*of_another) as pbx:
        world.set(tls_addresses=[pbx.address])
        assert findings(prove()) == {"tls": "untrusted"}


def test_a_name_that_the_certificate_lacks_is_refused(pbx, prove, world, names):
    names("elsewhere.example", "127.0.0.1", "127.0.0.3")
    world.set(tls_addresses=[f"elsewhere.example:{pbx.server_address[1]}"])
    assert findings(prove()) == {"tls": "wrong_name"}


def test_the_dates_are_judged_by_both_clocks(pbx, prove, world):
    world.at(world.situation.active.plan.end)
    assert findings(prove()) == {"tls": "not_valid"}


def test_a_clock_in_doubt_accuses_no_certificate(pbx, prove, world):
    """The machine's clock alone is past the end."""
    end = world.situation.active.plan.end
    orders.order_by_person(1, world.now, by="anna")
    proof = proving.prove_ordered(world.clock(offset=world.now - end))
    assert findings(proof)["tls"] == "ok"


def test_each_address_of_a_name_is_looked_at(pbx, prove, world, names, of_another):
    """A telephone may come to any of them."""
    port = pbx.server_address[1]
    names("pbx.example.com", "127.0.0.1", "127.0.0.2")
    world.set(tls_addresses=[f"pbx.example.com:{port}"])
    first = prove()
    with Pbx(*of_another, host="127.0.0.2", port=port):
        second = prove()

    assert (findings(first)["tls"], first.records[0].said) == ("ok", "127.0.0.2"), "it takes no connection"
    assert findings(second) == {"tls": "untrusted"}


def test_where_nobody_is_it_says_so(world, prove):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    world.set(tls_addresses=[f"127.0.0.1:{port}"])
    assert findings(prove()) == {"tls": "unreached"}


# -- SIP and speech -----------------------------------------------------------------------------------------------------


def test_one_that_answers_options_but_takes_no_calls_fails_by_sip(pbx, account, prove):
    account()
    pbx.does["INVITE"] = lambda heard, _: reply(heard, "503 Service Unavailable")
    proof = prove()

    assert proof.outcome == "sip_failed"
    assert findings(proof) == {**dict.fromkeys(["tls", "options", "register"], "ok"), "call": "refused"}
    assert lines(proof)[-1].sentence == f"{pbx.address}: refused: 503 Service Unavailable"
    assert pbx.methods()[-2:] == ["ACK", "REGISTER"], "and it takes its registration back"


def test_one_without_speech_fails_by_media_alone(pbx, account, prove):
    account()
    pbx.echoes = False
    proof = prove()

    assert proof.outcome == "media_failed"
    assert findings(proof) == dict.fromkeys(["tls", "options", "register", "call", "hang_up"], "ok") | {
        "media": "nothing_came"
    }
    assert pbx.packets == 40
    assert "BYE" in pbx.methods()


@pytest.mark.parametrize("sdp", ["", "v=0\r\n", answer_sdp(0), answer_sdp(40_000, host="0.0.0.0"), answer_sdp(22)])
def test_an_answer_without_a_place_for_speech_is_hung_up_on(pbx, account, prove, sdp):
    account()
    pbx.password = ""
    pbx.does["INVITE"] = lambda heard, _: reply(heard, "200 OK", body=sdp)
    proof = prove()

    assert (findings(proof)["media"], findings(proof)["hang_up"]) == ("no_media", "ok")


def test_whoever_rings_for_ever_is_cancelled(pbx, account, prove):
    account()
    pbx.password = ""
    pbx.does["INVITE"] = lambda heard, _: reply(heard, "180 Ringing")
    pbx.does["CANCEL"] = lambda heard, _: (
        reply(heard, "200 OK")
        + reply(next(one for one in pbx.heard if one.method == "INVITE"), "487 Request Terminated")
    )
    proof = prove()

    assert findings(proof)["call"] == "rings"
    assert pbx.methods()[-4:] == ["INVITE", "CANCEL", "ACK", "REGISTER"]


def test_whoever_answers_at_that_moment_is_hung_up_on(pbx, account, prove):
    account()
    pbx.password = ""
    pbx.does["INVITE"] = lambda heard, _: reply(heard, "180 Ringing")
    pbx.does["CANCEL"] = lambda heard, _: reply(
        next(one for one in pbx.heard if one.method == "INVITE"), "200 OK", body=answer_sdp(pbx.speech_port)
    )
    prove()

    assert pbx.methods()[-3:] == ["ACK", "BYE", "REGISTER"]


def test_the_other_side_may_hang_up_first(pbx, account, prove):
    account()

    def hang_up(heard, connection):
        invite = next(one for one in reversed(pbx.heard) if one.method == "INVITE")
        if invite["Authorization"]:
            lines = f"From: {invite['To']};tag=p\r\nTo: {invite['From']}\r\nCall-ID: {invite['Call-ID']}\r\nCSeq: 1 BYE"
            via = "Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bKb"
            connection.sendall(f"BYE sip:proof@x SIP/2.0\r\n{via}\r\n{lines}\r\nContent-Length: 0\r\n\r\n".encode())

    pbx.does["ACK"] = hang_up
    pbx.echoes = False
    proof = prove()

    assert (findings(proof)["media"], findings(proof)["hang_up"]) == ("hung_up", "ok")
    assert "BYE" not in pbx.methods()
    assert any(one.startswith(b"SIP/2.0 200 OK") for one in pbx.replies)


# -- it is attacked -----------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once_and_nobody_is_called(pbx, account, prove):
    account(password="not this one")
    proof = prove()

    assert findings(proof) == {"tls": "ok", "options": "ok", "register": "credentials", "call": "after_failure"}
    assert proof.outcome == "sip_failed"
    assert [bool(one["Authorization"]) for one in pbx.heard if one.method == "REGISTER"] == [False, True]


def test_a_nonce_that_is_always_too_old_is_not_followed_for_ever(pbx, account, prove):
    account()
    pbx.does["REGISTER"] = lambda heard, _: reply(heard, "401 No", challenge(more=", stale=true"))
    assert findings(prove())["register"] == "credentials"
    assert pbx.methods().count("REGISTER") == 3


def test_a_server_that_never_answers_is_given_up(pbx, prove):
    pbx.does["OPTIONS"] = lambda *_: None
    assert findings(prove()) == {"tls": "ok", "options": "silent"}


def test_one_that_is_silent_after_the_connection_is_given_up(world, account, prove, monkeypatch):
    """Not even a handshake."""
    monkeypatch.setattr("terminals.call_proof.handshake.CONNECT_WITHIN", 0.3)
    looked = "terminals.call_proof.handshake.look_at_tls_address"
    monkeypatch.setattr(looked, partial(look_at_tls_address, timeout=0.3))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.set(tls_addresses=[f"127.0.0.1:{silent.getsockname()[1]}"])
        assert findings(prove()) == {"tls": "no_certificate"}


def test_all_of_it_has_an_end(pbx, account, prove, monkeypatch):
    """A server that says every half second that it is at it."""
    account()
    monkeypatch.setattr(proving.Proving, "within", 1.0)
    over = threading.Event()

    def trickle(heard, connection):
        def more():
            while not over.wait(0.1):
                with suppress(OSError):
                    connection.sendall(reply(heard, "100 Trying"))

        threading.Thread(target=more, daemon=True).start()

    pbx.does["OPTIONS"] = trickle
    proof = prove()
    over.set()

    assert findings(proof)["options"] in {"time_is_up", "rings"}


def test_no_redirect_is_followed(pbx, account, prove):
    account()
    pbx.password = ""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        contact = f"Contact: <sip:echo@127.0.0.1:{elsewhere.getsockname()[1]};transport=tls>"
        pbx.does["INVITE"] = lambda heard, _: reply(heard, "302 Moved Temporarily", contact)
        proof = prove()
        elsewhere.settimeout(0)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()

    assert findings(proof)["call"] == "redirected"


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        (b"\x00" * 100_000, "garbled"),
        (b"SIP/2.0 200 OK\r\nContent-Length: 999999\r\n\r\n", "garbled"),
        (b"SIP/2.0 abc\r\n\r\n", "garbled"),
        (b"INVITE\r\n\r\n", "garbled"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "no_sip"),
    ],
    ids=["zeros", "endless body", "no status", "no request", "http"],
)
def test_garbage_is_no_answer(pbx, prove, said, finding):
    pbx.does["OPTIONS"] = lambda *_: said
    proof = prove()

    assert findings(proof)["options"] == finding
    assert proof.outcome == ("proved" if finding == "no_sip" else "sip_failed")


def test_a_flood_of_answers_to_nobody_is_read_to_a_limit(pbx, prove):
    pbx.does["OPTIONS"] = lambda heard, _: reply(heard, "200 OK").replace(b"z9hG4bK", b"z9hG4bX") * 5000
    assert findings(prove())["options"] == "garbled"


def test_speech_from_elsewhere_does_not_count(pbx, account, prove):
    account()
    pbx.echoes = False
    over = threading.Event()

    def flood(heard, _connection):
        port = int(re.search(rb"m=audio (\d+)", heard.body)[1])

        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                while not over.is_set():
                    with suppress(OSError):
                        stranger.sendto(b"\x80\x00" + b"\x01" * 170, ("127.0.0.1", port))

        threading.Thread(target=send, daemon=True).start()
        return pbx.usual(heard, _connection)

    pbx.does["INVITE"] = flood
    began = time.monotonic()
    proof = prove()
    over.set()

    assert findings(proof)["media"] == "nothing_came"
    assert proof.records[4].sent == 40
    assert time.monotonic() - began < 30


def test_one_packet_again_and_again_is_one(pbx, account, prove):
    account()
    pbx.echoes = False
    usual = pbx.usual

    def repeat(heard, connection):
        port = int(re.search(rb"m=audio (\d+)", heard.body)[1])
        for _ in range(200):
            pbx.ear.sendto(b"\x80\x00\x00\x07" + b"\x01" * 168, ("127.0.0.1", port))
        return usual(heard, connection)

    pbx.does["INVITE"] = repeat
    assert findings(prove())["media"] == "little_came"


def test_no_secret_is_logged_kept_or_sent_in_clear(pbx, account, prove, caplog):
    caplog.set_level(logging.DEBUG)
    account()
    pbx.does["INVITE"] = lambda heard, _: reply(heard, f"500 your password is {PASSWORD}")
    proof = prove()

    assert lines(proof)[-1].sentence.endswith("refused: 500 your password is …")
    assert PASSWORD not in caplog.text
    assert PASSWORD.encode() not in b"".join(one.octets for one in pbx.heard)
    assert PASSWORD not in repr(proving.Proving.of(*of_database()))


def of_database():
    situation = load_situation()
    return situation, situation.active, CallProofSettings.load()


def test_a_password_that_no_key_opens_is_said(pbx, account, prove, settings, tmp_path):
    account()
    CallProofSettings.objects.update(password=b"sealed by another key")
    proof = prove()

    assert findings(proof) == {"tls": "ok", "options": "ok", "register": "no_password"}
    assert pbx.methods() == ["OPTIONS"]


# -- two workers, and one that is killed --------------------------------------------------------------------------------


def test_of_two_workers_one_makes_it(pbx, world):
    orders.order_by_person(1, world.now, by="anna")
    assert not orders.order_by_person(1, world.now, by="berta"), "one is under way"
    taken = orders.claim(world.now)

    assert taken is not None
    assert prove_ordered(world.clock()) is None
    assert pbx.methods() == []


def test_one_that_was_killed_is_made_once_more_and_then_it_is_over(pbx, world):
    orders.order_by_person(1, world.now, by="anna")
    first = orders.claim(world.now)
    assert not orders.waits([first], world.now)
    second = orders.claim(world.now + orders.LIMIT)
    assert second.tries == 2
    assert not orders.finish(first, [], world.now), "the first has come back from the dead"
    assert orders.waits([second], world.now + 2 * orders.LIMIT)
    assert orders.claim(world.now + 2 * orders.LIMIT) is None

    second.refresh_from_db()
    assert (second.outcome, second.running) == ("interrupted", None)


def test_a_clock_that_was_set_back_keeps_none_waiting_for_years(pbx, world):
    orders.order_by_person(1, world.now, by="anna")
    orders.claim(world.now + 400 * orders.LIMIT)
    assert orders.claim(world.now) is not None


def test_a_switch_meanwhile_makes_it_worthless(pbx, world):
    orders.order_by_person(1, world.now, by="anna")
    world.set(tls_addresses=[])
    world.generate(at_once=True)
    proof = prove_ordered(world.clock())

    assert proof.outcome == "overtaken"
    assert pbx.methods() == []
