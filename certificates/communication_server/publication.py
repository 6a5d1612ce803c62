"""What belongs on the communication server's file system, as a value (rule store-layout)."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509

from certificates.pki import formats
from certificates.pki.keys import SecretPem


@dataclass(frozen=True)
class PublishedPair:
    """A pair as it belongs on the file system. `host_key` is None once the key has been deleted."""

    number: int
    root: x509.Certificate
    host: x509.Certificate
    host_key: SecretPem | None

    @property
    def directory(self) -> str:
        return f"generations/{self.number:04d}"

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The content of each file of its directory, by name."""
        files = {
            "root.pem": formats.pem(self.root),
            "host.pem": formats.pem(self.host),
            "fullchain.pem": formats.fullchain_pem(self.host, self.root),
            "root.der": formats.der(self.root),
            "host.der": formats.der(self.host),
        }
        if self.host_key is not None:
            files["host.key"] = self.host_key.reveal()
            files["agent.pem"] = formats.agent_pem(self.host, self.host_key)
        return files


@dataclass(frozen=True)
class Publication:
    """All that belongs on the file system at one moment. `bundle` holds the certificates of the trust bundle in order.

    `lost`: the pairs whose host key no key of the list decrypts; their published files are left as they are.
    """

    pairs: tuple[PublishedPair, ...]
    current: int | None
    next: int | None
    bundle: tuple[x509.Certificate, ...]
    lost: tuple[int, ...] = ()

    @cached_property
    def trust_pem(self) -> bytes:
        return formats.pem(*self.bundle)

    @cached_property
    def links(self) -> dict[str, str]:
        """Name and target of each symlink that is to be there."""
        links = {}
        if self.bundle:
            links["trust.pem"] = f"trust/{hashlib.sha256(self.trust_pem).hexdigest()[:16]}.pem"
        if self.next is not None:
            links["next"] = f"generations/{self.next:04d}"
        if self.current is not None:
            links["current"] = f"generations/{self.current:04d}"
        return links
