"""Whatever comes in, nothing is raised but what says that it is no answer."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from sipmessage import Message

from terminals.sip.digest import read_challenges
from terminals.sip.errors import MalformedMessage
from terminals.sip.exchange import ExchangeOutcome, Notify, NotifyExchange
from terminals.sip.hop import Hop
from terminals.sip.message import LONGEST_HEAD, MessageFraming, SentBy, read_response
from tests.support.phones import CREDENTIALS, answer

CHALLENGE = (
    'WWW-Authenticate: Digest realm="pbx.example.org", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=FALSE'
)


def an_exchange():
    notify = Notify(1, "sip:201@pbx.example.org", "check-sync", Hop("192.0.2.9", 5060), (CREDENTIALS,))
    exchange = NotifyExchange(notify)
    return exchange, Message.parse(exchange.request(SentBy("UDP", "192.0.2.1:5060")))


@st.composite
def mutated(draw):
    """An answer with some of its octets replaced, cut out, doubled, or put elsewhere."""
    _, request = an_exchange()
    octets = answer(request, draw(st.sampled_from([100, 200, 401, 407, 503])), "Phrase", CHALLENGE, "Retry-After: 5")
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(octets)))
        end = draw(st.integers(start, min(len(octets), start + 40)))
        piece = octets[start:end]
        instead = draw(
            st.one_of(st.just(b""), st.just(piece * 2), st.binary(max_size=8), st.just(b"\r\n"), st.just(b","))
        )
        octets = octets[:start] + instead + octets[end:]
    return octets


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(b"SIP/2.0 ".__add__), mutated()))
def test_an_answer_is_read_or_refused(octets):
    with suppress(MalformedMessage):
        answered = read_response(octets)
        assert 100 <= answered.status <= 699
        assert answered.phrase.isprintable()


@given(mutated())
def test_what_is_read_is_judged(octets):
    exchange, _ = an_exchange()
    with suppress(MalformedMessage):
        outcome = exchange.judge(read_response(octets))
        if outcome is None:
            request = exchange.request(SentBy("UDP", "192.0.2.1:5060"))
            # The challenge is quoted in the next request, and must not write into it.
            assert request.count(b"\r\n") == request.count(b"\n") == request.count(b"\r") == 14
            assert Message.parse(request).headers["Authorization"].startswith("Digest ")
        else:
            assert isinstance(outcome, ExchangeOutcome)


@given(st.lists(st.one_of(st.binary(max_size=60), mutated()), max_size=8))
def test_a_stream_is_cut_or_refused(pieces):
    framing = MessageFraming()
    with suppress(MalformedMessage):
        for piece in pieces:
            for message in framing.feed(piece):
                assert len(message) <= LONGEST_HEAD + 65_540


@given(st.one_of(st.text(max_size=200), st.text(alphabet='Digest realmnoc="\\,; \t\n', max_size=200)))
def test_challenges_are_read_or_left_out(value):
    for challenge in read_challenges(f'Digest realm="r", nonce="n", {value}'):
        assert "\n" not in challenge.nonce + challenge.realm + (challenge.opaque or "") + challenge.algorithm
