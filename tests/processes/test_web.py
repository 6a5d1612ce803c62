"""The real web process: silent clients, the HTTPS listener with the active pair, the redirect."""

import hashlib
import http.client
import socket
import ssl
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.ports import free_port
from tests.support.running import Tree, wait_for
from tests.support.x509 import NOW, a_pair

pytestmark = pytest.mark.process


class Panel(Tree):
    """A tree with an HTTPS listener, and the store that it follows."""

    published = 0

    def open(self):
        self.https = free_port()
        return self.install().start("--bind-https", f"127.0.0.1:{self.https}", PBXCERTS_HSTS_SECONDS="60")

    def serve(self):
        """Publish another pair as the active one; returns its host certificate's fingerprint."""
        number = self.published = self.published + 1
        pair = a_pair(number=number, made_at=NOW + timedelta(days=number))
        directory = self.data / "store" / "generations" / f"{number:04d}"
        directory.mkdir(parents=True)
        host = pair.host.public_bytes(Encoding.PEM)
        (directory / "fullchain.pem").write_bytes(host + pair.root.public_bytes(Encoding.PEM))
        (directory / "host.key").write_bytes(pair.host_key.reveal())
        link = self.data / "store" / "new"
        link.symlink_to(f"generations/{number:04d}")
        link.replace(self.data / "store" / "current")
        return hashlib.sha256(pair.host.public_bytes(Encoding.DER)).hexdigest()

    def presents(self):
        with suppress(OSError), self.handshake() as connection:
            return hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        return None

    def handshake(self, *, context=None, session=None):
        return (context or trusting_nobody()).wrap_socket(
            socket.create_connection(("127.0.0.1", self.https), timeout=10), session=session
        )

    def wait_until_it_presents(self, fingerprint):
        wait_for(lambda: self.presents() == fingerprint, what="the certificate")


def trusting_nobody():
    """What is presented is looked at by its fingerprint, here; whether it is trusted is another test's question."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    with Panel(tmp_path_factory.mktemp("panel")) as panel:
        yield panel.open()


@pytest.fixture
def new_panel(tmp_path):
    """One that has no pair yet."""
    with Panel(tmp_path) as panel:
        yield panel.open()


def test_two_hundred_silent_clients_keep_nobody_waiting(panel):
    name = panel.run("from django.conf import settings; print(settings.CSRF_COOKIE_NAME)").strip()
    head = (
        b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        # Without the cookie Django refuses it before it reads the body.
        b"Cookie: %b=abcdefghijklmnopqrstuvwxyz012345\r\n" % name.encode()
    )
    says = [b"", b"GET /login/ HTTP/1.1\r\nHost: 127", head + b"Content-Length: 5000\r\n\r\nusername=a"]
    with ExitStack() as clients:
        for number in range(200):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", panel.port), timeout=10))
            client.sendall(says[number % len(says)])

        assert panel.get("/login/", timeout=5).status == 200


def test_a_request_that_is_too_large_is_refused(panel):
    connection = http.client.HTTPConnection("127.0.0.1", panel.port, timeout=30)
    connection.request("POST", "/login/", body=b"x" * 3_000_000)

    answer = connection.getresponse()
    assert answer.status == 413
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    connection.close()


@pytest.mark.parametrize("request_line", [b"no request at all", b"GET /login/ HTTP/9.9", b"\x16\x03\x01\x00\xa5"])
def test_what_is_no_request_gets_an_answer_with_a_policy_too(panel, request_line):
    with socket.create_connection(("127.0.0.1", panel.port), timeout=10) as client:
        client.sendall(request_line + b"\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        text = answer.read()

    assert answer.status == 400
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert text == b"Invalid HTTP request received."


def test_a_new_pair_is_presented_without_dropping_an_open_connection(panel):
    old = panel.serve()
    panel.wait_until_it_presents(old)
    open_one = http.client.HTTPSConnection("127.0.0.1", panel.https, timeout=30, context=trusting_nobody())
    open_one.request("GET", "/login/")
    open_one.getresponse().read()
    its_socket = open_one.sock

    new = panel.serve()
    panel.wait_until_it_presents(new)

    open_one.request("GET", "/login/")
    assert open_one.getresponse().status == 200
    assert open_one.sock is its_socket
    assert hashlib.sha256(its_socket.getpeercert(binary_form=True)).hexdigest() == old
    open_one.close()


def test_no_session_is_resumed_because_that_would_hide_a_new_certificate(panel):
    panel.wait_until_it_presents(panel.serve())
    context = trusting_nobody()
    with panel.handshake(context=context) as first:
        first.sendall(b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        first.recv(100)
        session = first.session

    with panel.handshake(session=session, context=context) as second:
        assert not second.session_reused


def test_tls_1_2_is_refused_because_its_sessions_are_resumed_from_a_cache(panel):
    panel.wait_until_it_presents(panel.serve())
    context = trusting_nobody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError):
        panel.handshake(context=context)


def test_a_half_published_pair_leaves_the_one_before_in_service(panel):
    old = panel.serve()
    panel.wait_until_it_presents(old)
    (panel.data / "store" / "generations" / "half").mkdir()
    broken = panel.data / "store" / "new"
    broken.symlink_to("generations/half")
    broken.replace(panel.data / "store" / "current")
    wait_for(lambda: "cannot be served" in panel.log.read_text(), what="a line in the log")

    assert panel.presents() == old


def test_the_https_listener_opens_when_there_is_a_pair_and_the_redirect_leads_there_only_then(new_panel):
    panel = new_panel
    panel.run(
        "from pbxcerts.system.models import General\nGeneral.load(); General.objects.update(redirect_to_https=True)"
    )
    assert panel.get("/login/?next=/").status == 200
    with pytest.raises(ConnectionRefusedError):
        panel.handshake()

    panel.wait_until_it_presents(panel.serve())

    answer = panel.get("/login/?next=/")
    assert answer.status == 302
    assert answer.headers["Location"] == f"https://127.0.0.1:{panel.https}/login/?next=/"
    secure = http.client.HTTPSConnection("127.0.0.1", panel.https, timeout=30, context=trusting_nobody())
    secure.request("GET", "/login/")
    assert secure.getresponse().status == 200
    secure.close()


def test_no_response_names_the_server_and_no_log_names_the_requests(panel):
    answer = panel.get("/login/?secret=in-the-query")

    assert "Server" not in answer.headers
    assert "in-the-query" not in panel.log.read_text()


# Django asks for HSTS only where it believes that the request came over HTTPS.
def test_what_a_client_says_about_its_connection_is_not_believed(panel):
    connection = http.client.HTTPConnection("127.0.0.1", panel.port, timeout=30)
    connection.request("GET", "/login/", headers={"X-Forwarded-Proto": "https"})

    assert "Strict-Transport-Security" not in connection.getresponse().headers
    connection.close()


def test_our_own_https_asks_for_no_hsts_as_its_root_changes(panel):
    panel.wait_until_it_presents(panel.serve())
    connection = http.client.HTTPSConnection("127.0.0.1", panel.https, timeout=30, context=trusting_nobody())
    connection.request("GET", "/login/")
    answer = connection.getresponse()

    assert answer.status == 200
    assert "Strict-Transport-Security" not in answer.headers
    connection.close()


def test_what_a_declared_proxy_says_is_believed(tmp_path):
    with Tree(tmp_path) as tree:
        tree.install().start(PBXCERTS_TRUSTED_PROXIES="127.0.0.1", PBXCERTS_HSTS_SECONDS="60")
        connection = http.client.HTTPConnection("127.0.0.1", tree.port, timeout=30)
        connection.request("GET", "/login/", headers={"X-Forwarded-Proto": "https"})

        assert "Strict-Transport-Security" in connection.getresponse().headers
        connection.close()
