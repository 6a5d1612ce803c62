"""EST, the report and the proof: request by request, and with the agent against the product."""

import base64
import http.client
import json
import ssl
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st

from certificates.pki import formats
from terminals.agent.anchors import fingerprint
from terminals.directory.device_tokens import token_hash
from terminals.evidence.facts import Proved, Reported
from terminals.web import est
from terminals.web.est import CACERTS, SUCCESSION, EstHandlers, UnreadableReport, read_report
from terminals.web.routing import TerminalRequest
from terminals.web.snapshot import Snapshot, SnapshotPair, SnapshotSuccession, SnapshotTerminal, SnapshotType
from tests.support.est_server import TOKEN, EstServer, a_pair_now, a_succession
from tests.support.peers import require_program
from tests.support.provisioning import Provisioning, fetch, is_open, trusting
from tests.support.running import wait_for

NOW = datetime(2026, 7, 1, tzinfo=UTC)
OLD, NEW = a_pair_now(7), a_pair_now(8)
BEARER = MappingProxyType({"authorization": f"Bearer {TOKEN}", "user-agent": "pbxcerts-agent"})


def in_snapshot(number, pair):
    return SnapshotPair(number, formats.pem(pair.root), formats.pem(pair.host), fingerprint(pair.root))


SAID = SnapshotSuccession(a_succession(41, OLD, NEW), ("a.b.c",))


def a_snapshot(*pairs, method="ip_system"):
    terminal = SnapshotTerminal(
        key=11,
        number="201",
        mac=None,
        type=1,
        path_secret="p",
        token_sha256=token_hash(TOKEN),
        address="",
        own_lines="",
    )
    return Snapshot(
        bundle=pairs,
        active=7,
        succession=SAID if pairs else None,
        types={1: SnapshotType(method=method, model="", own_lines="")},
        terminals=(terminal, terminal._replace(key=12, number="202", token_sha256="")),
    )


class Queue(list):
    add = list.append


class Server:
    """The handlers over a snapshot; `evidence` is what they found."""

    def __init__(self, *pairs, **options):
        self.snapshot = a_snapshot(*(pairs or (in_snapshot(8, NEW), in_snapshot(7, OLD))), **options)
        self.evidence = Queue()
        self.est = EstHandlers(lambda: self.snapshot, self.evidence, now=lambda: NOW)

    def ask(self, method, path, headers=BEARER, body=b"", presents=8):
        request = TerminalRequest(method, path, headers, body=body, client="192.0.2.7", presents=presents)
        for route in (*self.est.routes, *self.est.proof_routes):
            if method in route.methods and route.matches(path):
                return route.handler(request)
        raise AssertionError("no such route")


class TestCacerts:
    def test_they_are_the_roots_of_both_generations_as_rfc_7030_has_them(self):
        answer = Server().ask("GET", CACERTS, {})
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
        assert answer.headers["content-transfer-encoding"] == "base64"
        # RFC 4648 section 3.1 wants no lines, and strongSwan's `pki --estca` reads the first one only.
        assert len(answer.body.splitlines()) == 1
        assert set(pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.body))) == {OLD.root, NEW.root}

    def test_they_ask_for_no_token_and_prove_nothing(self):
        server = Server()
        assert server.ask("GET", CACERTS, {}).evidence == ()
        assert server.evidence == []

    @pytest.mark.parametrize("given", ["{}", "W/{}", '"x", {}', "*"])
    def test_who_has_them_is_told_so(self, given):
        server = Server()
        tag = server.ask("GET", CACERTS, {}).headers["etag"]
        answer = server.ask("GET", CACERTS, {"if-none-match": given.format(tag)})
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)

    @pytest.mark.parametrize("given", ["", '"x"', "x"])
    def test_who_has_others_gets_them(self, given):
        assert Server().ask("GET", CACERTS, {"if-none-match": given}).status == 200

    def test_the_tag_is_strong_and_changes_with_the_bundle(self):
        both, one = Server(), Server(in_snapshot(7, OLD))
        tags = [server.ask("GET", CACERTS, {}).headers["etag"] for server in (both, one, Server())]
        assert tags[0] == tags[2] != tags[1]
        assert tags[0].startswith('"')

    def test_a_head_request_says_the_same(self):
        server = Server()
        assert server.ask("HEAD", CACERTS, {}).headers == server.ask("GET", CACERTS, {}).headers

    def test_before_the_first_pair_there_is_nothing_yet(self):
        server = Server()
        server.snapshot = a_snapshot()
        assert server.ask("GET", CACERTS, {}).status == 503


class TestSuccession:
    def test_it_names_the_served_root_and_the_next_one_with_what_was_signed(self):
        answer = Server().ask("GET", SUCCESSION, {}, presents=7)
        assert answer.status == 200
        assert json.loads(answer.body) == {
            "number": 41,
            "served": fingerprint(OLD.root),
            "next": [fingerprint(NEW.root)],
            "signatures": ["a.b.c"],
        }

    def test_while_another_pair_is_presented_it_is_to_be_asked_again(self):
        assert Server().ask("GET", SUCCESSION, {}, presents=8).status == 503

    def test_before_the_first_pair_there_is_nothing_yet(self):
        server = Server()
        server.snapshot = a_snapshot()
        assert server.ask("GET", SUCCESSION, {}, presents=None).status == 503

    def test_it_is_for_everybody_and_proves_nothing(self):
        server = Server()
        assert server.ask("GET", SUCCESSION, {}, presents=7).evidence == ()
        assert server.evidence == []


def a_report(*roots, **others):
    return json.dumps({"trusted": [fingerprint(root) for root in roots], **others}).encode()


class TestReport:
    def test_it_is_recorded_as_the_terminals_whose_token_it_carries(self):
        server = Server()
        answer = server.ask("POST", "/report", body=a_report(OLD.root, NEW.root, firmware="4.2"))
        assert (answer.status, answer.evidence) == (204, ())
        trusted = frozenset({fingerprint(OLD.root), fingerprint(NEW.root)})
        assert server.evidence == [Reported(11, trusted, "pbxcerts-agent", "192.0.2.7", NOW, "4.2")]

    def test_fingerprints_may_be_written_as_openssl_does(self):
        text = formats.sha256_fingerprint(OLD.root)
        assert read_report(json.dumps({"trusted": [text]}).encode()) == (frozenset({fingerprint(OLD.root)}), "")

    def test_a_terminal_that_trusts_nothing_may_say_so(self):
        assert read_report(b'{"trusted": [], "since": 1}') == (frozenset(), "")

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b"", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b'{"trusted": [', "not JSON"),
            (b"[" * 60_000, "not JSON"),
            (b'{"trusted": ' + b"9" * 60_000 + b"}", "not JSON"),
            (b"[]", "not an object"),
            (b'{"trusted": "ab"}', "not an object"),
            (b'{"trusted": [1]}', "not a text"),
            (b'{"trusted": ["ab"]}', "not a SHA-256"),
            (json.dumps({"trusted": ["٣" * 64]}).encode(), "not a SHA-256"),
            (json.dumps({"trusted": ["ab" * 32] * 65}).encode(), "more than 64"),
            (b'{"trusted": [], "firmware": 4}', '"firmware" is not a text'),
        ],
        ids=[
            "nothing",
            "no text",
            "cut",
            "too deep",
            "too large",
            "a list",
            "a text",
            "a number",
            "too short",
            "digits of another script",
            "too many",
            "firmware",
        ],
    )
    def test_what_is_none_is_refused_with_a_sentence(self, body, says):
        server = Server()
        answer = server.ask("POST", "/report", body=body)
        assert answer.status == 400
        assert says in answer.body.decode()
        assert server.evidence == []

    def test_what_a_database_could_choke_on_is_left_out(self):
        firmware = "4.2\x00\ud800\n" + "x" * 200
        assert read_report(json.dumps({"trusted": [], "firmware": firmware}).encode())[1] == "4.2" + "x" * 61

    @given(st.binary(max_size=200))
    def test_any_octets_are_a_report_or_refused(self, octets):
        try:
            trusted, firmware = read_report(octets)
        except UnreadableReport:
            return
        assert isinstance(trusted, frozenset)
        assert firmware.isprintable()

    def test_the_terminals_of_other_methods_do_not_report(self):
        server = Server(method="sip_standard")
        assert server.ask("POST", "/report", body=a_report()).status == 403
        assert server.evidence == []


@pytest.mark.parametrize(("method", "path"), [("POST", "/report"), ("GET", "/proof"), ("POST", "/proof")])
@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer ä", TOKEN,
     f"Bearer {token_hash(TOKEN)}", f"Bearer {token_hash('')}"],
)  # fmt: skip
def test_without_the_right_token_nothing_is_heard(method, path, given):
    server = Server()
    headers = {} if given is None else {"authorization": given}
    answer = server.ask(method, path, headers, body=a_report(OLD.root))
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert TOKEN.encode() not in answer.body
    assert server.evidence == []


def test_a_revoked_token_is_not_heard():
    server = Server()
    revoked = tuple(one._replace(token_sha256="") for one in server.snapshot.terminals)
    server.snapshot = Snapshot(bundle=server.snapshot.bundle, active=7, types=server.snapshot.types, terminals=revoked)
    assert server.ask("POST", "/report", body=a_report(OLD.root)).status == 401


class TestProof:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("presents", [7, 8])
    def test_it_is_of_the_generation_that_this_connection_was_made_with(self, method, presents):
        server = Server()
        assert server.ask(method, "/proof", presents=presents).status == 204
        assert server.evidence == [Proved(11, presents, "pbxcerts-agent", "192.0.2.7", NOW)]

    def test_a_connection_without_a_certificate_proves_nothing(self):
        server = Server()
        assert server.ask("POST", "/proof", presents=None).status == 503
        assert server.evidence == []

    def test_a_head_request_proves_nothing(self):
        server = Server()
        server.ask("HEAD", "/proof")
        assert server.evidence == []

    def test_it_is_not_to_be_had_where_reports_are_heard_nor_the_other_way_round(self):
        of_reports = {route.pattern for route in Server().est.routes}
        of_proofs = {route.pattern for route in Server().est.proof_routes}
        assert not of_reports & of_proofs


def test_the_content_is_made_once_for_each_bundle():
    est._cached_body.cache_clear()
    server = Server()
    for _ in range(5):
        server.ask("GET", CACERTS, {})
    assert est._cached_body.cache_info().misses == 1


# -- the product and its agent ---------------------------------------------------------------------------------------

AGENTS = """
import sys
from terminals.directory import device_tokens
from terminals.models import Terminal, TerminalType

kind = TerminalType.objects.create(name="An agent of a test", method="ip_system", event="check-sync;reboot=false")
for number in range(200, 200 + int(sys.argv[1])):
    terminal = Terminal.objects.create(number=str(number), type=kind, address="127.0.0.1:5070")
    print(device_tokens.issue(terminal))
"""
REVOKE = """
from terminals.directory import device_tokens
from terminals.models import Terminal

device_tokens.revoke(Terminal.objects.get(number="200"))
"""


@pytest.fixture
def product(tmp_path):
    with Provisioning(tmp_path) as product:
        yield product.open(phones=1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One product for tests that generate nothing."""
    with Provisioning(tmp_path_factory.mktemp("product")) as product:
        yield product.open(phones=1)


class AgentProgram:
    """An installed agent whose first trust is the fingerprint that an administrator compared."""

    def __init__(self, product, directory, token):
        directory.mkdir()
        self.store = directory / "trust.pem"
        self.path = directory / "agent.toml"
        sha256 = fetch(product.http, "/root.sha256").body.decode().split()
        self.path.write_text(
            f'server = "https://127.0.0.1:{product.https}"\nproof = "https://127.0.0.1:{product.proof}"\n'
            f'token = "{token}"\nfirmware = "Door 4.2"\n[trust]\nfile = "trust.pem"\n'
            f'bootstrap = "http://127.0.0.1:{product.http}/root.pem"\nfingerprints = {json.dumps(sha256)}\n'
        )
        self.path.chmod(0o600)

    def once(self):
        done = subprocess.run(
            [sys.executable, "-m", "terminals.agent", "once", str(self.path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr

    def roots(self):
        return self.store.read_text().count("BEGIN CERTIFICATE")


def confirmed(product, number="200"):
    """The generations that this terminal has proved to trust."""
    keys = {row["number"]: row["id"] for row in product.rows("terminals.Terminal", "number", "id")}
    rows = product.rows("terminals.Installation", "terminal", "generation", "state", "evidence")
    return {
        row["generation"]
        for row in rows
        if (row["terminal"], row["state"], row["evidence"]) == (keys[number], "confirmed", "proved")
    }


def until_confirmed(product, *generations):
    wait_for(lambda: confirmed(product) == set(generations), what=f"confirmed {generations}")


@pytest.mark.process
def test_an_agent_is_taken_through_a_whole_renewal_in_service(product, tmp_path):
    (token,) = product.run(AGENTS, "1").split()
    agent = AgentProgram(product, tmp_path / "agent", token)

    def goes_well():
        code, log = agent.once()
        return code == 0 or (code, log)

    # The listeners learn of the token within a second or two.
    wait_for(lambda: goes_well() is True, what="a round")
    until_confirmed(product, 1)
    (terminal,) = [row for row in product.rows("terminals.Terminal", "number", "firmware") if row["number"] == "200"]
    assert terminal["firmware"] == "Door 4.2"

    context = trusting(agent.store.read_text())
    with closing(_open_connection(product.https, context)) as running:
        product.generate()
        wait_for(lambda: goes_well() is True and agent.roots() == 2, what="both roots")
        until_confirmed(product, 1, 2)
        product.activate()
        wait_for(lambda: _serves_second(product), what="the switch")
        # The listener presents the second pair a moment before it knows that this is the active one.
        wait_for(lambda: goes_well() is True, what="a round with the second pair")
        # The connection of before the exchange is still the same one.
        running.request("GET", CACERTS)
        assert running.getresponse().read()


@pytest.mark.process
def test_after_a_roll_back_an_agent_goes_back_with_the_server_and_with_nobody_else(product, tmp_path):
    (token,) = product.run(AGENTS, "1").split()
    agent = AgentProgram(product, tmp_path / "agent", token)
    wait_for(lambda: agent.once()[0] == 0, what="a round")
    product.generate()
    wait_for(lambda: agent.once()[0] == 0 and agent.roots() == 2, what="both roots")
    product.activate()
    wait_for(lambda: _serves_second(product), what="the switch")
    wait_for(lambda: agent.once()[0] == 0, what="a round with the second pair")

    (key,) = (product.data / "store").glob("generations/0001/host.key")
    first = a_server_with(key.parent)
    with EstServer(None, port=0) as attacker:
        attacker.context = first
        genuine = agent.path.read_text()
        agent.path.write_text(genuine.replace(f"127.0.0.1:{product.https}", f"127.0.0.1:{attacker.port}"))
        code, log = agent.once()
        assert (code, [one.path for one in attacker.asked]) == (3, [SUCCESSION])
        assert "pbxcerts-agent accept CONFIG" in log
        agent.path.write_text(genuine)

    product.roll_back()
    wait_for(lambda: not _serves_second(product), what="the roll back")
    # The succession is not said in the seconds in which the listener presents another pair than the database has.
    wait_for(lambda: agent.once()[0] == 0, what="a round with the first pair again")


def a_server_with(directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "fullchain.pem", directory / "host.key")
    return context


def _open_connection(port, context):
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    connection.request("GET", CACERTS)
    connection.getresponse().read()
    return connection


def _serves_second(product):
    """Whether the root of the second generation secures the usual listener now."""
    second = (product.data / "store" / "generations" / "0002" / "root.pem").read_text()
    try:
        return fetch(product.https, CACERTS, context=trusting(second)).status == 200
    except OSError:
        return False


@pytest.mark.process
def test_an_agent_that_trusts_the_old_root_alone_is_not_confirmed_by_a_report_that_lies(product, tmp_path):
    (token,) = product.run(AGENTS, "1").split()
    first = fetch(product.http, "/root.pem").body.decode()
    product.generate()
    roots = [row["root_sha256"] for row in product.rows("certificates.Generation", "root_sha256")]
    report = json.dumps({"trusted": roots})
    headers = {"Authorization": f"Bearer {token}"}
    wait_for(
        lambda: (
            fetch(product.https, "/report", context=trusting(first), method="POST", headers=headers, body=report).status
            == 204
        ),
        seconds=20,
        what="a report that is heard",
    )
    rows = wait_for(
        lambda: [r for r in product.rows("terminals.Installation", "generation", "state", "evidence") if r["evidence"]],
        what="a record",
    )
    assert {(row["state"], row["evidence"]) for row in rows} == {("fetched", "reported")}
    # The certificate of the prepared pair is what it would have to accept.
    wait_for(lambda: not _accepts(product.proof, first), what="the prepared certificate")
    assert confirmed(product) == set()


def _accepts(port, pem):
    try:
        fetch(port, "/", context=trusting(pem))
    except OSError:
        return False
    return True


@pytest.mark.process
def test_a_revoked_token_is_refused_by_the_product(shared, tmp_path):
    (token,) = shared.run(AGENTS, "1").split()
    agent = AgentProgram(shared, tmp_path / "agent", token)
    wait_for(lambda: agent.once()[0] == 0, what="a round")
    shared.run(REVOKE)
    wait_for(lambda: agent.once()[0] == 3, what="the refusal")
    assert "token" in agent.once()[1]


@pytest.mark.process
def test_the_listeners_keep_to_their_tables_and_limits(shared):
    context = trusting(fetch(shared.http, "/root.pem").body.decode())

    def status(path, *, method="GET", port=shared.https, body=None):
        return fetch(port, path, context=context, method=method, body=body).status

    assert status(CACERTS, method="HEAD") == 200
    assert status(CACERTS, method="POST") == 405
    assert status("/.well-known/est/simpleenroll", method="POST") == 404
    assert status("/report") == 405
    assert status("/report", method="POST", body=b"x" * 100_000) == 413
    assert status("/proof") == 404
    assert status("/proof", port=shared.proof) == 401
    assert status(CACERTS, port=shared.proof) == 404
    assert status("/login/") == 404
    assert is_open(shared.https)


@pytest.mark.peer
def test_curl_and_openssl_read_the_trust_anchors(shared, tmp_path):
    curl, openssl = require_program("curl"), require_program("openssl")
    root = tmp_path / "root.pem"
    root.write_bytes(fetch(shared.http, "/root.pem").body)
    command = (
        f'{curl} --silent --show-error --fail --cacert "$1" "$2{CACERTS}" | {openssl} base64 -d -A'
        f" | {openssl} pkcs7 -inform DER -print_certs -noout"
    )
    url = f"https://127.0.0.1:{shared.https}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command, "bash", str(root), url], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("subject=") == 1
    etag = [curl, "--silent", "--cacert", str(root), "--etag-save", str(tmp_path / "tag"), url + CACERTS]
    subprocess.run([*etag, "--output", "/dev/null"], check=True)
    again = [*etag[:-3], "--etag-compare", str(tmp_path / "tag"), "--write-out", "%{http_code}", url + CACERTS]
    assert subprocess.run(again, capture_output=True, text=True, check=True).stdout == "304"


@pytest.mark.peer
def test_strongswan_reads_the_trust_anchors(shared, tmp_path):
    pki = require_program("pki")
    root = tmp_path / "root.pem"
    root.write_bytes(fetch(shared.http, "/root.pem").body)
    url = f"https://127.0.0.1:{shared.https}"
    command = [
        pki,
        "--estca",
        "--url",
        url,
        "--cacert",
        str(root),
        "--caout",
        str(tmp_path / "ca.pem"),
        "--outform",
        "pem",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = tmp_path.glob("ca*.pem")
    assert found.read_text().split() == root.read_text().split()
