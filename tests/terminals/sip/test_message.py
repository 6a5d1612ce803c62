import pytest
from sipmessage import Message

from pbxcerts import __version__
from terminals.sip.errors import MalformedMessage, MessageFault
from terminals.sip.message import (
    LONGEST_BODY,
    LONGEST_HEAD,
    LONGEST_PHRASE,
    MessageFraming,
    SentBy,
    read_request,
    read_response,
    write_notify,
)

OK = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport=5060;received=192.0.2.1\r\n"
    b"From: <sip:pbxcerts@pbx.example.org>;tag=a\r\n"
    b"To: <sip:201@pbx.example.org>;tag=b\r\n"
    b"Call-ID: call\r\n"
    b"CSeq: 1 NOTIFY\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)


def notify(**changes):
    values = {
        "target": "sip:201@pbx.example.org",
        "event": "check-sync;reboot=false",
        "from_uri": "sip:pbxcerts@pbx.example.org",
        "tag": "a",
        "call_id": "call",
        "cseq": 7,
        "branch": "z9hG4bKabc",
        "sender": SentBy("TLS", "192.0.2.1:5061", ";transport=tls"),
    }
    return write_notify(**(values | changes))


class TestWriting:
    def test_it_has_what_telephones_expect(self):
        request = Message.parse(notify())

        assert (request.method, str(request.uri), request.body) == ("NOTIFY", "sip:201@pbx.example.org", b"")
        (via,) = request.via
        assert (via.transport, via.host, via.port) == ("TLS", "192.0.2.1", 5061)
        assert dict(via.parameters) == {"branch": "z9hG4bKabc", "rport": None}
        assert request.max_forwards == 70
        assert dict(request.from_address.parameters) == {"tag": "a"}
        assert dict(request.to_address.parameters) == {}
        assert (request.call_id, str(request.cseq)) == ("call", "7 NOTIFY")
        assert str(request.contact[0].uri) == "sip:192.0.2.1:5061;transport=tls"
        assert request.headers["Event"] == "check-sync;reboot=false"
        assert request.headers["Subscription-State"] == "terminated"
        assert request.user_agent == f"pbxcerts/{__version__}"
        assert request.content_length == 0

    def test_no_header_stands_twice(self):
        request = Message.parse(notify())
        assert all(len(request.headers.getlist(name)) == 1 for name in request.headers.keys())  # noqa: SIM118 - no mapping

    def test_a_secure_target_gets_a_secure_contact(self):
        """RFC 3261 section 8.1.1.8."""
        request = Message.parse(notify(target="sips:201@pbx.example.org"))
        assert str(request.contact[0].uri) == "sips:192.0.2.1:5061"


class TestReading:
    def test_it_finds_what_names_the_request(self):
        answered = read_response(OK)
        assert answered[:6] == (200, "OK", "z9hG4bKabc", "call", 1, "NOTIFY")

    @pytest.mark.parametrize(
        "octets",
        [
            OK.replace(b"Via:", b"v:").replace(b"Call-ID:", b"i:").replace(b"Content-Length", b"l"),
            OK.replace(b"Via:", b"VIA \t:").replace(b"CSeq:", b"cseq :"),
            OK.replace(b";branch", b"\r\n\t ;branch").replace(b"1 NOTIFY", b"1\r\n  NOTIFY"),
            OK.replace(b"Call-ID: call", b"Call-ID:\r\n\tcall\r\n "),
            OK.replace(b"branch=", b" Branch = "),
            b"\r\n\r\n" + OK,
            OK + b"what follows the body",
            OK.replace(b"Content-Length: 0\r\n", b""),
        ],
        ids=[
            *["compact", "space-before-colon", "folded", "folded-at-its-ends", "spaces", "empty-lines-first"],
            *["longer", "no-length"],
        ],
    )
    def test_it_takes_every_form_that_rfc_3261_allows(self, octets):
        assert read_response(octets)[:6] == (200, "OK", "z9hG4bKabc", "call", 1, "NOTIFY")

    @pytest.mark.parametrize(
        "octets",
        [
            OK.replace(b"\r\n", b"\n"),
            OK.replace(b"\r\n", b"\n", 4),
            OK.replace(b"tag=b\r\n", b"tag=b\n"),
            OK[:-4].replace(b"\r\n", b"\n") + b"\n\r\n",
            OK.replace(b"\r\n", b"\n").replace(b"Length: 0", b"Length: 4") + b"a\nb\n",
            OK.replace(b";branch", b"\r\n\t ;branch").replace(b"\r\n", b"\n"),
        ],
        ids=["all", "some", "one", "the last", "with a body", "folded"],
    )
    def test_it_takes_bare_line_feeds(self, octets):
        """Some telephones and templates end lines so, against RFC 3261 section 7."""
        assert read_response(octets)[:-1] == read_response(OK)[:-1]

    @pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
    def test_a_phrase_in_the_character_set_of_the_maker(self, charset):
        assert read_response(OK.replace(b"200 OK", "486 Gespräch".encode(charset))).phrase == "Gespräch"

    def test_a_phrase_is_kept_short_and_printable(self):
        phrase = read_response(OK.replace(b"OK", b"\x1b[31mred\x00" + b"x" * 1000)).phrase
        assert phrase.startswith("[31mred")
        assert len(phrase) <= LONGEST_PHRASE

    @pytest.mark.parametrize(
        ("octets", "fault"),
        [
            (b"", MessageFault.NOT_A_RESPONSE),
            (b"\x00\x01", MessageFault.NOT_A_RESPONSE),
            (notify(), MessageFault.NOT_A_RESPONSE),
            (b"HTTP/1.1 200 OK\r\n\r\n", MessageFault.NOT_A_RESPONSE),
            (OK[:-2], MessageFault.CUT),
            (OK[:60], MessageFault.CUT),
            (OK.replace(b"Length: 0", b"Length: 5") + b"four", MessageFault.CUT),
            (OK.replace(b"Length: 0", b"Length: five"), MessageFault.GARBLED),
            (OK.replace(b"200", b"2000"), MessageFault.GARBLED),
            (OK.replace(b"200", b"99"), MessageFault.GARBLED),
            (OK.replace(b"200", b"two"), MessageFault.GARBLED),
            (OK.replace(b"1 NOTIFY", b"NOTIFY"), MessageFault.GARBLED),
            (OK.replace(b"1 NOTIFY", b"9" * 5000 + b" NOTIFY"), MessageFault.GARBLED),
            (OK.replace(b"branch", b"twig"), MessageFault.GARBLED),
            (OK.replace(b"Via", b"Way"), MessageFault.GARBLED),
            (OK.replace(b"Call-ID", b"Call"), MessageFault.GARBLED),
            (OK.replace(b"Call-ID: call", b"Call-ID"), MessageFault.GARBLED),
            (OK.replace(b"From", b"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom"), MessageFault.GARBLED),
            (OK.replace(b"From", b"X: " + b"y" * LONGEST_HEAD + b"\r\nFrom"), MessageFault.TOO_LONG),
            (OK.replace(b"From", b"X: y\r\n" * 300 + b"From"), MessageFault.TOO_LONG),
            (b"SIP/2.0 200 " + b"x" * (LONGEST_HEAD + 1), MessageFault.TOO_LONG),
            (OK + b"x" * (LONGEST_HEAD + LONGEST_BODY), MessageFault.TOO_LONG),
        ],
        ids=[
            *["empty", "noise", "request", "http", "no-end", "half", "body-cut", "length-no-number", "status-2000"],
            *["status-99", "status-no-number", "no-sequence", "sequence-too-big", "no-branch", "no-via", "no-call"],
            *["no-colon", "two-vias", "long-header", "many-lines", "endless-line", "long-body"],
        ],
    )
    def test_what_is_no_answer_is_refused_for_its_reason(self, octets, fault):
        with pytest.raises(MalformedMessage) as refused:
            read_response(octets)
        assert refused.value.fault is fault


REQUEST = (
    b"NOTIFY sip:201@192.0.2.7 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pbx.example.org;branch=z9hG4bKb, SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKa\r\n"
    b"From: <sip:pbxcerts@pbx.example.org>;tag=a\r\n"
    b"To: <sip:201@pbx.example.org>\r\n"
    b"Call-ID: call\r\n"
    b"CSeq: 7 NOTIFY\r\n"
    b"Event: check-sync;reboot=false\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)


class TestReadingARequest:
    @pytest.mark.parametrize(
        "octets",
        [
            REQUEST,
            notify(),
            b"\r\n" + REQUEST,
            REQUEST.replace(b"NOTIFY", b"OPTIONS"),
            REQUEST.replace(b"Via", b"v").replace(b"From", b"f").replace(b"To:", b"t:").replace(b"Event", b"o"),
            REQUEST.replace(b"Call-ID", b"CALL-ID").replace(b"CSeq", b"cseq"),
            REQUEST.replace(b"From", b"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom"),
            REQUEST.replace(b"<sip:201@pbx", '"Müller" <sip:201@pbx'.encode()),
        ],
        ids=["as-most", "ours", "empty-line-first", "options", "compact", "capitals", "two-lines-of-vias", "name"],
    )
    def test_it_is_what_another_library_reads(self, octets):
        request, other = read_request(octets), Message.parse(octets.lstrip(b"\r\n"))

        assert request.method == other.method
        assert request.headers["via"].split("\n") == other.headers.getlist("Via")
        names = {"from", "to", "call-id", "cseq", "event"}
        assert {name: request.headers[name] for name in names} == {name: other.headers[name] for name in names}

    def test_a_value_goes_on_in_the_next_line(self):
        octets = REQUEST.replace(b";reboot", b"\r\n ;reboot")

        assert read_request(octets).headers["event"] == "check-sync ;reboot=false"

    @pytest.mark.parametrize(
        ("octets", "fault"),
        [
            (b"", MessageFault.CUT),
            (REQUEST[:-2], MessageFault.CUT),
            (OK, MessageFault.NOT_A_REQUEST),
            (REQUEST.replace(b" SIP/2.0\r\n", b" HTTP/1.1\r\n"), MessageFault.NOT_A_REQUEST),
            (REQUEST.replace(b"sip:201@192.0.2.7 ", b""), MessageFault.NOT_A_REQUEST),
            (REQUEST.replace(b"call", b"c\xe4ll"), MessageFault.GARBLED),
            (REQUEST.replace(b"call", b"c\nall"), MessageFault.GARBLED),
            (REQUEST.replace(b"call", b"c\rall"), MessageFault.GARBLED),
            (REQUEST.replace(b"Via", b"Way"), MessageFault.GARBLED),
            (REQUEST.replace(b"From", b"Frau"), MessageFault.GARBLED),
            (REQUEST.replace(b"CSeq", b"To: <sip:x>\r\nCSeq"), MessageFault.GARBLED),
            (REQUEST.replace(b"Call-ID: call", b"Call-ID"), MessageFault.GARBLED),
            (REQUEST.replace(b"From", b"X: y\r\n" * 300 + b"From"), MessageFault.TOO_LONG),
            (REQUEST.replace(b"From", b"X: " + b"y" * LONGEST_HEAD + b"\r\nFrom"), MessageFault.TOO_LONG),
        ],
        ids=[
            *["empty", "no-end", "response", "http", "no-uri", "no-utf-8", "line-feed", "carriage-return", "no-via"],
            *["no-from", "two-tos", "no-colon", "many-lines", "long-header"],
        ],
    )
    def test_what_is_no_request_is_refused_for_its_reason(self, octets, fault):
        with pytest.raises(MalformedMessage) as refused:
            read_request(octets)
        assert refused.value.fault is fault


class TestFraming:
    def test_messages_are_cut_out_of_a_stream_however_it_arrives(self):
        with_body = OK.replace(b"Length: 0", b"Length: 6") + b"\r\n\r\nab"
        stream = (
            OK + b"\r\n\r\n" + with_body + OK.replace(b"Content-Length: 0\r\n", b"") + OK.replace(b"ent-L", b"ent-l")
        )
        expected = list(MessageFraming().feed(stream))
        assert len(expected) == 4
        assert b"".join(expected) == stream.replace(b"\r\n\r\n\r\n\r\nSIP", b"\r\n\r\nSIP", 1)

        for size in (1, 3, 7, 100):
            framing = MessageFraming()
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            assert [message for piece in pieces for message in framing.feed(piece)] == expected

    @pytest.mark.parametrize("size", [1, 3, 7, 10_000])
    def test_responses_with_bare_line_feeds_are_cut_out_too(self, size):
        bare = OK.replace(b"\r\n", b"\n")
        with_body = bare.replace(b"Length: 0", b"Length: 5") + b"a\n\nb\n"
        expected = [OK, bare, with_body, bare, OK]
        stream = b"\r\n".join(expected)
        framing = MessageFraming(bare_line_feeds=True)
        pieces = [stream[begin : begin + size] for begin in range(0, len(stream), size)]

        assert [message for piece in pieces for message in framing.feed(piece)] == expected

    def test_a_message_that_begins_with_crlf_ends_with_it(self):
        """Else what a telephone writes into a header could begin a message of its own behind a server that passes it on."""
        message = OK.replace(b"Call-ID", b"X: y\n\nCall-ID")
        for framing in (MessageFraming(), MessageFraming(bare_line_feeds=True)):
            assert list(framing.feed(message)) == [message]

    def test_requests_are_not_cut_out_by_bare_line_feeds(self):
        assert list(MessageFraming().feed(REQUEST.replace(b"\r\n", b"\n"))) == []

    @pytest.mark.parametrize(
        "octets",
        [b"x" * (LONGEST_HEAD + 1), OK.replace(b"Length: 0", b"Length: 999999999")],
        ids=["endless-head", "endless-body"],
    )
    def test_a_stream_without_an_end_is_refused(self, octets):
        with pytest.raises(MalformedMessage) as refused:
            list(MessageFraming().feed(octets))
        assert refused.value.fault is MessageFault.TOO_LONG
