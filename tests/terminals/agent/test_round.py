"""One round against real TLS: what is taken over, what is refused, what is told."""

import asyncio
import contextlib
import hashlib
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certificates.pki import formats
from certificates.pki.identity import Identity
from pbxcerts import __version__
from terminals.agent import https
from terminals.agent.anchors import fingerprint
from terminals.agent.errors import (
    BundleRefused,
    HookError,
    NotWelcome,
    ServerUnreached,
    ServerUntrusted,
    TrustStoreError,
)
from tests.support.est_server import EstServer, a_pair_now, in_est

SUCCESSION, CACERTS = "/succession", "/.well-known/est/cacerts"
HOUR = timedelta(hours=1)


def test_it_takes_the_new_root_over_a_connection_that_the_old_one_secures(agent, server, proof, old, new):
    server.bundle = [new, old]
    proof.present(new)
    done = agent.round()
    assert done.changed
    assert done.trusted == {fingerprint(old.root), fingerprint(new.root)}
    assert server.paths() == [SUCCESSION, CACERTS, "/report"]
    assert proof.paths() == ["/proof"]
    assert agent.holds().count("BEGIN CERTIFICATE") == 2
    assert agent.store.stat().st_mode & 0o777 == 0o644


def test_it_reports_what_it_trusts_with_its_token(agent, server, proof, old, new):
    server.bundle = [new, old]
    agent.write(firmware='firmware = "Intercom 4.2"')
    agent.write(trust=agent.lines.pop("trust"))
    agent.round()
    report = server.asked[-1]
    assert report.json == {
        "trusted": sorted(hashlib.sha256(formats.der(pair.root)).hexdigest() for pair in (old, new)),
        "firmware": "Intercom 4.2",
    }
    assert report.headers["User-Agent"] == f"pbxcerts-agent/{__version__}"
    assert report.headers["Authorization"] == f"Bearer {server.token}"
    assert proof.asked[0].headers["Authorization"] == f"Bearer {server.token}"
    # EST's trust anchors are for everybody: the token is not shown for them.
    assert [one.headers["Authorization"] for one in server.asked[:2]] == [None, None]


def test_it_does_not_tell_its_token_to_a_stranger(agent, server, proof, strange):
    proof.present(strange)
    with pytest.raises(ServerUntrusted, match="is not trusted"):
        agent.round()
    assert server.paths() == [SUCCESSION, CACERTS, "/report"]
    assert proof.asked == []


def test_fetch_and_report_share_the_connection_and_the_proof_has_another_beside_it(agent, server, proof):
    opened = []
    proof.answers["/proof"] = lambda asked: (opened.append(server.open), (204, {}, b""))[1]
    agent.round()
    assert [one.connection for one in server.asked] == [1, 1, 1]
    assert opened == [1]  # the first one was still open when the proof came


def test_a_connection_that_is_open_stays_open_through_the_exchange(agent, server, proof, old, new):
    context = https.client_context([old.root])
    with (
        socket.create_connection(("127.0.0.1", server.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as running,
    ):
        server.bundle = [new, old]
        server.present(new)  # for new connections
        proof.present(new)
        agent.trusts(old, new)
        agent.round()
        server.bundle = [new]
        agent.round()
        assert "BEGIN" in agent.holds()
        running.sendall(b"GET /still HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert running.recv(12) == b"HTTP/1.1 404"
        assert running.getpeercert(binary_form=True) == formats.der(old.host)
        while running.recv(4096):
            pass


def test_nothing_is_stored_from_a_server_with_an_unknown_root(agent, server, strange, old):
    server.present(strange)
    server.bundle = [strange, old]
    before = agent.holds()
    with pytest.raises(ServerUntrusted):
        agent.round()
    assert server.asked == []
    assert agent.holds() == before


def test_nothing_is_stored_from_a_man_in_the_middle_with_a_certificate_for_another_name(agent, server, proof, new, old):
    elsewhere = a_pair_now(3, identity=Identity(("elsewhere.example",), ()))
    agent.trusts(old, elsewhere)
    server.present(elsewhere)
    before = agent.holds()
    with pytest.raises(ServerUntrusted, match="IP address mismatch"):
        agent.round()
    assert agent.holds() == before


def test_nothing_is_stored_from_a_server_without_tls(agent, server):
    server.present(None)
    with pytest.raises(ServerUnreached):
        agent.round()


def test_a_bundle_without_any_root_that_is_trusted_is_refused(agent, server, strange):
    server.bundle = [strange]
    before = agent.holds()
    with pytest.raises(BundleRefused, match="not among those handed out"):
        agent.round()
    assert agent.holds() == before
    assert server.paths() == [SUCCESSION, CACERTS]


def test_a_root_that_left_the_bundle_is_not_trusted_any_more(agent, server, proof, old, new):
    agent.trusts(old, new)
    server.present(new)
    server.bundle = [new]
    proof.present(new)
    agent.round()
    assert agent.holds().count("BEGIN CERTIFICATE") == 1
    proof.present(old)
    with pytest.raises(ServerUntrusted):
        agent.round()


def test_a_root_that_ended_secures_nothing_and_stays_all_the_same(agent, server, old):
    ended = a_pair_now(2, end=datetime.now(UTC) - HOUR)
    agent.trusts(ended)
    server.present(ended)
    server.bundle = [ended, old]
    before = agent.holds()
    with pytest.raises(ServerUntrusted, match="clock is ahead"):
        agent.round()
    assert agent.holds() == before


def test_a_certificate_that_is_not_valid_yet_points_to_the_clock(agent, server):
    early = a_pair_now(2, not_before=datetime.now(UTC) + HOUR)
    agent.trusts(early)
    server.present(early)
    with pytest.raises(ServerUntrusted, match="clock is behind"):
        agent.round()


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/pkcs7-mime\r\n"


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"", ServerUnreached, "cut"),
        (b"HTTP/1.1 200 O", ServerUnreached, "cut"),
        (WHOLE + b"Content-Length: 1000\r\n\r\nMIIB", ServerUnreached, "cut"),
        (WHOLE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nMII", ServerUnreached, "cut"),
        (WHOLE + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nMIIBB\r\n0\r\n\r\n", ServerUnreached, "HTTP"),
        (WHOLE + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"A" * 65536 + b"\r\n10000000\r\n", ServerUnreached, "more"),
        (WHOLE + b"\r\nMIIB", ServerUnreached, "length"),
        (WHOLE + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nMIIB", ServerUnreached, "length"),
        (WHOLE + b"Content-Length: 99999999999\r\n\r\nMIIB", ServerUnreached, "more than"),
        (WHOLE + b"X: " + b"x" * 70_000 + b"\r\n\r\n", ServerUnreached, "too long"),
        (b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", ServerUnreached, "HTTP"),
        (b"\x00\xff" * 50 + b"\r\n\r\n", ServerUnreached, "HTTP"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n", NotWelcome, "302"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", NotWelcome, "304"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nLater", ServerUnreached, "503: Later"),
        (WHOLE + b"Content-Length: 0\r\n\r\n", BundleRefused, "no certificates"),
        (WHOLE + b"Content-Length: 4\r\n\r\n@@@@", BundleRefused, "base64"),
        (WHOLE + b"Content-Length: 8\r\n\r\nAAAAAAAA", BundleRefused, "no certificates"),
    ],
)  # fmt: skip
def test_an_answer_that_is_cut_too_long_or_none_changes_nothing(agent, server, answer, error, says):
    before = agent.holds()
    server.answers[CACERTS] = answer
    with pytest.raises(error, match=says):
        agent.round()
    assert agent.holds() == before
    assert "/report" not in server.paths()


def test_an_answer_in_chunks_after_an_early_one_is_read(agent, server, old, new):
    body = in_est(new.root, old.root)
    server.answers[CACERTS] = lambda asked: (200, {}, body)
    chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (body[:70], body[70:]))
    server.answers[CACERTS] = (
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        + WHOLE
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + chunks
        + b"0\r\nT: x\r\n\r\n"
    )
    # The server ends the connection after octets of a test's own, so the report is not heard.
    with pytest.raises(ServerUnreached):
        agent.round()
    assert agent.holds().count("BEGIN") == 2


def test_a_slow_answer_is_waited_for_only_so_long(agent, server, monkeypatch):
    # The limit is a constant of the product; nobody waits half a minute in a test.
    monkeypatch.setattr(https, "ANSWER_WITHIN", 0.05)
    release = threading.Event()
    server.answers[CACERTS] = lambda asked: (release.wait(5), (200, {}, b""))[1]
    with contextlib.ExitStack() as stack:
        stack.callback(release.set)
        with pytest.raises(ServerUnreached, match="did not answer within"):
            agent.round()


def test_a_wrong_token_is_said(agent, server):
    server.token = "another"
    with pytest.raises(NotWelcome, match="token"):
        agent.round()


def test_an_unchanged_bundle_is_not_sent_again_but_reported_and_proved_again(agent, server, proof, old, new):
    server.bundle = [new, old]

    async def twice():
        exchange = agent.exchange()
        return [await exchange.round(), await exchange.round()]

    first, second = asyncio.run(twice())
    assert (first.changed, second.changed) == (True, False)
    assert first.trusted == second.trusted
    assert server.asked[4].headers["If-None-Match"] is not None
    assert server.paths() == [SUCCESSION, CACERTS, "/report"] * 2
    assert proof.paths() == ["/proof"] * 2


def test_a_store_that_somebody_changed_is_fetched_whole(agent, server, old, new):
    server.bundle = [new, old]

    async def twice():
        exchange = agent.exchange()
        await exchange.round()
        agent.trusts(old)
        await exchange.round()

    asyncio.run(twice())
    assert server.asked[4].headers["If-None-Match"] is None
    assert agent.holds().count("BEGIN") == 2


def test_a_server_that_is_away_is_unreached(agent, server):
    with EstServer(None) as gone:
        port = gone.port
    agent.write(server=f'server = "https://127.0.0.1:{port}"')
    with pytest.raises(ServerUnreached, match="cannot be reached"):
        agent.round()


class TestTheHook:
    def hook(self, agent, *command, timeout=10):
        agent.write(hook=f"[hook]\ncommand = {json.dumps(list(command))}\ntimeout = {timeout}")

    def test_it_runs_when_the_store_has_changed_and_before_the_report(self, agent, server, old, new):
        server.bundle = [new, old]
        log = agent.directory / "hook.log"
        self.hook(agent, "/bin/sh", "-c", f'echo "$PBXCERTS_AGENT_STORE" >> {log}')
        before = []
        server.answers["/report"] = lambda asked: (before.append(log.exists()), (204, {}, b""))[1]
        agent.round()
        agent.round()
        assert log.read_text() == f"{agent.store}\n"
        assert before == [True, True]

    def test_where_it_fails_nothing_is_reported_and_it_runs_again(self, agent, server, old, new):
        server.bundle = [new, old]
        self.hook(agent, "/bin/false")
        for _ in range(2):
            with pytest.raises(HookError, match="status 1"):
                agent.round()
        assert "/report" not in server.paths()
        self.hook(agent, "/bin/true")
        agent.round()
        assert server.paths()[-1] == "/report"

    def test_the_report_needs_no_connection_that_the_server_kept_meanwhile(self, agent, server, old, new):
        server.bundle = [new, old]
        server.ends_after = CACERTS
        self.hook(agent, "/bin/sleep", "0.3")
        agent.round()
        assert [one.connection for one in server.asked] == [1, 1, 2]

    def test_one_that_does_not_end_is_ended_with_what_it_started(self, agent, server, old, new):
        server.bundle = [new, old]
        pid = agent.directory / "pid"
        self.hook(agent, "/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; wait", timeout=1)
        with pytest.raises(HookError, match="did not end"):
            agent.round()
        assert not _runs(int(pid.read_text()))

    def test_one_that_is_not_there_is_said(self, agent, server, old, new):
        server.bundle = [new, old]
        self.hook(agent, "/no/such/command")
        with pytest.raises(HookError, match="cannot be run"):
            agent.round()


def _runs(pid):
    """A killed process whose parent has not looked yet does not run."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.01)
    return True


class TestTheFirstTrust:
    def test_without_any_it_says_what_is_needed(self, agent):
        agent.store.unlink()
        with pytest.raises(TrustStoreError, match="nothing that can be trusted"):
            agent.round()
        assert agent.holds() == ""

    def test_it_comes_from_a_file(self, agent, old):
        agent.store.unlink()
        (agent.directory / "first.pem").write_bytes(formats.pem(old.root))
        agent.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        assert agent.round().changed
        assert agent.holds().count("BEGIN") == 1

    @pytest.mark.parametrize("form", [formats.pem, formats.der, in_est])
    def test_it_comes_over_http_where_the_fingerprint_is_the_one_compared(self, agent, old, strange, form):
        agent.store.unlink()
        with EstServer(None) as plain:
            plain.answers["/root"] = lambda asked: (200, {}, form(old.root))
            self.bootstrap(agent, plain, formats.sha256_fingerprint(old.root))
            agent.round()
        assert fingerprint(old.root) in agent.holds()

    def test_another_root_over_http_is_not_trusted(self, agent, old, strange):
        agent.store.unlink()
        with EstServer(None) as plain:
            plain.answers["/root"] = lambda asked: (200, {}, formats.pem(strange.root))
            self.bootstrap(agent, plain, fingerprint(old.root))
            with pytest.raises(BundleRefused, match="fingerprints"):
                agent.round()
        assert agent.holds() == ""

    def test_a_host_certificate_is_no_first_trust(self, agent, old):
        agent.store.unlink()
        (agent.directory / "first.pem").write_bytes(formats.pem(old.host))
        agent.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        with pytest.raises(BundleRefused, match="certification authority"):
            agent.round()
        assert agent.holds() == ""

    def test_it_counts_again_when_all_that_is_trusted_has_ended(self, agent, old):
        agent.trusts(a_pair_now(2, end=datetime.now(UTC) - HOUR))
        (agent.directory / "first.pem").write_bytes(formats.pem(old.root))
        agent.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        assert agent.round().changed

    def test_it_does_not_count_while_something_valid_is_trusted(self, agent, server, strange):
        (agent.directory / "first.pem").write_bytes(formats.pem(strange.root))
        agent.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        server.present(strange)
        with pytest.raises(ServerUntrusted):
            agent.round()

    def test_it_counts_where_the_store_is_damaged(self, agent, old):
        agent.store.write_text("-----BEGIN CERTIFICATE-----\nMII")
        with pytest.raises(TrustStoreError, match="no certificates"):
            agent.round()
        (agent.directory / "first.pem").write_bytes(formats.pem(old.root))
        agent.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        assert agent.round().changed

    def bootstrap(self, agent, plain, sha256):
        agent.write(
            trust='[trust]\nfile = "trust.pem"\n'
            f'bootstrap = "http://127.0.0.1:{plain.port}/root"\nfingerprints = ["{sha256}"]'
        )


def test_two_agents_do_not_work_on_one_store_at_a_time(agent, server):
    with agent.exchange()._store.locked(), pytest.raises(TrustStoreError, match="another agent"):
        agent.round()
    agent.round()


def test_the_context_trusts_nothing_of_the_machines():
    context = https.client_context([])
    assert context.get_ca_certs() == []
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
