"""The files that an administrator takes along: certificates only, never a private key (rule never-a-key)."""

import enum
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from django.utils.text import slugify
from django.utils.translation import ngettext

from certificates.models import Generation
from certificates.pki import formats
from certificates.renewal.situation import Situation


class DownloadKind(enum.StrEnum):
    HOST = "host"
    ROOT = "root"
    CHAIN = "chain"
    """Host, then root: what a TLS server sends."""
    TRUST = "trust"
    """What a terminal is to trust: root and host certificates."""


class DownloadFormat(enum.StrEnum):
    PEM = "pem"
    DER = "der"
    P7B = "p7b"


# RFC 8555 section 9.1, RFC 2585 section 4.1, RFC 5273 and what Windows registers for .p7b
_MEDIA_TYPES = {
    DownloadFormat.PEM: "application/x-pem-file",
    DownloadFormat.DER: "application/pkix-cert",
    DownloadFormat.P7B: "application/x-pkcs7-certificates",
}
_CHAIN_IN_PEM = "application/pem-certificate-chain"

OFFERED: dict[DownloadKind, tuple[DownloadFormat, ...]] = {
    DownloadKind.ROOT: (DownloadFormat.PEM, DownloadFormat.DER),
    DownloadKind.HOST: (DownloadFormat.PEM, DownloadFormat.DER),
    DownloadKind.CHAIN: (DownloadFormat.PEM, DownloadFormat.P7B),
    DownloadKind.TRUST: (DownloadFormat.PEM, DownloadFormat.P7B),
}
"""What is given out, in the order of the menu."""


def title(kind: DownloadKind, form: DownloadFormat, generations: Sequence[int]) -> str:
    """What a file holds: one title is one content, wherever it stands (rule one-title)."""
    count = len(generations)
    match kind:
        case DownloadKind.ROOT:
            words = ngettext(
                "Root certificate of generation %(numbers)s, %(format)s",
                "Root certificates of generations %(numbers)s, %(format)s",
                count,
            )
        case DownloadKind.HOST:
            words = ngettext(
                "Host certificate of generation %(numbers)s, %(format)s",
                "Host certificates of generations %(numbers)s, %(format)s",
                count,
            )
        case DownloadKind.CHAIN:
            words = ngettext(
                "Chain of host and root of generation %(numbers)s, %(format)s",
                "Chains of host and root of generations %(numbers)s, %(format)s",
                count,
            )
        case DownloadKind.TRUST:
            words = ngettext(
                "Trust bundle of generation %(numbers)s, %(format)s",
                "Trust bundle of generations %(numbers)s, %(format)s",
                count,
            )
    return words % {"numbers": ", ".join(str(number) for number in generations), "format": written(form)}


def written(form: DownloadFormat) -> str:
    return "PKCS#7" if form is DownloadFormat.P7B else form.upper()


class NothingToDownload(Exception):
    """There is no such pair, or this kind is not given out in this format."""


@dataclass(frozen=True)
class DownloadFile:
    name: str
    content: bytes
    media_type: str


def pair_to_download(situation: Situation) -> Generation | None:
    """The pair whose certificates an administrator takes along: the prepared one while there is one, else the active one
    (rule never-a-key). None while another one may be served (rule what-is-served-stays).

    Telephones are handed out a held pair as well (`terminals.rollout.target.rollout_target`).
    """
    if situation.standing.rests:
        return None
    pending = situation.pending
    if pending is not None and pending.state == Generation.State.PREPARED:
        return pending
    return situation.active


def generations_in(situation: Situation, kind: DownloadKind, form: DownloadFormat) -> tuple[Generation, ...]:
    """Whose certificates a file holds, the newest first. What a telephone is to trust holds those of all pairs in the trust
    bundle, where the format holds several (rule one-title). Empty where there is no pair.
    """
    pair = pair_to_download(situation)
    if pair is None:
        return ()
    for_telephones = kind is DownloadKind.TRUST or (kind is DownloadKind.ROOT and form is not DownloadFormat.DER)
    return situation.in_bundle if for_telephones else (pair,)


def of_situation(situation: Situation, kind: DownloadKind, form: DownloadFormat) -> DownloadFile:
    """A file as things stand. Raises NothingToDownload."""
    pairs = generations_in(situation, kind, form)
    if not pairs:
        raise NothingToDownload
    return _of(pairs, kind, form, site_name=situation.general.site_name)


def of_pair(pair: Generation, kind: DownloadKind, form: DownloadFormat, *, site_name: str) -> DownloadFile:
    """A file of this pair alone. Raises NothingToDownload."""
    if not pair.is_pair:
        raise NothingToDownload
    return _of((pair,), kind, form, site_name=site_name)


def _of(pairs: Sequence[Generation], kind: DownloadKind, form: DownloadFormat, *, site_name: str) -> DownloadFile:
    match kind:
        case DownloadKind.HOST:
            certificates = [pair.host for pair in pairs]
        case DownloadKind.ROOT:
            certificates = [pair.root for pair in pairs]
        case DownloadKind.CHAIN:
            certificates = [certificate for pair in pairs for certificate in (pair.host, pair.root)]
        case DownloadKind.TRUST:
            certificates = formats.trust_bundle((pair.root, pair.host) for pair in pairs)
    return _file(site_name, [pair.number for pair in pairs], kind, form, certificates)


_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "Ss"})


def file_name_part(name: str, *, default: str) -> str:
    """A name that a person gave, as part of a file name in ASCII. Umlauts are spelt as German does without them."""
    composed = unicodedata.normalize("NFC", name)
    return slugify(composed.translate(_GERMAN)) or default


def _file(
    site_name: str, numbers: list[int], kind: DownloadKind, form: DownloadFormat, certificates: list[x509.Certificate]
) -> DownloadFile:
    if form not in OFFERED[kind]:
        raise NothingToDownload
    match form:
        case DownloadFormat.PEM:
            content = formats.pem(*certificates)
        case DownloadFormat.DER:
            content = formats.der(certificates[0])
        case DownloadFormat.P7B:
            content = formats.pkcs7_pem(certificates)
    is_chain = form is DownloadFormat.PEM and kind is DownloadKind.CHAIN
    named = "-".join(f"{number:04d}" for number in numbers)
    return DownloadFile(
        name=f"{file_name_part(site_name, default='pbxcerts')}-{named}-{kind}.{form}",
        content=content,
        media_type=_CHAIN_IN_PEM if is_chain else _MEDIA_TYPES[form],
    )
