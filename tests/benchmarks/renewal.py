"""A renewal, from the start of the heartbeat that finds it due to "published and verified", rows and flushes included.

Beside it the same two keys and certificates one after the other in the cryptography package, and in four commands of openssl.
"""

import gc
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address

from tests.benchmarks.measuring import Line, Moment, in_turn, lines_of, run, set_up_django

DIRECTORY = set_up_django()

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from certificates.communication_server.mark import StoreMark
from certificates.communication_server.publication import Publication
from certificates.communication_server.store import Store
from certificates.models import Generation, Settings
from certificates.renewal.orders import GenerationOrder, order_generation
from certificates.status.observing import communication_server
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from tests.support.peers import require_program

NAME, ADDRESS = "pbx.example.org", "192.0.2.10"
YEAR = timedelta(days=365)
LINKS = ("trust.pem", "next", "current")
OPENSSL_KEY = {"rsa2048": "-newkey rsa:2048", "p256": "-newkey ec -pkeyopt ec_paramgen_curve:P-256"}

# A process of its own: in this one it would share the interpreter's lock with what is measured.
RESPONDER = """
import sys
from tests.support.ntp import NtpResponder
with NtpResponder() as ntp:
    print(ntp.server, flush=True)
    sys.stdin.read()
"""


class Product:
    """An installation whose active pair is due; `make_due` takes it back to that."""

    def __init__(self, key_type: str, ntp_server: str) -> None:
        self.key_type = key_type
        general = General.load()
        general.fqdn, general.ip_addresses, general.on_this_machine = NAME, [ADDRESS], False
        general.ntp_enabled, general.ntp_servers = True, [ntp_server]
        general.save()
        Settings.load()

    def first(self, *, overlap_days: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for table in ("transition", "switch", "generation"):
                cursor.execute(f"DELETE FROM certificates_{table}")
        shutil.rmtree(django_settings.STORE, ignore_errors=True)
        Settings.objects.update(key_type=self.key_type, overlap_days=overlap_days)
        timekeeping.check_clock()
        order_generation(timekeeping.current_clock(), GenerationOrder(Generation.Trigger.COMMAND))
        beat()

    def make_due(self, *, overlap_days: int) -> None:
        """A new installation each time: what a renewal leaves is not what it began with."""
        self.first(overlap_days=overlap_days)
        now = timezone.now()
        made_at = now - YEAR - timedelta(minutes=1)
        local = (now - timedelta(minutes=1)).astimezone(General.load().zone)
        Settings.objects.update(generation_time=local.time().replace(second=0, microsecond=0))
        Generation.objects.update(
            made_at=made_at, not_before=made_at, planned=now, end=now + timedelta(days=overlap_days, hours=1)
        )


class WatchedStore(Store):
    """Remembers when the publication was done that let the links show what they show now."""

    def publish(self, wanted: Publication, mark: StoreMark | None = None) -> None:
        before = [self.target(name) for name in LINKS]
        super().publish(wanted, mark)
        if before != [self.target(name) for name in LINKS]:
            self.published = Moment.now()


def renew(state: str) -> Moment:
    """Up to "published and verified"; what the heartbeat does after that, messages and all, is not the renewal."""
    store = WatchedStore(django_settings.STORE)
    outcome = beat(server=replace(communication_server(), store=store))
    assert outcome.publish_failure == ""
    newest = outcome.situation.generations[0]
    assert (newest.number, newest.state) == (2, state)
    return store.published


def floor(key_type):
    """Two keys and two certificates with the product's extensions, one after the other, and nothing else."""
    root_key, root_name = _key(key_type), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    root = (
        _builder(root_name, root_name, root_key, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    host_key, host_name = _key(key_type), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    host = (
        _builder(host_name, root_name, host_key, root_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address(ADDRESS))]), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    root.public_bytes(pem)
    host.public_bytes(pem)
    host_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _key(key_type: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1()) if key_type == "p256" else rsa.generate_private_key(65537, 2048)


def _builder(subject, issuer, key, issuer_key):
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + YEAR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(**true: bool) -> x509.KeyUsage:
    bits = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    bits += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{bit: true.get(bit, False) for bit in bits})


def openssl(key_type):
    """A key and a self-signed root, a key and a request, the host certificate: what an administrator types."""
    program, place = require_program("openssl"), DIRECTORY / "openssl"
    place.mkdir(exist_ok=True)
    (place / "host.ext").write_text(
        f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
        f"subjectAltName=DNS:{NAME},IP:{ADDRESS}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    algorithm = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"
    if key_type == "p256":
        algorithm = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
    for command in (
        f"genpkey {algorithm} -out root.key",
        "req -x509 -new -key root.key -days 395 -subj /CN=Root -addext basicConstraints=critical,CA:TRUE,pathlen:0 "
        "-addext keyUsage=critical,keyCertSign,cRLSign -out root.pem",
        f"req -new {OPENSSL_KEY[key_type]} -nodes -keyout host.key -subj /CN={NAME} -out host.csr",
        "x509 -req -in host.csr -CA root.pem -CAkey root.key -CAcreateserial -days 395 -extfile host.ext -out host.pem",
    ):
        subprocess.run([program, *command.split()], cwd=place, check=True, capture_output=True)


def benchmark(rounds):
    lines = []
    # As in the worker that `up` starts: what is loaded is not looked through again and again.
    gc.freeze()
    responder = subprocess.Popen(
        [sys.executable, "-c", RESPONDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with responder:
        server = responder.stdout.readline().strip()
        for key_type, beside_floor, beside_openssl in (
            ("rsa2048", "at most 1.1", "at most 0.3"),
            ("p256", "", "at most 0.5"),
        ):
            product = Product(key_type, server)
            renewed, switched = f"{key_type}: made for a handover", f"{key_type}: made and switched at once"
            floored, typed = f"{key_type}: the cryptography package", f"{key_type}: four commands of openssl"
            medians = in_turn(
                rounds,
                {
                    renewed: partial(renew, "prepared"),
                    floored: partial(floor, key_type),
                    switched: partial(renew, "active"),
                    typed: partial(openssl, key_type),
                },
                {
                    renewed: partial(product.make_due, overlap_days=30),
                    switched: partial(product.make_due, overlap_days=0),
                },
            )
            comparisons = {
                (what, other): target
                for what in (renewed, switched)
                for other, target in ((floored, beside_floor), (typed, beside_openssl))
            }
            lines += lines_of(medians, comparisons)
            lines += [
                Line(
                    f"{what}, more than the floor",
                    f"{medians[what].wall - medians[floored].wall:+.1f} ms"
                    f" (best {medians[what].best - medians[floored].best:+.1f} ms)",
                    target="at most +15 ms",
                )
                for what in (renewed, switched)
                if key_type == "p256"
            ]
        responder.stdin.close()
    return lines


if __name__ == "__main__":
    run(benchmark)
