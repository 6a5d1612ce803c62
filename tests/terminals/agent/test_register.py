"""The REGISTERs of the agent, octet by octet, and what their answers mean."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage import Message

from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent.config import RegistrationConfig
from terminals.agent.errors import NotWelcome
from terminals.agent.register import RegisterRequests
from terminals.sip.message import read_response
from tests.support.sip_registrar import answer_to, challenge, is_right

OWN = "192.0.2.7:40000"
OURS = f"<sip:120@{OWN};transport=tls>"


def requests(**changed):
    values = {
        "server": Endpoint("pbx.test", 5061),
        "address": "sip:120@pbx.test",
        "number": "120",
        "registrar": "sip:pbx.test",
        "user": "anna",
        "password": "kettle",
    }
    begun = RegisterRequests(RegistrationConfig(**values | changed))
    begun.begin(OWN)
    return begun


def written(begun):
    return Message.parse(begun.write().octets)


def judged(begun, status="200 OK", *lines):
    """Write the next request and judge the answer with these lines."""
    return begun.judge(read_response(answer_to(written(begun).headers, status, *lines)))


def test_it_registers_the_address_of_the_connection():
    request = written(requests())
    assert (request.method, str(request.uri)) == ("REGISTER", "sip:pbx.test")
    assert request.headers["Contact"] == OURS
    assert request.headers["To"] == "<sip:120@pbx.test>"
    assert request.headers["Via"].startswith(f"SIP/2.0/TLS {OWN};branch=z9hG4bK")
    assert (request.headers["Expires"], request.headers["CSeq"]) == ("3600", "1 REGISTER")


def test_with_a_sips_address_everything_is_sips():
    request = written(requests(address="sips:120@pbx.test", registrar="sips:pbx.test"))
    assert (str(request.uri), request.headers["Contact"]) == ("sips:pbx.test", f"<sips:120@{OWN}>")


def test_all_requests_share_a_call_id_and_count():
    begun = requests()
    first, second = written(begun), written(begun)
    assert first.headers["Call-ID"] == second.headers["Call-ID"]
    assert second.headers["CSeq"] == "2 REGISTER"
    assert first.headers["Via"] != second.headers["Via"]


def test_it_takes_back_what_it_registered():
    begun = requests()
    judged(begun)
    begun.begin(OWN, leave=True)
    request = written(begun)
    assert (request.headers["Contact"], request.headers["Expires"]) == (OURS, "0")


def test_a_new_connection_takes_the_place_of_the_one_before():
    begun = requests()
    judged(begun)
    begun.begin("192.0.2.7:40001")
    assert written(begun).headers["Contact"] == f"<sip:120@192.0.2.7:40001;transport=tls>, {OURS};expires=0"
    judged(begun)
    assert written(begun).headers["Contact"] == "<sip:120@192.0.2.7:40001;transport=tls>"


class TestChallenge:
    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    @pytest.mark.parametrize("qop", [', qop="auth"', ""])
    def test_it_is_answered(self, algorithm, qop):
        begun = requests()
        assert judged(begun, "401 Unauthorized", challenge(algorithm, qop=qop)) is None
        authorization = written(begun).headers["Authorization"]
        assert is_right(authorization, password="kettle")
        assert not is_right(authorization, password="teapot")

    def test_the_stronger_one_is_chosen(self):
        begun = requests()
        judged(begun, "401 Unauthorized", challenge("MD5"), challenge("SHA-256"))
        assert "algorithm=SHA-256" in written(begun).headers["Authorization"]

    def test_a_proxy_is_answered_beside_the_registrar(self):
        begun = requests()
        judged(begun, "407 Proxy Authentication Required", challenge().replace("WWW-", "Proxy-"))
        judged(begun, "401 Unauthorized", challenge())
        headers = written(begun).headers
        assert is_right(headers["Authorization"], password="kettle")
        assert is_right(headers["Proxy-Authorization"], password="kettle")

    def test_it_is_answered_once(self):
        begun = requests()
        judged(begun, "401 Unauthorized", challenge(nonce="n1"))
        with pytest.raises(NotWelcome, match="401 Unauthorized"):
            judged(begun, "401 Unauthorized", challenge(nonce="n2"))
        assert written(begun).headers.get("Authorization") is None

    def test_a_nonce_that_was_too_old_is_replaced_once(self):
        begun = requests()
        judged(begun, "401 Unauthorized", challenge(nonce="n1"))
        assert judged(begun, "401 Unauthorized", challenge(nonce="n2", more=", stale=true")) is None
        assert 'nonce="n2"' in written(begun).headers["Authorization"]
        with pytest.raises(NotWelcome):
            judged(begun, "401 Unauthorized", challenge(nonce="n3", more=", stale=true"))

    def test_the_next_registration_uses_it_again_and_counts(self):
        begun = requests()
        judged(begun, "401 Unauthorized", challenge())
        assert judged(begun).seconds == 3600
        begun.begin(OWN)
        authorization = written(begun).headers["Authorization"]
        assert "nc=00000002" in authorization
        assert is_right(authorization, password="kettle")
        assert judged(begun, "401 Unauthorized", challenge(nonce="n2")) is None

    @pytest.mark.parametrize(
        ("password", "line"),
        [
            (None, challenge()),
            ("kettle", challenge("SHA-512-256")),
            ("kettle", challenge(qop=', qop="auth-int"')),
            ("kettle", 'WWW-Authenticate: Basic realm="x"'),
            ("kettle", "X: y"),
        ],
    )
    def test_one_that_cannot_be_answered_is_a_refusal(self, password, line):
        with pytest.raises(NotWelcome):
            judged(requests(password=password), "401 Unauthorized", line)


class TestGranted:
    @pytest.mark.parametrize(
        ("lines", "seconds"),
        [
            ([], 3600),
            (["Expires: 600"], 600),
            ([f"Contact: {OURS};expires=90", "Expires: 600"], 90),
            ([f"m: {OURS.replace('tls', 'TLS')} ; q=1 ; Expires = 90"], 90),
            ([f'Contact: "a" <sip:120@192.0.2.9>;expires=30, {OURS};expires=90;received="sip:x"'], 90),
            (["Contact: <sip:120@203.0.113.1:9>;expires=70, <sip:120@192.0.2.9>;expires=30"], 30),
            ([f"Contact: {OURS};expires=0"], 0),
            ([f"Contact: {OURS};expires=999999999"], 86_400),
            (["Contact: <<<;expires=;;", "Expires: soon"], 3600),
            (["Expires: " + "9" * 40], 3600),
        ],
    )
    def test_seconds(self, lines, seconds):
        assert judged(requests(), "200 OK", *lines).seconds == seconds

    @pytest.mark.parametrize(("line", "seconds"), [("X: y", 120), ("Flow-Timer: 30", 30), ("Flow-Timer: 0", 10)])
    def test_keep_alive(self, line, seconds):
        assert judged(requests(), "200 OK", line).keep_alive == seconds

    def test_a_registration_that_is_too_short_for_the_server_is_asked_for_as_long_as_it_wants(self):
        begun = requests()
        assert judged(begun, "423 Interval Too Brief", "Min-Expires: 7200") is None
        assert written(begun).headers["Expires"] == "7200"

    @pytest.mark.parametrize("line", ["Min-Expires: 60", "Min-Expires: 999999", "X: y"])
    def test_an_odd_wish_is_a_refusal(self, line):
        with pytest.raises(NotWelcome, match="423"):
            judged(requests(), "423 Interval Too Brief", line)


@pytest.mark.parametrize("status", ["302 Moved", "403 Forbidden", "404 Not Found", "503 Service Unavailable", "600 No"])
def test_a_refusal_is_said(status):
    with pytest.raises(NotWelcome, match=f"the server answered {status}"):
        judged(requests(), status)


@pytest.mark.parametrize(
    "change", [("z9hG4bK", "z9hG4bKx"), ("Call-ID: ", "Call-ID: x"), ("1 REGISTER", "2 REGISTER"), ("1 REG", "1 NOT")]
)
def test_an_answer_to_another_request_is_none(change):
    request = requests().write()
    octets = answer_to(Message.parse(request.octets).headers)
    assert request.is_answered_by(read_response(octets))
    assert not request.is_answered_by(read_response(octets.replace(*(part.encode() for part in change))))
    assert not request.is_answered_by(read_response(octets.replace(b"200 OK", b"100 Trying")))


LINES = st.sampled_from(["Contact", "Expires", "Min-Expires", "Flow-Timer", "WWW-Authenticate", "Proxy-Authenticate"])
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60)


@given(st.sampled_from([200, 401, 407, 423, 503]), st.dictionaries(LINES, VALUES))
def test_any_answer_is_judged(status, lines):
    begun = requests()
    with contextlib.suppress(NotWelcome):
        judged(begun, f"{status} X", *(f"{name}: {value}" for name, value in lines.items()))
    assert Message.parse(begun.write().octets)
