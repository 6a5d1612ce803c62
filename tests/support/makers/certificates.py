"""Certificates as telephones read them, and what openssl makes of a chain with those that one trusts."""

import binascii
import re
import ssl
import subprocess
import tempfile
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
ERROR = re.compile(r"error \d+ at \d+ depth lookup: ?(.+)|verify error:num=\d+:(.+)")


class Unreadable(Exception):
    """What was given is no certificate, or not in a form that the telephone reads."""


def from_pem(text):
    """All certificates of a text, as OpenSSL reads them: without its line breaks a PEM is none."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise Unreadable(f"no PEM: {error}") from None
    return [x509.load_pem_x509_certificate(block.encode()) for block in BLOCK.findall(text)]


def from_der(octets):
    try:
        return x509.load_der_x509_certificate(octets)
    except ValueError as error:
        raise Unreadable(f"no DER: {error}") from None


def from_base64(text):
    """A PEM without its first and last line."""
    try:
        return from_der(binascii.a2b_base64("".join(text.split()), strict_mode=True))
    except binascii.Error as error:
        raise Unreadable(f"no base64: {error}") from None


def as_pem(certificates):
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def refusal_of(chain, *, anchors, at, name=None, takes_hosts=False):
    """Why a chain, as PEM with the server's certificate first, leads to none of `anchors`; "" when it does.

    `takes_hosts`: a server's own certificate among the anchors is enough.
    """
    with tempfile.TemporaryDirectory() as directory:
        host, *others = BLOCK.findall(chain)
        presented, between = Path(directory, "host.pem"), Path(directory, "others.pem")
        presented.write_text(host)
        between.write_text("\n".join(others))
        with trust_options(anchors, at=at, name=name, takes_hosts=takes_hosts) as options:
            untrusted = ["-untrusted", between] if others else []
            return _refusal(["openssl", "verify", *options, *untrusted, presented])


def refusal_in_handshake(host, port, *, anchors, at, name, takes_hosts, ciphers):
    """The same for a server, which sees the alert: at another time of day than the machine's."""
    with trust_options(anchors, at=at, name=name, takes_hosts=takes_hosts) as options:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        limits = ["-tls1_2", "-cipher", ciphers] if ciphers else []
        return _refusal(["openssl", "s_client", "-connect", place, "-verify_return_error", *limits, *options])


@contextmanager
def trust_options(anchors, *, at, name, takes_hosts):
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as store:
        store.write(as_pem(anchors))
        store.flush()
        options = ["-no-CApath", "-no-CAstore", "-attime", str(int(at.timestamp()))]
        options += ["-CAfile", store.name] if anchors else ["-no-CAfile"]
        if takes_hosts:
            options.append("-partial_chain")
        if name:
            options += ["-verify_ip" if is_address(name) else "-verify_hostname", name]
        yield options


def _refusal(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        return ""
    if found := ERROR.search(done.stdout + done.stderr):
        return found[1] or found[2]
    return "no handshake"


def is_address(name):
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
