"""Which certificates a terminal of a type is to get now: as bytes, with a version that names the generations in it (DESIGN 3.7)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from cryptography import x509

from certificates.models import Generation
from certificates.pki import formats
from certificates.situation import Situation
from terminals.models import TerminalType, TrustFormats, Wants

MEDIA_TYPES = {
    TrustFormats.PEM: "application/x-pem-file",
    TrustFormats.DER: "application/pkix-cert",
    TrustFormats.P7B: "application/x-pkcs7-certificates",
}
_VERSION = re.compile(r"([1-9][0-9]{0,9}(?:-[1-9][0-9]{0,9})*)\.[0-9a-f]{8}", re.ASCII)


class NoTrustFile(Exception):
    """NoTrustFile
    ├── NothingToTrust    no pair has been made, or none that this type can take yet
    └── TooLarge          even the roots that it cannot do without are larger than the type allows
    """


class NothingToTrust(NoTrustFile):
    pass


class TooLarge(NoTrustFile):
    pass


@dataclass(frozen=True)
class TrustFile:
    """`generations`: whose roots a terminal trusts that has taken it, the newest first. `version` names these and the content."""

    content: bytes
    format: TrustFormats
    generations: tuple[int, ...]

    @property
    def version(self) -> str:
        """`8-7.3fb1c2d4`: the generations, then the beginning of the content's SHA-256."""
        numbers = "-".join(str(number) for number in self.generations)
        return f"{numbers}.{hashlib.sha256(self.content).hexdigest()[:8]}"

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]


def generations_of(version: str) -> frozenset[int]:
    """Whose roots the file of this version held; none for what is no version of ours."""
    match = _VERSION.fullmatch(version)
    return frozenset(int(number) for number in match[1].split("-")) if match else frozenset()


def trust_file(situation: Situation, terminal_type: TerminalType, *, lacks_active: bool = False) -> TrustFile:
    """The file for terminals of this type as things stand. Raises NoTrustFile.

    A type that holds only one certificate gets that of the active pair: its predecessor would leave it without calls. A file
    that holds one is that of the pair that is handed out; for those that have no calls because they lack the active one, that
    of the active one (`lacks_active`). A bundle that is larger than the type allows goes without its host certificates, then
    without the pair served before.
    """
    pairs = _pairs(situation, terminal_type, lacks_active=lacks_active)
    if not pairs:
        raise NothingToTrust
    form = TrustFormats(terminal_type.trust_format)
    # Without the pair served before no terminal is out of date (DESIGN 3.4).
    needed = tuple(pair for pair in pairs if pair in {situation.pending, situation.active})
    for some in (pairs, needed):
        for certificates in _choices(some, Wants(terminal_type.wants)):
            content = _encoded(certificates, form)
            if terminal_type.size_limit is None or len(content) <= terminal_type.size_limit:
                return TrustFile(content, form, tuple(pair.number for pair in some))
    raise TooLarge


def _pairs(situation: Situation, terminal_type: TerminalType, *, lacks_active: bool) -> tuple[Generation, ...]:
    one_in_a_file = terminal_type.trust_format == TrustFormats.DER
    if terminal_type.holds_only_one or (one_in_a_file and lacks_active):
        return (situation.active,) if situation.active else ()
    if one_in_a_file:
        # A terminal that holds several has got the other one with the file before.
        return situation.in_bundle[:1]
    return situation.in_bundle


def _choices(pairs: tuple[Generation, ...], wants: Wants) -> list[list[x509.Certificate]]:
    roots = [pair.root for pair in pairs]
    match wants:
        case Wants.ROOT:
            return [roots]
        case Wants.HOST:
            return [[pair.host for pair in pairs]]
        case Wants.BUNDLE:
            return [formats.trust_bundle((pair.root, pair.host) for pair in pairs), roots]


def _encoded(certificates: list[x509.Certificate], form: TrustFormats) -> bytes:
    match form:
        case TrustFormats.PEM:
            return formats.pem(*certificates)
        case TrustFormats.DER:
            return formats.der(certificates[0])
        case TrustFormats.P7B:
            return formats.pkcs7_pem(certificates)
