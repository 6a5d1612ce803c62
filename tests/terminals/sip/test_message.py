import pytest
from sipmessage import Message

from terminals.sip.message import (
    LONGEST_BODY,
    LONGEST_HEAD,
    LONGEST_PHRASE,
    Fault,
    Framing,
    Malformed,
    Sender,
    read_answer,
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
        "sender": Sender("TLS", "192.0.2.1:5061", ";transport=tls"),
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
        assert request.user_agent == "pbxcerts"
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
        answered = read_answer(OK)
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
        assert read_answer(octets)[:6] == (200, "OK", "z9hG4bKabc", "call", 1, "NOTIFY")

    @pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
    def test_a_phrase_in_the_character_set_of_the_maker(self, charset):
        assert read_answer(OK.replace(b"200 OK", "486 Gespräch".encode(charset))).phrase == "Gespräch"

    def test_a_phrase_is_kept_short_and_printable(self):
        phrase = read_answer(OK.replace(b"OK", b"\x1b[31mred\x00" + b"x" * 1000)).phrase
        assert phrase.startswith("[31mred")
        assert len(phrase) <= LONGEST_PHRASE

    @pytest.mark.parametrize(
        ("octets", "fault"),
        [
            (b"", Fault.NOT_AN_ANSWER),
            (b"\x00\x01", Fault.NOT_AN_ANSWER),
            (notify(), Fault.NOT_AN_ANSWER),
            (b"HTTP/1.1 200 OK\r\n\r\n", Fault.NOT_AN_ANSWER),
            (OK[:-2], Fault.CUT),
            (OK[:60], Fault.CUT),
            (OK.replace(b"Length: 0", b"Length: 5") + b"four", Fault.CUT),
            (OK.replace(b"Length: 0", b"Length: five"), Fault.GARBLED),
            (OK.replace(b"200", b"2000"), Fault.GARBLED),
            (OK.replace(b"200", b"99"), Fault.GARBLED),
            (OK.replace(b"200", b"two"), Fault.GARBLED),
            (OK.replace(b"1 NOTIFY", b"NOTIFY"), Fault.GARBLED),
            (OK.replace(b"1 NOTIFY", b"9" * 5000 + b" NOTIFY"), Fault.GARBLED),
            (OK.replace(b"branch", b"twig"), Fault.GARBLED),
            (OK.replace(b"Via", b"Way"), Fault.GARBLED),
            (OK.replace(b"Call-ID", b"Call"), Fault.GARBLED),
            (OK.replace(b"Call-ID: call", b"Call-ID"), Fault.GARBLED),
            (OK.replace(b"From", b"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom"), Fault.GARBLED),
            (OK.replace(b"From", b"X: " + b"y" * LONGEST_HEAD + b"\r\nFrom"), Fault.TOO_LONG),
            (OK.replace(b"From", b"X: y\r\n" * 300 + b"From"), Fault.TOO_LONG),
            (b"SIP/2.0 200 " + b"x" * (LONGEST_HEAD + 1), Fault.TOO_LONG),
            (OK + b"x" * (LONGEST_HEAD + LONGEST_BODY), Fault.TOO_LONG),
        ],
        ids=[
            *["empty", "noise", "request", "http", "no-end", "half", "body-cut", "length-no-number", "status-2000"],
            *["status-99", "status-no-number", "no-sequence", "sequence-too-big", "no-branch", "no-via", "no-call"],
            *["no-colon", "two-vias", "long-header", "many-lines", "endless-line", "long-body"],
        ],
    )
    def test_what_is_no_answer_is_refused_for_its_reason(self, octets, fault):
        with pytest.raises(Malformed) as refused:
            read_answer(octets)
        assert refused.value.fault is fault


class TestFraming:
    def test_messages_are_cut_out_of_a_stream_however_it_arrives(self):
        with_body = OK.replace(b"Length: 0", b"Length: 6") + b"\r\n\r\nab"
        stream = (
            OK + b"\r\n\r\n" + with_body + OK.replace(b"Content-Length: 0\r\n", b"") + OK.replace(b"ent-L", b"ent-l")
        )
        expected = list(Framing().feed(stream))
        assert len(expected) == 4
        assert b"".join(expected) == stream.replace(b"\r\n\r\n\r\n\r\nSIP", b"\r\n\r\nSIP", 1)

        for size in (1, 3, 7, 100):
            framing = Framing()
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            assert [message for piece in pieces for message in framing.feed(piece)] == expected

    @pytest.mark.parametrize(
        "octets",
        [b"x" * (LONGEST_HEAD + 1), OK.replace(b"Length: 0", b"Length: 999999999")],
        ids=["endless-head", "endless-body"],
    )
    def test_a_stream_without_an_end_is_refused(self, octets):
        with pytest.raises(Malformed) as refused:
            list(Framing().feed(octets))
        assert refused.value.fault is Fault.TOO_LONG
