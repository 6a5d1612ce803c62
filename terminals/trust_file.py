"""Which certificates a terminal of a type is to get now, as bytes (rules trust-file, versioned-file)."""

import hashlib
import math
import re
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509

from certificates import downloads
from certificates.downloads import DownloadFormat, DownloadKind
from certificates.models import Generation
from certificates.pki import formats
from certificates.pki.expected import PairOctets
from certificates.renewal.situation import Situation
from terminals.drivers.base import AnchorsCome, TrustFormat
from terminals.models import TerminalType, TrustContents, TrustFormats

MEDIA_TYPES = {
    TrustFormats.PEM: "application/x-pem-file",
    TrustFormats.DER: "application/pkix-cert",
    TrustFormats.P7B: "application/x-pkcs7-certificates",
}
_KINDS = {
    TrustContents.ROOT: DownloadKind.ROOT,
    TrustContents.HOST: DownloadKind.HOST,
    TrustContents.BUNDLE: DownloadKind.TRUST,
}
_OF_PKCS7 = 40
"""Octets of an empty certs-only PKCS#7, and less what its PEM has a shorter name than a certificate."""
_VERSION = re.compile(r"([1-9][0-9]{0,9}(?:-[1-9][0-9]{0,9})*)\.[0-9a-f]{8}", re.ASCII)


class NoTrustFile(Exception):
    """NoTrustFile
    ├── NothingToTrust      no pair has been made, or none that this type can take yet
    │   └── StoreUndecided  another root than those known here may be served (rule what-is-served-stays)
    └── TrustFileTooLarge   even the roots that it cannot do without are larger than the type allows
    """


class NothingToTrust(NoTrustFile):
    pass


class StoreUndecided(NothingToTrust):
    pass


class TrustFileTooLarge(NoTrustFile):
    pass


@dataclass(frozen=True)
class TrustFile:
    """`generations`: whose roots a terminal trusts that has taken it, the newest first. `contents` may be less than its type
    wants (rule trust-file). `version` names the generations and the content.
    """

    content: bytes
    format: TrustFormats
    generations: tuple[int, ...]
    contents: TrustContents

    @property
    def title(self) -> str:
        """As the same file is called on the page of the certificates (rule one-title)."""
        return downloads.title(_KINDS[self.contents], DownloadFormat(self.format.value), self.generations)

    @cached_property
    def version(self) -> str:
        """`8-7.3fb1c2d4`: the generations, then the beginning of the content's SHA-256. Kept, because the configuration of each of
        thousands of telephones names it.
        """
        numbers = "-".join(str(number) for number in self.generations)
        return f"{numbers}.{hashlib.sha256(self.content).hexdigest()[:8]}"

    @cached_property
    def text(self) -> str:
        """Its content, if that is PEM, else nothing. Kept, because thousands of configurations hold it."""
        return self.content.decode() if self.format is TrustFormats.PEM else ""

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]


def generations_of(version: str) -> frozenset[int]:
    """Whose roots the file of this version held; none for what is no version of ours."""
    match = _VERSION.fullmatch(version)
    return frozenset(int(number) for number in match[1].split("-")) if match else frozenset()


def trust_file(situation: Situation, terminal_type: TerminalType, *, lacks_active: bool = False) -> TrustFile:
    """The file for terminals of this type as things stand (rules trust-file, holds-only-one). Raises NoTrustFile.

    `lacks_active`: it is for terminals that do not trust the active pair (rule served-first).
    """
    if situation.standing.rests:
        raise StoreUndecided
    pairs = _pairs(situation, terminal_type, lacks_active=lacks_active)
    if not pairs:
        raise NothingToTrust
    # Without the pair served before no terminal is out of date (rule superseded).
    return _file_of(terminal_type, pairs, _needed(situation, pairs))


def trust_files(situation: Situation, terminal_type: TerminalType) -> tuple[TrustFile, ...]:
    """What the listeners have for terminals of this type: one file, or one for each trust anchor where they do not come together,
    that of the served pair first (rule anchors-in-turn). Raises NoTrustFile.
    """
    come = terminal_type.driver.capabilities.come
    if come is AnchorsCome.TOGETHER:
        return (trust_file(situation, terminal_type),)
    if situation.standing.rests:
        raise StoreUndecided
    pairs = situation.in_bundle
    if terminal_type.holds_only_one:
        pairs = (situation.active,) if situation.active else ()
    elif come is AnchorsCome.IN_TURN:
        # One that nothing serves any more would only fill its list.
        pairs = _needed(situation, pairs)
    if not pairs:
        raise NothingToTrust
    served_first = sorted(pairs, key=lambda pair: pair != situation.active)
    return tuple(_file_of(terminal_type, (pair,)) for pair in served_first)


def next_size(terminal_type: TerminalType, active: Generation, following: PairOctets, *, hands_over: bool) -> int:
    """About how many octets the least file has, for terminals of this type, that they can't do without once the following pair is
    prepared beside this one. `hands_over`: they are to trust both.
    """
    form = TrustFormat(terminal_type.trust_format)
    gets_host = TrustContents(terminal_type.wants) is TrustContents.HOST
    sizes = [following.host if gets_host else following.root]
    together = terminal_type.driver.capabilities.come is AnchorsCome.TOGETHER
    if together and form.holds_several and hands_over and not terminal_type.holds_only_one:
        # One renewal later both are as large.
        sizes.append(max(sizes[0], len(formats.der(active.host if gets_host else active.root))))
    match form:
        case TrustFormat.PEM:
            return sum(map(formats.pem_octets, sizes))
        case TrustFormat.DER:
            return sizes[0]
        case TrustFormat.P7B:
            return formats.pem_octets(sum(sizes) + _OF_PKCS7)


def _needed(situation: Situation, pairs: tuple[Generation, ...]) -> tuple[Generation, ...]:
    return tuple(pair for pair in pairs if pair in {situation.pending, situation.active})


def _file_of(terminal_type: TerminalType, *choices: tuple[Generation, ...]) -> TrustFile:
    """The file of the first of these pairs that are not too many, or too large, for terminals of this type."""
    form = TrustFormats(terminal_type.trust_format)
    can = terminal_type.driver.capabilities
    largest = math.inf if terminal_type.largest_file is None else terminal_type.largest_file
    most = math.inf if can.anchors is None else can.anchors
    for some in choices:
        for contents, certificates in _choices(some, TrustContents(terminal_type.wants)):
            content = _encoded(certificates, form)
            if len(content) <= largest and len(certificates) <= most:
                return TrustFile(content, form, tuple(pair.number for pair in some), contents)
    raise TrustFileTooLarge


def _pairs(situation: Situation, terminal_type: TerminalType, *, lacks_active: bool) -> tuple[Generation, ...]:
    one_in_a_file = not TrustFormat(terminal_type.trust_format).holds_several
    if terminal_type.holds_only_one or (one_in_a_file and lacks_active):
        return (situation.active,) if situation.active else ()
    if one_in_a_file:
        # A terminal that holds several has got the other one with the file before.
        return situation.in_bundle[:1]
    return situation.in_bundle


def _choices(pairs: tuple[Generation, ...], wants: TrustContents) -> list[tuple[TrustContents, list[x509.Certificate]]]:
    roots = (TrustContents.ROOT, [pair.root for pair in pairs])
    match wants:
        case TrustContents.ROOT:
            return [roots]
        case TrustContents.HOST:
            return [(wants, [pair.host for pair in pairs])]
        case TrustContents.BUNDLE:
            return [(wants, formats.trust_bundle((pair.root, pair.host) for pair in pairs)), roots]


def _encoded(certificates: list[x509.Certificate], form: TrustFormats) -> bytes:
    match form:
        case TrustFormats.PEM:
            return formats.pem(*certificates)
        case TrustFormats.DER:
            return formats.der(certificates[0])
        case TrustFormats.P7B:
            return formats.pkcs7_pem(certificates)
