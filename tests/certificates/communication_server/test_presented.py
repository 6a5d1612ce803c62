"""Which certificate a port presents, whatever stands behind it."""

import hashlib
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from certificates.communication_server.presented import (
    certificate_in_clear,
    look_at_tls_address,
    look_at_tls_addresses,
)
from certificates.pki import formats
from tests.support.peers import require_program
from tests.support.tls_server import TlsServer, fingerprint
from tests.support.x509 import a_pair


def files(place, pair):
    place.mkdir()
    (place / "fullchain.pem").write_bytes(formats.fullchain_pem(pair.host, pair.root))
    (place / "host.key").write_bytes(pair.host_key.reveal())
    return place / "fullchain.pem", place / "host.key"


@pytest.fixture
def servers(tmp_path):
    started = []

    def make():
        chain, key = files(tmp_path / f"pair{len(started)}", a_pair())
        started.append(TlsServer(chain, key, directory=tmp_path, name=f"server{len(started)}").start())
        return started[-1]

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def silent():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def answering(answer):
    """A port that answers one connection with `answer(connection)`; returns address and thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    return f"127.0.0.1:{listening.getsockname()[1]}", serving(listening, answer)


def serving(listening, answer):
    def serve():
        with listening:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(5)
                try:
                    answer(connection)
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_it_sees_the_certificate_whoever_signed_it_and_whatever_names_it_has(servers):
    server = servers()
    seen = look_at_tls_address(server.address)
    assert (seen.sha256, seen.error, seen.reached) == (fingerprint(server.certificate), "", True)
    by_name = look_at_tls_address(f"localhost:{server.port}")
    assert by_name.sha256 == seen.sha256


def test_all_are_looked_at_side_by_side(servers):
    one, two = servers(), servers()
    seen = look_at_tls_addresses([one.address, two.address])
    assert {address: presented.sha256 for address, presented in seen.items()} == {
        one.address: fingerprint(one.certificate),
        two.address: fingerprint(two.certificate),
    }
    assert look_at_tls_addresses([]) == {}


def test_a_closed_port_is_not_reached():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    seen = look_at_tls_address(address)
    assert not seen.reached
    assert "refused" in seen.error


def test_a_port_that_says_nothing_is_given_up(silent):
    seen = look_at_tls_address(silent, timeout=0.2)
    assert (seen.sha256, seen.reached) == ("", True)
    assert "timed out" in seen.error


@pytest.mark.parametrize(
    "answer", [lambda c: c.sendall(b"SIP/2.0 400 Bad\r\n\r\n"), lambda c: None], ids=["SIP", "end"]
)
def test_what_is_not_tls_is_reached_and_presents_nothing(answer):
    address, thread = answering(answer)
    seen = look_at_tls_address(address, timeout=5)
    thread.join()
    assert (seen.sha256, seen.reached) == ("", True)
    assert seen.error


def server_context(tmp_path, pair, **settings):
    chain, key = files(tmp_path / "pair", pair)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def sha256_of(pair):
    return pair.host.fingerprint(hashes.SHA256()).hex()


def handshake(context):
    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    return serve


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_demands_a_certificate_of_ours_is_seen(tmp_path, version):
    pair = a_pair()
    context = server_context(
        tmp_path, pair, minimum_version=version, maximum_version=version, verify_mode=ssl.CERT_REQUIRED
    )
    address, thread = answering(handshake(context))
    seen = look_at_tls_address(address)
    thread.join()
    assert (seen.sha256, seen.error) == (sha256_of(pair), "")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_to_the_server_it_was_a_connection_that_began_and_ended_in_order(tmp_path, version):
    context = server_context(tmp_path, a_pair(), minimum_version=version, maximum_version=version)
    ended = []

    def serve(connection):
        with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as secure:
            ended.append(secure.recv(1))  # "" is TLS's own end (close_notify); a cut would raise.
            secure.unwrap()

    address, thread = answering(serve)
    seen = look_at_tls_address(address)
    thread.join()
    assert seen.error == ""
    assert ended == [b""]


def test_a_server_that_never_stops_talking_holds_it_up_for_a_moment_only(tmp_path):
    context = server_context(tmp_path, a_pair())
    gone = threading.Event()

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            while not gone.wait(0.05):
                secure.sendall(b"x")

    address, thread = answering(serve)
    seen = look_at_tls_address(address, timeout=30)
    gone.set()
    thread.join()
    assert (seen.reached, seen.error) == (True, "")


def records(pair, *, at_a_time=16_384):
    """The first flight of a server that knows no extension, so no secure renegotiation (RFC 5246 section 7.3)."""

    def message(kind, body):
        return bytes([kind]) + len(body).to_bytes(3) + body

    der = [one.public_bytes(serialization.Encoding.DER) for one in (pair.host, pair.root)]
    chain = b"".join(len(one).to_bytes(3) + one for one in der)
    hello = b"\x03\x03" + bytes(range(32)) + b"\0" + b"\x00\x2f" + b"\0"
    flight = message(2, hello) + message(11, len(chain).to_bytes(3) + chain) + message(14, b"")
    parts = [flight[begin : begin + at_a_time] for begin in range(0, len(flight), at_a_time)]
    return [b"\x16\x03\x03" + len(part).to_bytes(2) + part for part in parts]


@pytest.mark.parametrize("at_a_time", [16_384, 100], ids=["one record", "many records"])
def test_a_server_that_ends_the_handshake_or_knows_no_secure_renegotiation_is_seen(at_a_time):
    pair = a_pair()

    def serve(connection):
        connection.recv(65_536)
        for record in records(pair, at_a_time=at_a_time):
            connection.sendall(record)
        connection.recv(65_536)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure

    address, thread = answering(serve)
    seen = look_at_tls_address(address)
    thread.join()
    assert (seen.sha256, seen.error) == (sha256_of(pair), "")


def test_a_certificate_that_is_not_whole_is_none():
    octets = b"".join(records(a_pair()))
    assert certificate_in_clear(octets) is not None
    assert [certificate_in_clear(octets[:length]) for length in range(len(octets) - 1200)] == [None] * (
        len(octets) - 1200
    )
    assert certificate_in_clear(b"\x16\x03\x03\x00\x08\x0b\x00\x00\x04\x00\x00\x01\xff") is None


def test_a_server_without_an_end_is_given_up():
    def serve(connection):
        connection.recv(65_536)
        while True:
            connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x00" * 16_384)

    address, thread = answering(serve)
    seen = look_at_tls_address(address, timeout=5)
    thread.join()
    assert (seen.sha256, seen.reached) == ("", True)


@pytest.mark.peer
def test_gnutls_without_secure_renegotiation_is_seen(tmp_path):
    program = require_program("gnutls-serv")
    pair = a_pair()
    chain, key = files(tmp_path / "pair", pair)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = subprocess.Popen(
        [
            *(program, "--port", str(port), "--x509certfile", chain, "--x509keyfile", key),
            *("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION", "--require-client-cert"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 20
        while not (seen := look_at_tls_address(f"127.0.0.1:{port}")).reached and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        serving.terminate()
        serving.wait()
    assert (seen.sha256, seen.error) == (sha256_of(pair), "")


class TestNames:
    """Of two addresses of which the first is dead: ::1 and 127.0.0.1, both ways round."""

    @pytest.fixture(params=[("::1", "127.0.0.1"), ("127.0.0.1", "::1")], ids=["IPv6 first", "IPv4 first"])
    def two(self, request, names):
        return names("pbx.example", *request.param)

    @pytest.mark.parametrize("dead", ["refuses", "says nothing", "speaks SIP"])
    def test_the_certificate_of_the_second_is_seen_within_the_same_time(self, tmp_path, two, dead):
        pair = a_pair()
        first, second = two.listeners(dead=dead == "refuses")
        context = server_context(tmp_path, pair)
        threads = [serving(second, handshake(context))]
        if dead == "speaks SIP":
            threads.append(serving(first, lambda one: one.sendall(b"SIP/2.0 400 Bad\r\n\r\n")))
        began = time.monotonic()
        seen = look_at_tls_address(f"pbx.example:{two.port}", timeout=5)
        assert (seen.sha256, seen.error) == (sha256_of(pair), "")
        assert time.monotonic() - began < 3
        for thread in threads:
            thread.join()

    def test_where_none_is_there_it_is_not_reached(self, two):
        two.nobody()
        seen = look_at_tls_address(f"pbx.example:{two.port}")
        assert (seen.sha256, seen.reached) == ("", False)
        assert "refused" in seen.error


def test_an_old_server_with_a_weak_certificate_is_seen(tmp_path):
    """That is the one whose certificates are to be replaced."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2001, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tmp_path / "pem")
    address, thread = answering(lambda connection: context.wrap_socket(connection, server_side=True).close())
    seen = look_at_tls_address(address)
    thread.join()
    assert seen.sha256 == hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest(), seen.error


@pytest.mark.parametrize("address", ["", "pbx", "pbx:", ":5061", "pbx:0", "pbx:65536", "pbx:x", "[::1]", "pbx:-1"])
def test_what_is_no_address_is_not_reached_and_ends_no_heartbeat(address):
    assert not look_at_tls_address(address).reached
