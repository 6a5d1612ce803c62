"""Which certificate a port presents, whatever stands behind it."""

import hashlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from certificates.pki import formats
from certificates.presented import look, look_at_all, split_address
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
    return f"127.0.0.1:{listening.getsockname()[1]}", thread


def test_it_sees_the_certificate_whoever_signed_it_and_whatever_names_it_has(servers):
    server = servers()
    seen = look(server.address)
    assert (seen.sha256, seen.error, seen.reached) == (fingerprint(server.certificate), "", True)
    by_name = look(f"localhost:{server.port}")
    assert by_name.sha256 == seen.sha256


def test_all_are_looked_at_side_by_side(servers):
    one, two = servers(), servers()
    seen = look_at_all([one.address, two.address])
    assert {address: presented.sha256 for address, presented in seen.items()} == {
        one.address: fingerprint(one.certificate),
        two.address: fingerprint(two.certificate),
    }
    assert look_at_all([]) == {}


def test_a_closed_port_is_not_reached():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    seen = look(address)
    assert not seen.reached
    assert "refused" in seen.error


def test_a_port_that_says_nothing_is_given_up(silent):
    seen = look(silent, timeout=0.2)
    assert not seen.reached
    assert "timed out" in seen.error


@pytest.mark.parametrize(
    "answer", [lambda c: c.sendall(b"SIP/2.0 400 Bad\r\n\r\n"), lambda c: None], ids=["SIP", "end"]
)
def test_what_is_not_tls_is_not_reached(answer):
    address, thread = answering(answer)
    seen = look(address, timeout=5)
    thread.join()
    assert not seen.reached
    assert seen.error


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
    seen = look(address)
    thread.join()
    assert seen.sha256 == hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest(), seen.error


@pytest.mark.parametrize("address", ["", "pbx", "pbx:", ":5061", "pbx:0", "pbx:65536", "pbx:x", "[::1]", "pbx:-1"])
def test_what_is_no_address_is_not_reached_and_ends_no_heartbeat(address):
    with pytest.raises(ValueError, match=r"^"):
        split_address(address)
    assert not look(address).reached


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("pbx.example.com:5061", ("pbx.example.com", 5061)),
        ("192.0.2.1:5061", ("192.0.2.1", 5061)),
        ("[2001:db8::1]:5061", ("2001:db8::1", 5061)),
    ],
)
def test_an_address_is_a_host_and_a_port(address, parts):
    assert split_address(address) == parts
