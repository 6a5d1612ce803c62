"""Connections without TLS, over real sockets in the event loop of the product."""

import asyncio
import contextlib
import socket
import struct
import sys
import threading

import pytest
import uvloop

from pbxcerts.processes import memory, startup
from pbxcerts.processes.listeners import arrival, places, plain_transport
from pbxcerts.processes.listeners.arrival import Door, cut_off
from pbxcerts.processes.listeners.client_buffers import RECEIVED, SENT
from pbxcerts.processes.listeners.places import Limits, Places, networks
from pbxcerts.processes.listeners.plain_transport import PlainTransport
from pbxcerts.processes.listeners.turns import Turns
from pbxcerts.system.network.endpoint import Endpoint

SEGMENTS_RECEIVED = 140
"""Where `tcpi_segs_in` is in `struct tcp_info` (linux/tcp.h), in octets; 32 bits."""
LARGE = b"x" * 5_000_000


class Noting(asyncio.Protocol):
    """Notes what it is told; `answers` is called with the transport and the data."""

    def __init__(self, answers=lambda _transport, _data: None):
        self.told = []
        self.over = asyncio.get_running_loop().create_future()
        self._answers = answers

    def connection_made(self, transport):
        self.told.append("made")
        self._transport = transport

    def data_received(self, data):
        self.told.append(data)
        self._answers(self._transport, data)

    def eof_received(self):
        self.told.append("end")

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")

    def connection_lost(self, exc):
        self.told.append("lost")
        self.over.set_result(exc)


@contextlib.contextmanager
def two_ends(said=b""):
    """A client that has said something, and the socket that is accepted for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        client.settimeout(10)
        client.connect(listening.getsockname())
        client.sendall(said)
        accepted, address = listening.accept()
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        try:
            yield client, accepted, address
        finally:
            accepted.close()


def transport_of(accepted, address, protocol):
    return PlainTransport(asyncio.get_running_loop(), accepted, address, protocol, high_water=16_384)


def in_the_loop(main):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def everything(client):
    came = b""
    while data := client.recv(1_000_000):
        came += data
    return came


def answer_and_close(transport, _data):
    transport.write(b"head ")
    transport.write(b"body")
    transport.close()


def test_what_came_before_the_client_was_accepted_is_answered_at_once():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(answer_and_close)
            transport_of(accepted, address, protocol).begin()
            assert protocol.told == ["made", b"hello"]

            await asyncio.sleep(0)
            assert protocol.told == ["made", b"hello", "lost"]
            assert await asyncio.to_thread(everything, client) == b"head body"

    in_the_loop(main)


def test_it_waits_for_no_client_that_says_nothing_though_its_socket_would():
    async def main():
        with two_ends() as (client, accepted, address):
            accepted.setblocking(True)
            protocol = Noting()
            later = threading.Timer(0.3, client.sendall, [b"hello"])
            later.start()
            transport_of(accepted, address, protocol).begin()
            assert protocol.told == ["made"]
            later.join()

    in_the_loop(main)


def test_it_waits_for_no_client_that_takes_nothing_though_its_socket_would():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            accepted.setblocking(True)
            protocol = Noting(lambda transport, _data: transport.write(LARGE))
            later = threading.Timer(0.3, client.close)
            later.start()
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            await asyncio.sleep(0)
            assert protocol.told == ["made", b"hello", "pause"]
            assert later.is_alive()
            transport.abort()
            await protocol.over
            later.join()

    in_the_loop(main)


def test_the_answers_of_one_round_go_together_at_its_end():
    async def main():
        with two_ends(b"hello") as one, two_ends(b"hello") as other:
            for _client, accepted, address in (one, other):
                transport_of(accepted, address, Noting(answer_and_close)).begin()
            for client, *_rest in (one, other):
                client.settimeout(0)
                with pytest.raises(BlockingIOError):
                    client.recv(100)

            await asyncio.sleep(0)
            for client, *_rest in (one, other):
                assert client.recv(100) == b"head body"

    in_the_loop(main)


def test_who_is_cut_off_before_his_answer_has_gone_is_sent_nothing_of_it():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(answer_and_close)
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            cut_off(transport)

            await asyncio.wait_for(protocol.over, 10)
            with pytest.raises(ConnectionResetError):
                everything(client)
            assert protocol.told == ["made", b"hello", "lost"]

    in_the_loop(main)


def test_who_has_reset_the_connection_before_his_answer_has_gone_is_lost_with_the_reason():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(answer_and_close)
            transport_of(accepted, address, protocol).begin()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

            assert isinstance(await asyncio.wait_for(protocol.over, 10), ConnectionResetError)
            assert protocol.told == ["made", b"hello", "lost"]

    in_the_loop(main)


def test_what_comes_later_is_read_when_it_comes():
    async def main():
        with two_ends() as (client, accepted, address):
            protocol = Noting(answer_and_close)
            transport_of(accepted, address, protocol).begin()
            assert protocol.told == ["made"]

            client.sendall(b"hello")
            assert await asyncio.wait_for(protocol.over, 10) is None
            assert protocol.told == ["made", b"hello", "lost"]
            assert await asyncio.to_thread(everything, client) == b"head body"

    in_the_loop(main)


def segments_received(answers):
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(answers)
            transport_of(accepted, address, protocol).begin()
            await asyncio.wait_for(protocol.over, 10)
            assert await asyncio.to_thread(everything, client) == b"head body"
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SEGMENTS_RECEIVED + 4)
            return struct.unpack_from("=I", info, SEGMENTS_RECEIVED)[0]

    return in_the_loop(main)


def test_an_answer_and_the_end_of_the_connection_come_in_one_segment():
    def answer_and_close_later(transport, _data):
        transport.write(b"head body")
        asyncio.get_running_loop().call_later(0.01, transport.close)

    assert segments_received(answer_and_close) == segments_received(answer_and_close_later) - 1


def test_an_answer_arrives_also_where_something_that_the_client_sent_is_left_unread():
    async def main():
        with two_ends(b"hello" + b"x" * 100_000) as (client, accepted, address):
            transport_of(accepted, address, Noting(answer_and_close)).begin()

            assert await asyncio.to_thread(client.recv, 100) == b"head body"

    in_the_loop(main)


def test_what_the_client_does_not_take_pauses_the_protocol_until_it_does():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(lambda transport, _data: transport.write(LARGE))
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            await asyncio.sleep(0)
            assert protocol.told == ["made", b"hello", "pause"]
            transport.write(b"more")
            left = transport.get_write_buffer_size()
            assert 0 < left < len(LARGE) + 4

            taking = asyncio.create_task(asyncio.to_thread(everything, client))
            async with asyncio.timeout(10):
                while protocol.told[-1] != "resume":
                    await asyncio.sleep(0.001)
            transport.close()
            assert await taking == LARGE + b"more"
            assert await asyncio.wait_for(protocol.over, 10) is None
            assert protocol.told == ["made", b"hello", "pause", "resume", "lost"]

    in_the_loop(main)


def test_while_reading_is_paused_nothing_is_read():
    async def main():
        with two_ends() as (client, accepted, address):
            protocol = Noting()
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            transport.pause_reading()
            client.sendall(b"hello")
            await asyncio.sleep(0.05)
            assert protocol.told == ["made"]
            assert not transport.is_reading()

            transport.resume_reading()
            await asyncio.sleep(0.05)
            assert protocol.told == ["made", b"hello"]
            transport.abort()
            await protocol.over

    in_the_loop(main)


def test_who_pauses_while_he_is_told_what_came_is_not_woken_for_more():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(lambda transport, _data: transport.pause_reading())
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            client.sendall(b"more")

            assert not asyncio.get_running_loop().remove_reader(accepted)
            transport.resume_reading()
            await asyncio.sleep(0.05)
            assert protocol.told == ["made", b"hello", b"more"]
            transport.abort()
            await protocol.over

    in_the_loop(main)


def test_the_end_that_a_client_says_ends_the_connection_after_what_was_written():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(lambda transport, _data: transport.write(LARGE))
            transport_of(accepted, address, protocol).begin()
            client.shutdown(socket.SHUT_WR)

            assert await asyncio.to_thread(everything, client) == LARGE
            await asyncio.wait_for(protocol.over, 10)
            assert protocol.told[-2:] == ["end", "lost"] or protocol.told[-3:] == ["end", "resume", "lost"]

    in_the_loop(main)


def test_a_client_that_resets_the_connection_ends_it():
    async def main():
        with two_ends() as (client, accepted, address):
            protocol = Noting()
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

            assert isinstance(await asyncio.wait_for(protocol.over, 10), ConnectionResetError)
            transport.write(b"too late")
            assert transport.octets_written == 0

    in_the_loop(main)


def test_a_protocol_that_fails_ends_its_own_connection_and_the_loop_is_told():
    async def main():
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, about: told.append(about["exception"]))

        def fail(transport, _data):
            transport.write(b"half of it")
            raise ArithmeticError

        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(fail)
            transport_of(accepted, address, protocol).begin()

            assert isinstance(await asyncio.wait_for(protocol.over, 10), ArithmeticError)
            assert await asyncio.to_thread(everything, client) == b""
        assert [type(one) for one in told] == [ArithmeticError]

    in_the_loop(main)


def test_a_kept_socket_is_open_until_it_is_let_go_and_the_client_sees_the_end_before():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            transport = transport_of(accepted, address, Noting(answer_and_close))
            kept = transport.keep()
            transport.begin()
            assert await asyncio.to_thread(everything, client) == b"head body"
            assert kept.fileno() != -1

            transport.let_go()
            assert kept.fileno() == -1

    in_the_loop(main)


def test_a_client_that_is_cut_off_is_reset_whatever_waits_for_it():
    async def main():
        with two_ends(b"hello") as (client, accepted, address):
            protocol = Noting(lambda transport, _data: transport.write(LARGE))
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            cut_off(transport)
            await asyncio.wait_for(protocol.over, 10)

            with pytest.raises(ConnectionResetError):
                everything(client)

    in_the_loop(main)


def test_also_who_came_before_the_door_was_open_is_sent_everything_at_once_and_the_kernel_keeps_little_of_him():
    async def main():
        with startup.listen(Endpoint("127.0.0.1", 0), open_to_all=False, at_once=True) as listening:
            came = asyncio.get_running_loop().create_future()
            protocol = Noting(lambda transport, _data: came.set_result(transport))
            places = Places(Limits(in_all=10, of_one=10), exempt=(), turns=Turns(0.01))
            door = Door(listening, places, lambda: protocol, context=lambda: None, a_round=1)
            with socket.create_connection(listening.getsockname()) as client:
                client.sendall(b"hello")
                door.open()
                transport = await asyncio.wait_for(came, 10)
                assert isinstance(transport, PlainTransport)
                accepted = transport.get_extra_info("socket")
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                # Linux says twice of what it was told (socket(7)).
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * RECEIVED
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SENT
                assert transport.get_extra_info("peername") == client.getsockname()
                transport.abort()
                await protocol.over
            door.close()

    in_the_loop(main)


def test_whoever_comes_is_let_in_at_once_where_somebody_has_had_his_time(monkeypatch):
    monkeypatch.setattr(places, "GRACE", 0)
    monkeypatch.setattr(arrival, "AGAIN_AFTER", 3600)

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            served = []

            def made():
                served.append(Noting(answer_and_close))
                return served[-1]

            kept = Places(Limits(in_all=1, of_one=1), exempt=networks(["127.0.0.0/8"]), turns=Turns(0.01))
            door = Door(listening, kept, made, context=lambda: None, a_round=1)
            door.open()
            with (
                socket.create_connection(listening.getsockname()),
                socket.create_connection(listening.getsockname(), timeout=10) as second,
            ):
                second.sendall(b"hello")
                assert await asyncio.to_thread(everything, second) == b"head body"
                await asyncio.wait_for(served[0].over, 10)
            door.close()

    in_the_loop(main)


@pytest.mark.parametrize("is_over", [False, True])
def test_the_socket_of_who_is_cut_off_stays_open_for_nobody(is_over):
    async def main():
        with two_ends(b"hello") as (_client, accepted, address):

            def answer(transport, _data):
                transport.keep()
                transport.write(b"head body")
                if is_over:
                    transport.close()

            protocol = Noting(answer)
            transport = transport_of(accepted, address, protocol)
            transport.begin()
            await asyncio.sleep(0)
            assert ("lost" in protocol.told) == is_over
            assert accepted.fileno() != -1

            cut_off(transport)
            await asyncio.wait_for(protocol.over, 10)

            assert accepted.fileno() == -1
            transport.let_go()

    in_the_loop(main)


def test_what_is_read_at_once_needs_no_pages_of_its_own():
    assert sys.getsizeof(bytes(plain_transport.RECEIVED_AT_ONCE)) < memory.LARGE
