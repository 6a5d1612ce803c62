"""How the agent answers SIP: over real sockets, and octet by octet."""

import asyncio
import contextlib
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage import Message

from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent import notify
from terminals.agent.config import SipConfig
from terminals.agent.errors import AgentConfigError
from terminals.agent.notify import NotifyListener, UserAgentServer
from terminals.sip.message import read_response
from terminals.sip.notify import Hop, Notify, Transport, send_notifies
from terminals.sip.reactions import reaction_to

SERVERS = (ipaddress.ip_network("127.0.0.0/24"), ipaddress.ip_network("2001:db8::/64"))
HERE = SipConfig(Endpoint("127.0.0.1", 0), SERVERS)
EVENT = "check-sync;reboot=false"


def request(method="NOTIFY", event=EVENT, *, via="SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKx;rport", **changed):
    lines = {
        "Via": via,
        "Max-Forwards": "70",
        "From": "<sip:pbx.example.com>;tag=1",
        "To": "<sip:201@127.0.0.1>",
        "Call-ID": "abc@pbx",
        "CSeq": f"7 {method}",
        "Event": event,
        "Content-Length": "0",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    head = [f"{method} sip:201@127.0.0.1 SIP/2.0", *(f"{n}: {v}" for n, v in lines.items() if v is not None)]
    return "\r\n".join([*head, "", ""]).encode()


def reply(octets, source="127.0.0.1", port=5090):
    return UserAgentServer(SERVERS).reply(octets, source, port)


def status(octets, source="127.0.0.1"):
    given = reply(octets, source)
    return given and read_response(given.octets).status


@pytest.mark.parametrize("event", [EVENT, "check-sync", "Check-Sync ; Reboot=false", "check-sync;id=4"])
def test_check_sync_is_heard_and_asks_for_a_round(event):
    given = reply(request(event=event))
    assert read_response(given.octets).status == 200
    assert given.asked


@pytest.mark.parametrize("event", ["check-sync;reboot=true", "talk", "presence", "resync", "", "check-sync-now", None])
def test_other_events_are_bad_ones(event):
    given = reply(request(event=event))
    assert (read_response(given.octets).status, given.asked) == (489, False)
    assert b"Allow-Events: check-sync\r\n" in given.octets


@pytest.mark.parametrize("source", ["127.0.1.1", "192.0.2.1", "2001:db9::1"])
def test_others_than_the_configured_servers_are_forbidden(source):
    given = reply(request(), source)
    assert (read_response(given.octets).status, given.asked) == (403, False)


def test_a_server_in_a_configured_network_is_heard():
    assert status(request(), "2001:db8::77") == 200


@pytest.mark.parametrize(("method", "expected"), [("OPTIONS", 200), ("INVITE", 405), ("REGISTER", 405), ("ACK", None)])
def test_other_methods_ask_for_nothing(method, expected):
    assert status(request(method)) == expected
    given = reply(request(method))
    assert given is None or not given.asked


def test_the_answer_repeats_what_identifies_the_request():
    given = Message.parse(reply(request(), port=40_000).octets)
    assert given.headers["Via"] == "SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKx;rport=40000;received=127.0.0.1"
    assert given.headers["From"] == "<sip:pbx.example.com>;tag=1"
    assert given.headers["To"].startswith("<sip:201@127.0.0.1>;tag=")
    assert (given.headers["Call-ID"], given.headers["CSeq"]) == ("abc@pbx", "7 NOTIFY")


def test_a_repeated_request_gets_the_same_answer():
    assert reply(request()).octets == reply(request()).octets


def test_a_tag_that_is_there_stays():
    given = Message.parse(reply(request(To="<sip:201@127.0.0.1>;tag=mine")).octets)
    assert given.headers["To"] == "<sip:201@127.0.0.1>;tag=mine"


def test_without_rport_the_answer_goes_where_the_via_says():
    assert reply(request(via="SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKx"), port=40_000).port == 5090
    assert reply(request(via="SIP/2.0/UDP pbx;branch=z9hG4bKx"), port=40_000).port == 5060
    assert reply(request(), port=40_000).port == 40_000


def test_all_vias_are_repeated_and_the_first_one_alone_is_changed():
    first, second = "SIP/2.0/UDP a:1;branch=z9hG4bKa;rport", "SIP/2.0/TLS b;branch=z9hG4bKb;rport"
    for octets in (
        request(via=f"{first}, {second}"),
        request(via=f"{first}\r\nVia: {second}"),
    ):
        vias = Message.parse(reply(octets, port=9).octets).headers.getlist("Via")
        assert ", ".join(vias) == f"{first}=9;received=127.0.0.1, {second}"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 100,
        b"jaK",
        b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
        request()[:-2],
        request()[:60],
        request(via=None),
        request(via="SIP/2.0/UDP"),
        request(From=None),
        request(Call_ID=None),
        request().replace(b"NOTIFY sip:201@127.0.0.1 SIP/2.0", b"NOTIFY SIP/2.0"),
        request(X="x" * 20_000),
        request(X="\r\n".join(f"{number}: x" for number in range(300))),
        request(via="SIP/2.0/UDP " + ";a" * 8000 + '"'),
    ],
    ids=str,
)
def test_what_is_no_request_is_ignored(octets):
    assert reply(octets) is None


@given(st.binary(max_size=600))
def test_any_octets_are_answered_or_ignored(octets):
    assert reply(octets) is None or octets


@given(st.data())
def test_a_damaged_request_never_makes_a_damaged_answer(data):
    octets = bytearray(request())
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    given = reply(bytes(octets))
    if given is not None:
        assert given.octets.startswith(b"SIP/2.0 ")
        assert given.octets.count(b"\r\n\r\n") == 1
        assert given.octets.endswith(b"\r\nContent-Length: 0\r\n\r\n")


def listening(work, sip=HERE):
    """Run `work(listener, asked)` beside an open listener; returns what it returns."""

    async def run():
        asked = []
        listener = NotifyListener(sip, asked.append)
        await listener.open()
        try:
            async with asyncio.timeout(20):
                return await work(listener, asked)
        finally:
            listener.close()
            await asyncio.sleep(0)

    return asyncio.run(run())


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize(("event", "expected"), [(EVENT, 200), ("presence", 489)])
def test_the_products_own_client_gets_its_answer(transport, event, expected):
    async def work(listener, asked):
        one = Notify(
            key=1,
            target="sip:201@127.0.0.1",
            event=event,
            next_hop=Hop("127.0.0.1", listener.port, transport),
            from_uri="sip:pbx.example.com",
        )
        outcomes = [outcome async for outcome in send_notifies([one])]
        return outcomes, asked

    outcomes, asked = listening(work)
    assert [outcome.status for outcome in outcomes] == [expected]
    assert asked == (["127.0.0.1"] if expected == 200 else [])


async def connected(listener):
    return await asyncio.open_connection("127.0.0.1", listener.port)


def test_over_tcp_requests_come_in_pieces_and_several_at_once():
    async def work(listener, asked):
        reader, writer = await connected(listener)
        octets = request() + b"\r\n\r\n" + request(event="presence") + request()
        writer.write(octets[:100])
        await asyncio.sleep(0.01)
        writer.write(octets[100:])
        answers = [await reader.readuntil(b"\r\n\r\n") for _ in range(3)]
        writer.close()
        await writer.wait_closed()
        return [answer[8:11] for answer in answers], asked

    assert listening(work) == ([b"200", b"489", b"200"], ["127.0.0.1"] * 2)


@pytest.mark.parametrize(
    ("octets", "sip", "answered"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", HERE, b""),
        (b"x" * 20_000, HERE, b""),
        (request(Content_Length="999999999"), HERE, b""),
        (request(), SipConfig(Endpoint("127.0.0.1", 0), (ipaddress.ip_network("192.0.2.1/32"),)), b"SIP/2.0 403 "),
    ],
    ids=["http", "too long", "endless body", "a stranger"],
)
def test_over_tcp_a_connection_with_nothing_to_say_is_ended(octets, sip, answered):
    async def work(listener, asked):
        reader, writer = await connected(listener)
        writer.write(octets)
        got = b""
        with contextlib.suppress(ConnectionError):
            got = await reader.read()
        writer.transport.abort()
        return got, asked

    got, asked = listening(work, sip)
    assert got.startswith(answered)
    assert bool(got) == bool(answered)
    assert asked == []


def test_more_tcp_connections_than_a_server_has_are_not_kept():
    async def work(listener, asked):
        kept = [await connected(listener) for _ in range(notify.MOST_CONNECTIONS)]
        reader, writer = await connected(listener)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        first_reader, first_writer = kept[0]
        first_writer.write(request())
        assert await first_reader.readexactly(12) == b"SIP/2.0 200 "
        for _, one in [*kept, (reader, writer)]:
            one.transport.abort()
        await asyncio.sleep(0.01)
        return len(listener.streams)

    assert listening(work) == 0


def test_garbage_in_datagrams_keeps_nobody_from_being_heard():
    async def work(listener, asked):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.bind(("127.0.0.1", 0))
            for number in range(200):
                await loop.sock_sendto(sender, bytes([number]) * (number + 1), ("127.0.0.1", listener.port))
            await loop.sock_sendto(sender, request(), ("127.0.0.1", listener.port))
            return await loop.sock_recv(sender, 4096), asked

    answer, asked = listening(work)
    assert read_response(answer).status == 200
    assert asked == ["127.0.0.1"]


def test_an_address_that_is_taken_is_said():
    async def work(listener, asked):
        second = NotifyListener(SipConfig(Endpoint("127.0.0.1", listener.port), SERVERS), asked.append)
        with pytest.raises(AgentConfigError, match=r"sip\.listen cannot be used"):
            await second.open()

    listening(work)


def test_what_it_answers_means_the_right_thing_to_the_rollout():
    assert reaction_to(200).value == "heard"
    assert reaction_to(489).value == "not_supported"
    assert reaction_to(403).value == "refused"
