"""The registration over real TLS: which server it takes, what it hears there, how long it lasts and how it comes back."""

import asyncio
import contextlib
import logging
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from certificates.pki import formats
from certificates.pki.identity import Identity
from terminals.agent import register, registration, schedule
from terminals.agent.registration import Registration
from terminals.agent.service import Agent
from terminals.agent.store import TrustStore
from tests.support.est_server import a_pair_now
from tests.support.sip_registrar import WITHIN, Registrar, answer_to, challenge, is_right
from tests.terminals.agent.test_notify import request
from tests.terminals.agent.test_service import program, said

ADDRESS = "sip:120@pbx.test"


def table(server, *lines):
    place = f'server = "127.0.0.1:{server.port}"'
    return "\n".join(["[registration]", place, f'address = "{ADDRESS}"', 'password = "kettle"', *lines])


@pytest.fixture
def registrar(old):
    with Registrar(old) as registrar:
        yield registrar


@pytest.fixture
def soon(monkeypatch):
    # Constants of the product; nobody waits for minutes in a test.
    for place, name in [(schedule, "DRIFT"), (schedule, "FIRST_BACK_OFF"), (registration, "SOONEST_REFRESH")]:
        monkeypatch.setattr(place, name, 0.02)


class Beside:
    """A coroutine that runs while `during` works in a thread; it is cancelled in the end."""

    def during(self, work):
        async def run():
            self.loop = asyncio.get_running_loop()
            task = asyncio.ensure_future(self.run())
            try:
                return await asyncio.to_thread(work)
            finally:
                task.cancel()
                await asyncio.wait([task])

        return asyncio.run(run())


class Running(Beside):
    """The registration alone."""

    def __init__(self, agent, registrar, *lines):
        agent.write(registration=table(registrar, *lines))
        self.asked = []
        config = agent.load()
        self.registration = Registration(config.registration, TrustStore(config.store), self.asked.append)
        self.run = self.registration.run

    def try_now(self):
        self.loop.call_soon_threadsafe(self.registration.try_now)


class Whole(Beside):
    """The whole agent."""

    def __init__(self, agent, registrar):
        agent.write(registration=table(registrar))
        self.run = Agent(agent.load()).run


@pytest.fixture
def running(agent, registrar):
    return Running(agent, registrar)


def ports(heard):
    return [one.connection[1] for one in heard]


def expiries(registrar):
    return [one["Expires"] for one in registrar.registers]


class TestTrust:
    def test_it_registers_at_the_server_that_its_own_store_secures(self, running, registrar, caplog):
        caplog.set_level(logging.INFO)
        running.during(lambda: registrar.wait_for(lambda: "Registered as sip:120@pbx.test for 3600 s" in caplog.text))
        first = registrar.registers[0]
        assert first["Contact"] == f"<sip:120@127.0.0.1:{first.connection[1]};transport=tls>"

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"number": 9}, "unable to get local issuer certificate"),
            ({"identity": Identity(("pbx.test",), (ip_address("192.0.2.1"),))}, "IP address mismatch"),
            ({"end": datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)}, "has ended"),
            ({"not_before": datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)}, "is not valid yet"),
        ],
    )
    def test_it_says_nothing_to_another_one(self, agent, registrar, caplog, soon, changed, reason):
        pair = a_pair_now(**{"number": 7} | changed)
        registrar.present(pair)
        if "number" not in changed:
            agent.trusts(pair)
        running = Running(agent, registrar)
        running.during(
            lambda: registrar.wait_for(lambda: re.search(f"Not registered: .* not trusted: .*{reason}", caplog.text))
        )
        assert registrar.registers == []

    def test_it_waits_for_the_first_trust(self, agent, running, registrar, old, caplog, monkeypatch):
        monkeypatch.setattr(schedule, "DRIFT", 3600)
        agent.store.unlink()

        def work():
            registrar.wait_for(lambda: "nothing is trusted yet" in caplog.text)
            assert not registrar.registers
            agent.trusts(old)
            running.try_now()
            registrar.wait_for(lambda: registrar.registers)

        running.during(work)


class TestPassword:
    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    def test_a_challenge_is_answered(self, running, registrar, algorithm):
        registrar.answers = [lambda asked: answer_to(asked, "401 Unauthorized", challenge(algorithm))]
        running.during(lambda: registrar.wait_for(lambda: len(registrar.registers) == 2))
        assert is_right(registrar.registers[1]["Authorization"], password="kettle")
        assert len(set(ports(registrar.registers))) == 1

    def test_a_refusal_is_said_and_tried_again_later(self, running, registrar, caplog):
        registrar.answers = [lambda asked: answer_to(asked, "403 Forbidden")]
        said = re.compile(r"Not registered: the server answered 403 Forbidden. Next attempt in \d+ s")
        running.during(lambda: registrar.wait_for(lambda: said.search(caplog.text)))
        assert "kettle" not in caplog.text


class TestRequests:
    """What comes over the connection is answered over it, as on a socket."""

    def heard(self, running, registrar, octets, count):
        def work():
            registrar.wait_for(lambda: registrar.open and registrar.registers)
            registrar.send(octets)
            registrar.wait_for(lambda: len(registrar.replies) >= count)

        running.during(work)
        assert set(ports(registrar.replies)) == set(ports(registrar.registers))
        return [reply.message.code for reply in registrar.replies]

    def test_check_sync_asks_for_a_round(self, running, registrar):
        assert self.heard(running, registrar, request(via="SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKx"), 1) == [200]
        assert running.asked == [f"127.0.0.1:{registrar.port}"]

    def test_everything_else_asks_for_nothing(self, running, registrar):
        octets = [request(event="check-sync;reboot=true"), request("INVITE"), request("ACK"), request("OPTIONS")]
        assert self.heard(running, registrar, b"".join(octets), 3) == [489, 405, 200]
        assert running.asked == []

    def test_garbage_between_messages_keeps_nobody_from_being_heard(self, running, registrar):
        garbage = [
            b"\r\n\r\n",
            b"x\r\n\r\n",
            b"SIP/2.0 200 OK\r\n\r\n",
            b"SIP/2.0 200 OK\r\nCall-ID: strange\r\nCSeq: 1 REGISTER\r\nVia: SIP/2.0/TLS a;branch=z9hG4bKa\r\n\r\n",
            b"SIP/2.0 999999 \xff\r\nVia: ;;\r\nCSeq: x\r\nCall-ID\r\n\r\n",
            request(via=None),
        ]
        assert self.heard(running, registrar, b"".join(garbage) + request(), 1) == [200]

    @pytest.mark.parametrize(
        "octets",
        [b"x" * 20_000, request(Content_Length="999999999"), request(X="x" * 20_000)],
        ids=["too long", "endless body", "endless head"],
    )
    def test_a_stream_that_cannot_be_understood_any_more_is_ended(self, running, registrar, octets, soon):
        def work():
            registrar.wait_for(lambda: registrar.open and registrar.registers)
            registrar.send(octets)
            registrar.wait_for(lambda: len(registrar.registers) == 2)

        running.during(work)
        assert len(set(ports(registrar.registers))) == 2
        assert running.asked == []

    def test_a_server_that_reads_no_answers_is_left(self, running, registrar, caplog):
        def work():
            registrar.wait_for(lambda: registrar.open and registrar.registers)
            registrar.deaf = True
            with contextlib.suppress(OSError, ValueError):
                for _ in range(400):
                    registrar.send(request() * 100)
            registrar.wait_for(lambda: "does not read the answers" in caplog.text)

        running.during(work)

    def test_over_a_connection_that_is_broken_nothing_more_is_answered(self):
        async def asked_twice():
            flow, transport = registration.Flow("pbx.test", lambda _server: None), BreaksAtTheFirst()
            flow.connection_made(transport)
            flow.data_received(request() * 2)
            return transport.answers

        assert asyncio.run(asked_twice()) == 1


class BreaksAtTheFirst:
    """A transport whose connection breaks when the first answer is written; asyncio tells of that in the next round only."""

    answers = 0

    def get_extra_info(self, name):
        return {"peername": ("127.0.0.1", 5061), "sockname": ("127.0.0.1", 40_000)}[name]

    def write(self, _octets):
        self.answers += 1

    def is_closing(self):
        return self.answers > 0

    def get_write_buffer_size(self):
        return 0


class TestAnswers:
    def test_those_to_other_requests_and_those_that_are_cut_do_not_count(self, running, registrar, caplog):
        caplog.set_level(logging.INFO)

        def confuse(asked):
            whole = registrar.granted(asked)
            foreign = whole.replace(b"Call-ID: ", b"Call-ID: x").replace(b"200 OK", b"403 No")
            cut = whole.replace(b"CSeq", b"Seq").replace(b"200 OK", b"403 No")
            trying = whole.replace(b"200 OK", b"100 Trying")
            return foreign + cut + trying + whole + whole.replace(b"200 OK", b"403 No")

        registrar.answers = [confuse]
        running.during(lambda: registrar.wait_for(lambda: "Registered as" in caplog.text))
        assert "Not registered" not in caplog.text

    def test_without_one_the_connection_is_given_up(self, running, registrar, caplog, soon, monkeypatch):
        monkeypatch.setattr(registration, "TIMER_F", 0.1)
        registrar.answers = [lambda asked: b""]
        running.during(lambda: registrar.wait_for(lambda: len(registrar.registers) >= 2))
        assert "did not answer within" in caplog.text
        assert registrar.registers[1].connection[0] == 2

    def test_a_server_that_keeps_nothing_is_left(self, running, registrar, caplog):
        registrar.expires = 0
        running.during(lambda: registrar.wait_for(lambda: "the server keeps no registration" in caplog.text))


class TestHowLongItLasts:
    def test_it_is_refreshed_over_the_same_connection_after_half_its_time(self, running, registrar, soon):
        registrar.expires = 1
        began = time.monotonic()
        running.during(lambda: registrar.wait_for(lambda: len(registrar.registers) == 3))
        assert time.monotonic() - began > 0.9
        assert {one.connection[0] for one in registrar.registers} == {1}
        assert [one["CSeq"] for one in registrar.registers[:3]] == ["1 REGISTER", "2 REGISTER", "3 REGISTER"]

    def test_it_is_taken_back_at_the_end(self, running, registrar):
        running.during(lambda: registrar.wait_for(lambda: registrar.registers))
        registrar.wait_for(lambda: not registrar.open)
        assert expiries(registrar) == ["3600", "0"]
        assert registrar.registers[0]["Contact"] == registrar.registers[1]["Contact"]

    def test_a_server_that_does_not_answer_the_farewell_holds_nothing_up(self, running, registrar, monkeypatch):
        monkeypatch.setattr(registration, "LEAVE_WITHIN", 0.1)
        registrar.answers = [registrar.granted, lambda asked: b""]
        running.during(lambda: registrar.wait_for(lambda: registrar.registers))
        assert expiries(registrar) == ["3600", "0"]


class TestKeepAlive:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch, soon):
        # Constants of the product; nobody waits for minutes in a test.
        monkeypatch.setattr(register, "KEEP_ALIVE", 0.05)
        monkeypatch.setattr(register, "LEAST_KEEP_ALIVE", 0.05)
        monkeypatch.setattr(registration, "PONG_WITHIN", 0.2)

    def test_it_is_sent_over_the_connection_again_and_again(self, running, registrar):
        running.during(lambda: registrar.wait_for(lambda: len(registrar.pings) >= 5))
        assert registrar.connections == len(registrar.registers) - 1 == 1

    def test_a_server_that_stops_answering_it_is_lost(self, running, registrar, caplog):
        def work():
            registrar.wait_for(lambda: len(registrar.pings) >= 2)
            registrar.pongs = False
            registrar.wait_for(lambda: registrar.connections == 2)

        running.during(work)
        assert "does not answer keep-alives any more" in caplog.text

    def test_a_server_that_never_answers_it_is_not_held_to_it(self, running, registrar):
        registrar.pongs = False
        running.during(lambda: registrar.wait_for(lambda: len(registrar.pings) >= 4))
        assert registrar.connections == 1


class TestComingBack:
    def test_a_connection_that_broke_is_made_anew_and_takes_the_place_of_the_old_one(
        self, running, registrar, caplog, soon
    ):
        caplog.set_level(logging.INFO)

        def work():
            registrar.wait_for(lambda: "Registered as" in caplog.text)
            registrar.cut()
            registrar.wait_for(lambda: len(registrar.registers) == 2)

        running.during(work)
        before, after = registrar.registers[:2]
        assert before["Contact"] != after["Contact"]
        assert after["Contact"].endswith(f", {before['Contact']};expires=0")

    def test_a_server_that_is_away_is_found_when_it_is_back(self, agent, old, caplog, soon):
        with Registrar(old) as gone:
            running = Running(agent, gone)

        def work():
            gone.wait_for(lambda: caplog.text.count("cannot be reached") >= 3)
            with Registrar(old, port=gone.port) as back:
                back.wait_for(lambda: back.registers)

        running.during(work)

    def test_the_first_attempt_comes_soon_and_then_ever_later(self):
        waits = [schedule.until_registering(failures, chance) for failures in range(9) for chance in (0.0, 1.0)]
        assert waits[:2] == [0, 10]
        assert waits[2:6] == [30, 60, 60, 120]
        assert waits[-2:] == [900, 1800]


class TestExchange:
    """The whole agent: a NOTIFY over the connection, the exchange, the server's switch."""

    def test_the_connection_stays_and_only_a_new_one_needs_the_new_root(
        self, agent, server, proof, registrar, old, new, caplog, soon, monkeypatch
    ):
        monkeypatch.setattr(schedule, "BETWEEN_ASKED", 0)
        caplog.set_level(logging.INFO)

        def rounds(count):
            return lambda: server.paths().count("/report") == proof.paths().count("/proof") == count

        def work():
            registrar.wait_for(lambda: registrar.open and registrar.registers and rounds(1)())
            server.bundle = [new, old]
            proof.present(new)
            registrar.send(request())
            registrar.wait_for(rounds(2))
            assert agent.holds().count("BEGIN CERTIFICATE") == 2

            for one in (registrar, server):
                one.present(new)
            server.bundle = [new]
            registrar.send(request())
            registrar.wait_for(rounds(3))
            registrar.send(request("OPTIONS"))
            registrar.wait_for(lambda: len(registrar.replies) == 3)
            assert len(set(ports(registrar.registers + registrar.replies))) == registrar.connections == 1

            registrar.cut()
            registrar.wait_for(lambda: len(registrar.registers) == 2)
            assert registrar.connections == 2

        Whole(agent, registrar).during(work)
        assert agent.holds().count("BEGIN CERTIFICATE") == 1
        assert f"127.0.0.1:{registrar.port} asks for a round" in caplog.text
        assert "Not registered: 127" in caplog.text, "it was cut"
        assert "is not trusted" not in caplog.text

    def test_without_the_exchange_the_new_certificate_is_refused(self, agent, registrar, new, caplog, soon):
        running = Running(agent, registrar)

        def work():
            registrar.wait_for(lambda: registrar.registers and registrar.open)
            registrar.present(new)
            registrar.cut()
            registrar.wait_for(lambda: caplog.text.count("is not trusted: unable") >= 2)
            agent.store.write_bytes(formats.pem(new.root))
            running.try_now()
            registrar.wait_for(lambda: len(registrar.registers) == 2)

        running.during(work)

    def test_the_change_of_the_store_ends_the_wait_for_the_next_attempt(
        self, agent, server, proof, registrar, new, old, monkeypatch
    ):
        monkeypatch.setattr(schedule, "DRIFT", 3600)
        server.bundle = [new, old]
        registrar.present(new)
        Whole(agent, registrar).during(lambda: registrar.wait_for(lambda: registrar.registers))


@pytest.mark.process
class TestProgram:
    def test_a_flood_of_notifies_costs_one_round_now_and_one_later_and_it_ends_when_told(
        self, agent, server, registrar
    ):
        agent.write(registration=table(registrar))
        with program(agent, "run", str(agent.path)) as process:
            said(process, "Registered as")
            registrar.wait_for(lambda: server.paths().count("/report") == 1)
            registrar.send(request() * 500)
            registrar.wait_for(lambda: len(registrar.replies) == 500)
            registrar.wait_for(lambda: server.paths().count("/report") == 2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN) == 0
        assert server.paths().count("/report") == 2
        assert expiries(registrar) == ["3600", "0"]

    def test_a_password_that_others_may_read_is_said(self, agent, registrar):
        (agent.directory / "password").write_text("kettle")
        agent.write(registration=table(registrar).replace('password = "kettle"', 'password_file = "password"'))
        with program(agent, "run", str(agent.path)) as process:
            said(process, "holds the password and can be read by others: give it mode 0600")
            assert process.wait(WITHIN) == 2
