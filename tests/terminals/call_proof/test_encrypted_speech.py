"""A proof where speech is encrypted (SRTP): by a peer that is written from the RFCs alone (rule proof-by-call)."""

import base64
import re
import secrets

import pytest

from certificates.call_proof.words import lines
from tests.support.secured_speech import SecuredSide
from tests.support.sip_pbx import answer_sdp, reply
from tests.terminals.call_proof.conftest import findings

pytestmark = pytest.mark.django_db

ALL = ["tls", "options", "register", "call", "media", "hang_up"]


def secured_sdp(port, crypto, *, profile="RTP/SAVP"):
    sdp = answer_sdp(port).replace("RTP/AVP", profile)
    return f"{sdp}a=crypto:{crypto}\r\n" if crypto else sdp


@pytest.fixture
def side():
    return SecuredSide()


@pytest.fixture
def answers(pbx, account, side):
    """The PBX takes encrypted speech alone. `crypto`: what it says of its key, its own one without."""
    account()
    pbx.password = ""
    pbx.says = side.again

    def as_told(*, status="488 Not Acceptable Here", body="", crypto=None, profile="RTP/SAVP"):
        def answer(heard, _connection):
            if not side.take(heard.body):
                return reply(heard, status, body=body)
            named = side.crypto if crypto is None else crypto
            return reply(heard, "200 OK", body=secured_sdp(pbx.speech_port, named, profile=profile))

        pbx.does["INVITE"] = answer

    return as_told


def offers(pbx):
    return [re.search(rb"m=audio \d+ (\S+)", one.body)[1].decode() for one in pbx.heard if one.method == "INVITE"]


@pytest.mark.parametrize("status", ["488 Not Acceptable Here", "606 Not Acceptable"])
def test_a_server_that_refuses_speech_in_clear_is_proved_by_encrypted_speech(pbx, answers, prove, side, status):
    answers(status=status)
    proof = prove()

    assert findings(proof) == dict.fromkeys(ALL, "ok")
    assert proof.outcome == "proved"
    media = proof.records[4]
    assert (media.sent, media.received, media.encrypted) == (40, 40, True)
    assert lines(proof)[4].sentence == (
        f"{pbx.address}: 40 of 40 packets of speech (SRTP) came back from 127.0.0.1:{pbx.speech_port}"
    )
    assert offers(pbx) == ["RTP/AVP", "RTP/SAVP"]
    assert pbx.methods() == ["OPTIONS", "REGISTER", "INVITE", "ACK", "INVITE", "ACK", "BYE", "REGISTER"]
    assert {clear[12:] for clear in side.heard} == {bytes.fromhex("1e0b0b1e9e8b8b9e") * 20}, "it has heard the tone"


def test_one_that_takes_the_call_and_no_speech_of_either_kind_says_so(pbx, account, prove):
    account()
    pbx.password = ""
    pbx.does["INVITE"] = lambda heard, _: (
        reply(heard, "488 Not Acceptable Here") if b"SAVP" in heard.body else reply(heard, "200 OK", body=answer_sdp(0))
    )

    assert lines(prove())[3].sentence.endswith("refused: RTP: 200 OK, no RTP/AVP; SRTP: 488 Not Acceptable Here")


@pytest.mark.parametrize("sdp", [answer_sdp(0), secured_sdp(40_000, "")])
def test_so_is_one_that_takes_the_call_and_refuses_its_speech(pbx, answers, prove, sdp):
    answers(status="200 OK", body=sdp)
    proof = prove()

    assert findings(proof) == dict.fromkeys(ALL, "ok")
    assert proof.records[4].encrypted
    assert pbx.methods()[2:-1] == ["INVITE", "ACK", "BYE"] * 2, "the call that was for nothing is hung up"


def test_and_one_that_hangs_up_at_once_when_it_refuses_the_speech(pbx, answers, prove):
    answers(status="200 OK", body=answer_sdp(0))
    usual = pbx.does["INVITE"]

    def and_hang_up(heard, connection):
        said = usual(heard, connection)
        if b"SAVP" in heard.body:
            return said
        lines = f"From: {heard['To']};tag=p\r\nTo: {heard['From']}\r\nCall-ID: {heard['Call-ID']}\r\nCSeq: 1 BYE"
        via = "Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bKb"
        return said + f"BYE sip:proof@x SIP/2.0\r\n{via}\r\n{lines}\r\nContent-Length: 0\r\n\r\n".encode()

    pbx.does["INVITE"] = and_hang_up

    assert findings(prove()) == dict.fromkeys(ALL, "ok")


def test_who_takes_speech_in_clear_is_called_once_and_the_page_says_so(pbx, account, prove):
    account()
    pbx.password = ""
    proof = prove()

    assert offers(pbx) == ["RTP/AVP"]
    assert not proof.records[4].encrypted
    assert "40 of 40 packets of speech (RTP) came back" in lines(proof)[4].sentence


def test_one_that_takes_neither_says_what_it_said_to_both(pbx, account, prove):
    account()
    pbx.password = ""
    pbx.does["INVITE"] = lambda heard, _: reply(
        heard, "603 Decline" if b"SAVP" in heard.body else "488 Not Acceptable Here"
    )
    proof = prove()

    assert (proof.outcome, findings(proof)["call"]) == ("sip_failed", "refused")
    assert lines(proof)[3].sentence.endswith("refused: RTP: 488 Not Acceptable Here; SRTP: 603 Decline")


def test_any_other_refusal_is_not_tried_again(pbx, account, prove):
    account()
    pbx.password = ""
    pbx.does["INVITE"] = lambda heard, _: reply(heard, "486 Busy Here")

    assert findings(prove())["call"] == "refused"
    assert offers(pbx) == ["RTP/AVP"]


@pytest.mark.parametrize(
    "sends",
    [
        lambda _side, _packet, clear: clear,
        lambda _side, _packet, clear: clear + bytes(10),
        lambda _side, packet, _clear: packet,
        lambda side, _packet, clear: SecuredSide().says.close(clear),
        lambda side, _packet, clear: side.says.close(clear)[:-1] + b"\0\0",
    ],
    ids=["in clear", "with an empty tag", "our own ones", "by another key", "with one octet more"],
)
def test_what_is_not_authenticated_with_the_key_of_the_other_side_proves_nothing(pbx, answers, prove, side, sends):
    answers()
    pbx.says = lambda packet: sends(side, packet, side.hears.open(packet))
    proof = prove()

    assert (proof.outcome, findings(proof)["media"]) == ("media_failed", "strange_came")
    assert proof.records[4].received == 0
    assert "0 came back that were made with the key of the other side" in lines(proof)[4].sentence


def test_a_silent_one_has_sent_nothing(pbx, answers, prove):
    answers()
    pbx.echoes = False
    proof = prove()

    assert findings(proof)["media"] == "nothing_came"
    assert "40 packets of speech (SRTP) went to" in lines(proof)[4].sentence


@pytest.mark.parametrize(
    "crypto",
    [
        "",
        "1 AES_CM_128_HMAC_SHA1_32 inline:" + base64.b64encode(bytes(30)).decode(),
        "2 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(bytes(30)).decode(),
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(bytes(30)).decode() + " UNAUTHENTICATED_SRTP",
    ],
)
def test_an_answer_without_a_key_that_was_offered_is_hung_up_on(pbx, answers, prove, crypto):
    answers(crypto=crypto)
    proof = prove()

    assert (findings(proof)["media"], findings(proof)["hang_up"]) == ("no_key", "ok")
    assert pbx.packets == 0


def test_one_that_answers_encrypted_speech_in_clear_is_not_believed(pbx, answers, prove):
    answers(profile="RTP/AVP")
    pbx.says = lambda packet: packet
    proof = prove()

    assert findings(proof)["media"] == "no_media"
    assert "(SRTP, PCMU or PCMA)" in lines(proof)[4].sentence
    assert pbx.packets == 0


def test_no_key_is_kept_or_said(pbx, answers, prove, side, caplog):
    answers(crypto=f"1 AES_CM_128_HMAC_SHA1_80 inline:{secrets.token_urlsafe(30)[:39]}!")
    proof = prove()

    offered = [re.search(rb"inline:(\S+)", one.body)[1].decode() for one in pbx.heard if b"inline:" in one.body]
    assert len(offered) == 1
    assert offered[0] not in f"{proof.steps}{caplog.text}"
