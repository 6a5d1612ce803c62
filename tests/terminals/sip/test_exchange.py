import pytest
from sipmessage import Message

from terminals.drivers.base import Reaction
from terminals.sip.digest import Credentials
from terminals.sip.errors import InvalidNotify
from terminals.sip.exchange import Notify, NotifyExchange
from terminals.sip.hop import Hop, Transport
from terminals.sip.message import SentBy, read_response
from tests.support.phones import answer, expected_response, read_digest

SENDER = SentBy("UDP", "192.0.2.1:5060")
PHONE = Credentials("201", "three teapots", "phone")
PROXY = Credentials("pbxcerts", "two kettles", "pbx.example.org")


def an_exchange(*credentials):
    hop = Hop("192.0.2.9", 5060)
    notify = Notify(1, "sip:201@pbx.example.org", "check-sync", hop, credentials, answers_without_qop=True)
    return NotifyExchange(notify)


class Talk:
    """The requests of an exchange and what it makes of the answers."""

    def __init__(self, *credentials):
        self.exchange = an_exchange(*credentials)
        self.requests = []
        self.ask()

    def ask(self):
        self.requests.append(Message.parse(self.exchange.request(SENDER)))

    def hear(self, status, *headers):
        outcome = self.exchange.judge(read_response(answer(self.requests[-1], status, "Phrase", *headers)))
        if outcome is None:
            self.ask()
        return outcome

    def challenged(self, *offers, status=401):
        name = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[status]
        return self.hear(status, *(f"{name}: Digest {offer}" for offer in offers))

    def given(self, name="Authorization"):
        return [read_digest(value) for value in self.requests[-1].headers.getlist(name)]


def test_an_answered_challenge_keeps_the_call_and_begins_a_new_transaction():
    talk = Talk(PHONE)
    assert talk.challenged('realm="phone", nonce="n", qop="auth"') is None

    first, second = talk.requests
    assert (first.call_id, str(first.from_address)) == (second.call_id, str(second.from_address))
    assert (first.cseq.sequence, second.cseq.sequence) == (1, 2)
    assert first.via[0].parameters["branch"] != second.via[0].parameters["branch"]
    assert second.via[0].parameters["branch"].startswith("z9hG4bK")
    (given,) = talk.given()
    assert (given["username"], given["realm"], given["uri"]) == ("201", "phone", "sip:201@pbx.example.org")
    assert given["response"] == expected_response(given, "three teapots", second)


def test_a_challenge_is_answered_once():
    talk = Talk(PHONE)
    talk.challenged('realm="phone", nonce="1"')
    outcome = talk.challenged('realm="phone", nonce="2"')

    assert (outcome.status, outcome.reaction, outcome.realm) == (401, Reaction.CREDENTIALS, "phone")
    assert len(talk.requests) == 2


def test_a_stale_nonce_is_answered_once_more_and_not_for_ever():
    talk = Talk(PHONE)
    talk.challenged('realm="phone", nonce="1"')
    assert talk.challenged('realm="phone", nonce="2", stale=true') is None
    assert talk.given()[0]["nonce"] == "2"

    assert talk.challenged('realm="phone", nonce="3", stale=true').reaction is Reaction.CREDENTIALS


@pytest.mark.parametrize("realm", ["Phone", "", "elsewhere"])
def test_a_challenge_for_another_realm_is_not_answered(realm):
    talk = Talk(PHONE, Credentials("201", "three teapots", ""))
    outcome = talk.challenged(f'realm="{realm}", nonce="1"')

    assert (outcome.reaction, outcome.realm) == (Reaction.CREDENTIALS, realm)
    assert len(talk.requests) == 1


def test_without_credentials_nothing_is_answered():
    assert Talk().challenged('realm="phone", nonce="1"').reaction is Reaction.CREDENTIALS


def test_a_401_without_a_challenge_is_no_error():
    outcome = Talk(PHONE).hear(401)
    assert (outcome.status, outcome.reaction, outcome.realm) == (401, Reaction.CREDENTIALS, "")


@pytest.mark.parametrize("strong_first", [True, False])
def test_sha_256_is_preferred_to_md5(strong_first):
    offers = ['realm="phone", nonce="1", algorithm=SHA-256', 'realm="phone", nonce="1", algorithm=MD5']
    talk = Talk(PHONE)
    talk.challenged(*(offers if strong_first else reversed(offers)))

    (given,) = talk.given()
    assert given["algorithm"] == "SHA-256"


def test_the_one_that_can_be_answered_is_chosen():
    talk = Talk(PHONE)
    talk.challenged(
        'realm="phone", nonce="1", algorithm=SHA-512-256, Digest realm="other", nonce="1", algorithm=SHA-256',
        'realm="phone", nonce="2", algorithm=MD5, qop="auth,auth-int"',
    )

    assert [given["nonce"] for given in talk.given()] == ["2"]


def test_server_and_telephone_are_both_answered_on_the_way_through():
    talk = Talk(PHONE, PROXY)
    assert talk.challenged('realm="pbx.example.org", nonce="p", qop="auth"', status=407) is None
    assert talk.challenged('realm="phone", nonce="t", qop="auth"') is None

    (to_phone,) = talk.given()
    (to_proxy,) = talk.given("Proxy-Authorization")
    assert (to_phone["username"], to_phone["nc"]) == ("201", "00000001")
    assert (to_proxy["username"], to_proxy["nc"]) == ("pbxcerts", "00000002")
    assert to_proxy["response"] == expected_response(to_proxy, "two kettles", talk.requests[-1])
    assert talk.hear(200).reaction is Reaction.HEARD


def test_of_two_that_know_one_realm_the_last_answers_alone():
    talk = Talk(PHONE, Credentials("pbxcerts", "two kettles", "phone"))
    assert talk.challenged('realm="phone", nonce="1"') is None

    assert [given["username"] for given in talk.given()] == ["pbxcerts"]
    assert talk.challenged('realm="phone", nonce="2"').reaction is Reaction.CREDENTIALS


def test_an_overloaded_server_says_when_to_come_back():
    outcome = Talk().hear(503, "Retry-After: 30 (maintenance)")
    assert (outcome.reaction, outcome.retry_after.total_seconds()) == (Reaction.OVERLOADED, 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "sip:201@pbx.example.org>\r\nX: y"},
        {"target": "sip:2 1@pbx.example.org"},
        {"target": "tel:201"},
        {"target": 'sip:2"1@pbx.example.org'},
        {"target": "sips:201@pbx.example.org"},
        {"from_uri": "pbxcerts"},
        {"event": "check-sync\r\nX: y"},
        {"event": ""},
        {"event": "check sync"},
    ],
    ids=["line", "space", "tel", "quote", "sips-over-udp", "sender", "line-in-event", "no-event", "two-events"],
)
def test_what_would_be_no_request_is_refused(changes):
    values = {"key": 1, "target": "sip:201@pbx.example.org", "event": "check-sync", "next_hop": Hop("192.0.2.9", 5060)}
    with pytest.raises(InvalidNotify):
        Notify(**(values | changes))


@pytest.mark.parametrize(
    "event", ["check-sync", "check-sync;reboot=true", 'ua-profile; profile-type="device"', "resync"]
)
def test_the_events_of_the_makers_are_taken(event):
    assert Notify(1, "sips:201@pbx.example.org", event, Hop("192.0.2.9", 5061, Transport.TLS)).event == event


@pytest.mark.parametrize(("host", "port"), [("", 5060), ("192.0.2.9", 0), ("192.0.2.9", 65536)])
def test_what_is_no_next_hop_is_refused(host, port):
    with pytest.raises(InvalidNotify, match="next hop"):
        Hop(host, port)
