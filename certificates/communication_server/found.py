"""Pairs and trust bundles as they are found on the communication server's file system, whoever has put them there."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certificates.communication_server.errors import NoPair, PairFault
from certificates.pki import formats
from certificates.pki.errors import UnreadableError
from certificates.pki.keys import SecretPem, load_host_key

LARGEST = 64 * 1024
"""A file of a pair has some 2 kB; what is much larger was not made by this product."""


@dataclass(frozen=True)
class FoundPair:
    """A pair whose root has signed its host certificate and whose key is that certificate's. `number` is that of its
    directory, None where that has none. Whether it is valid now is judged elsewhere.
    """

    root: x509.Certificate
    host: x509.Certificate
    host_key: SecretPem
    number: int | None = None

    @property
    def host_sha256(self) -> str:
        return sha256(self.host)

    @property
    def root_sha256(self) -> str:
        return sha256(self.root)

    @property
    def not_before(self) -> datetime:
        return max(self.root.not_valid_before_utc, self.host.not_valid_before_utc)

    @property
    def end(self) -> datetime:
        """The first instant at which it is no longer valid: notAfter is inclusive (RFC 5280 section 4.1.2.5)."""
        return min(self.root.not_valid_after_utc, self.host.not_valid_after_utc) + timedelta(seconds=1)


def sha256(certificate: x509.Certificate) -> str:
    """As the database keeps it: lower case, without colons."""
    return formats.sha256_fingerprint(certificate).replace(":", "").lower()


def read_pair(directory: Path) -> FoundPair:
    """Raises NoPair."""
    root = read_certificate(directory / "root.pem")
    host = read_certificate(directory / "host.pem")
    key = SecretPem(_content(directory / "host.key"))
    try:
        belongs = load_host_key(key).public_key() == host.public_key()
    except UnreadableError as error:
        raise NoPair(directory / "host.key", PairFault.UNREADABLE) from error
    if not belongs:
        raise NoPair(directory / "host.key", PairFault.KEY)
    try:
        root.verify_directly_issued_by(root)
        host.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise NoPair(directory / "host.pem", PairFault.SIGNATURE) from error
    return FoundPair(root, host, key)


def read_certificate(file: Path) -> x509.Certificate:
    """Raises NoPair."""
    try:
        return formats.load_pem(_content(file))
    except UnreadableError as error:
        raise NoPair(file, PairFault.UNREADABLE) from error


def read_bundle(file: Path) -> frozenset[str]:
    """The SHA-256 of every certificate in a trust bundle; none where it can't be read."""
    try:
        return frozenset(map(sha256, x509.load_pem_x509_certificates(_content(file))))
    except (NoPair, ValueError):
        return frozenset()


def _content(file: Path) -> bytes:
    try:
        # Not waiting for whoever writes into a named pipe.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as handle:
            content = handle.read(LARGEST + 1) or b""
    except OSError as error:
        raise NoPair(file, PairFault.UNREADABLE) from error
    if len(content) > LARGEST:
        raise NoPair(file, PairFault.UNREADABLE)
    return content
