"""The agent as a program: its rounds, what asks for them, and how it ends."""

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib

import pytest

from certificates.pki import formats
from terminals.agent import schedule, service
from terminals.agent.errors import ServerUnreached
from terminals.agent.round import RoundDone
from terminals.agent.service import Agent
from tests.support.est_server import EstServer
from tests.support.product import ROOT
from tests.terminals.agent.test_notify import request

SIP = '[sip]\nlisten = "127.0.0.1:0"\nservers = ["127.0.0.1"]'
WITHIN = 20


@contextlib.contextmanager
def program(agent, *arguments):
    """The agent as a process of its own, ended after a while whatever it waits for."""
    with subprocess.Popen(
        [*agent.command, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(2 * WITHIN, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            watchdog.join()
            process.kill()


def said(process, pattern):
    """Read the log until a line matches."""
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found
    return pytest.fail(f"{pattern!r} was not logged")


def once(agent):
    done = subprocess.run(
        [*agent.command, "once", str(agent.path)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr


def ask(port, times=1):
    """Send NOTIFYs, each of which is heard."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(WITHIN)
        for _ in range(times):
            sender.sendto(request(), ("127.0.0.1", port))
            assert sender.recv(4096).startswith(b"SIP/2.0 200 ")


@pytest.mark.process
def test_it_is_installed_as_a_command_and_needs_no_django():
    command = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["pbxcerts-agent"]
    module, _, function = command.partition(":")
    code = f"import sys, {module}; assert callable({module}.{function}); assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.process
class TestOnce:
    def test_done(self, agent, server, old, new):
        server.bundle = [old, new]
        code, log = once(agent)
        assert code == 0, log
        assert "2 roots reported and proved" in log
        assert "nothing has changed" in once(agent)[1]

    def test_unreached(self, agent):
        with EstServer(None) as gone:
            port = gone.port
        agent.write(server=f'server = "https://127.0.0.1:{port}"')
        assert once(agent)[0] == 1

    def test_wrong_configuration(self, agent):
        agent.write(token='token = "x"')
        code, log = once(agent)
        assert code == 2
        assert "Traceback" not in log

    def test_wrong_use(self, agent):
        assert subprocess.run([*agent.command, "twice"], capture_output=True, timeout=60, check=False).returncode == 2

    def test_refused(self, agent, server, strange):
        server.present(strange)
        code, log = once(agent)
        assert code == 3
        assert "is not trusted" in log
        assert "Traceback" not in log

    def test_the_token_is_not_in_the_log(self, agent, server):
        assert server.token not in once(agent)[1]


@pytest.mark.process
class TestAccept:
    def accept(self, agent, fingerprint):
        command = [*agent.command, "accept", str(agent.path), fingerprint]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    def test_a_person_makes_it_go_back_to_an_older_root(self, agent, server, old, new):
        agent.trusts(old, new)
        agent.remembers(12, new)
        server.bundle = [new, old]
        code, log = once(agent)
        assert code == 3
        fingerprint = re.search("accept CONFIG ([0-9a-f]{64})", log)[1]
        code, log = self.accept(agent, fingerprint)
        assert code == 0, log
        assert "2 roots reported and proved" in log
        assert once(agent)[0] == 0

    def test_what_is_no_fingerprint_is_wrong_use(self, agent):
        code, log = self.accept(agent, "AB:CD")
        assert code == 2
        assert "Traceback" not in log


@pytest.mark.process
class TestRun:
    def test_it_exchanges_at_once_when_asked_by_notify_and_ends_when_told(self, agent, server, proof, old, new):
        agent.write(sip=SIP)
        with program(agent, "run", str(agent.path)) as process:
            port = int(said(process, r"heard on port (\d+)")[1])
            said(process, "1 roots reported and proved")
            server.bundle = [new, old]
            proof.present(new)
            ask(port, times=500)
            said(process, "2 roots reported and proved")
            # 500 of them cost one round now and one later.
            assert server.paths().count("/report") == 2
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN) == 0
        assert formats.pem(new.root).decode() in agent.holds()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_ends_at_once_in_the_middle_of_a_round_and_keeps_what_it_holds(self, agent, server, number):
        before = agent.holds()
        asked, release = threading.Event(), threading.Event()

        def wait(_):
            asked.set()
            release.wait(WITHIN)
            return 200, {}, b""

        server.answers["/.well-known/est/cacerts"] = wait
        with program(agent, "run", str(agent.path)) as process:
            try:
                assert asked.wait(WITHIN)
                process.send_signal(number)
                assert process.wait(WITHIN) == 0
                assert not release.is_set()
            finally:
                release.set()
        assert agent.holds() == before

    def test_it_outlives_a_server_that_is_away(self, agent, server, proof, old):
        with EstServer(old) as first:
            port = first.port
        agent.write(server=f'server = "https://127.0.0.1:{port}"', sip=SIP)
        with program(agent, "run", str(agent.path)) as process:
            sip = int(said(process, r"heard on port (\d+)")[1])
            said(process, r"cannot be reached.*Next attempt in \d+ s")
            with EstServer(old, [old], port=port):
                ask(sip)
                said(process, "1 roots reported and proved")
            process.terminate()
            assert process.wait(WITHIN) == 0

    def test_a_port_that_is_taken_ends_it_with_a_sentence(self, agent):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            agent.write(sip=SIP.replace(":0", f":{port}"))
            with program(agent, "run", str(agent.path)) as process:
                said(process, r"sip\.listen cannot be used")
                assert process.wait(WITHIN) == 2


class Rounds:
    """Rounds that go as a test says: an error to raise, or a round that went well."""

    def __init__(self, *goes):
        self.goes = list(goes)
        self.count = 0

    async def round(self):
        self.count += 1
        going = self.goes.pop(0) if self.goes else None
        if going is not None:
            raise going
        return RoundDone(changed=False, trusted=frozenset({"a"}))


class Quick:
    """Waits that pass at once: what the agent waited for is `waits`."""

    def __init__(self, agent, rounds, *, stop_after):
        self.waits = []
        self.agent = agent
        agent._exchange = rounds

        async def is_asked_within(seconds):
            self.waits.append(seconds)
            if len(self.waits) >= stop_after:
                raise asyncio.CancelledError

        agent._is_asked_within = is_asked_within

    def run(self):
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self.agent.run())
        return self.waits


@pytest.fixture
def without_gap(monkeypatch):
    # A constant of the product; nobody waits ten seconds in a test.
    monkeypatch.setattr(schedule, "BETWEEN_ASKED", 0)


def waits(agent, *goes, stop_after):
    return Quick(Agent(agent.load()), Rounds(*goes), stop_after=stop_after).run()


def test_it_asks_every_hour(agent, without_gap):
    assert all(3599 < wait < 3961 for wait in waits(agent, stop_after=3))


def test_it_waits_longer_after_each_failure_and_an_hour_after_a_success(agent, without_gap):
    first, second, third, fourth = waits(agent, *[ServerUnreached("away")] * 3, stop_after=4)
    assert 14 < first <= 30
    assert 29 < second <= 60
    assert 59 < third <= 120
    assert fourth > 3599


def test_an_error_that_nobody_thought_of_does_not_end_it(agent, without_gap, caplog):
    first, second = waits(agent, RuntimeError("odd"), stop_after=2)
    assert first <= 30
    assert second > 3599
    assert "odd" in caplog.text


def test_a_notify_in_the_middle_of_a_round_asks_for_another_one(agent, without_gap):
    running = Agent(agent.load())
    rounds = Rounds()

    async def asked_meanwhile():
        result = await Rounds.round(rounds)
        if rounds.count < 3:
            running._ask("127.0.0.1")
        else:
            raise asyncio.CancelledError
        return result

    running._exchange = type("Exchange", (), {"round": staticmethod(asked_meanwhile)})
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(running.run(), WITHIN))
    assert rounds.count == 3


def test_between_two_rounds_that_are_asked_for_there_are_ten_seconds(agent, monkeypatch):
    assert schedule.BETWEEN_ASKED == 10
    monkeypatch.setattr(schedule, "BETWEEN_ASKED", 0.2)
    running = Agent(agent.load())
    running._exchange = rounds = Rounds()

    async def flood():
        task = asyncio.ensure_future(running.run())
        for _ in range(100):
            running._ask("127.0.0.1")
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])

    began = time.monotonic()
    asyncio.run(flood())
    assert 2 <= rounds.count <= (time.monotonic() - began) / 0.2 + 2


def test_the_note_where_an_error_happened_is_said():
    error = ServerUnreached("refused")
    error.add_note("at the proof listener")
    assert service.error_text(error) == "refused at the proof listener"
