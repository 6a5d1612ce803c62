"""The files that an administrator takes along: certificates only, never a private key."""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass

from cryptography import x509
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from certificates.models import Generation
from certificates.pki import formats
from certificates.situation import Situation


class Kind(enum.StrEnum):
    HOST = "host"
    ROOT = "root"
    CHAIN = "chain"
    """Host, then root: what a TLS server sends."""
    TRUST = "trust"
    """What a terminal is to trust; during a handover the certificates of both pairs."""


class Format(enum.StrEnum):
    PEM = "pem"
    DER = "der"
    P7B = "p7b"


# RFC 8555 section 9.1, RFC 2585 section 4.1, RFC 5273 and what Windows registers for .p7b
_MEDIA_TYPES = {
    Format.PEM: "application/x-pem-file",
    Format.DER: "application/pkix-cert",
    Format.P7B: "application/x-pkcs7-certificates",
}
_CHAIN_IN_PEM = "application/pem-certificate-chain"

# What is given out, in the order of the menu.
TITLES: dict[tuple[Kind, Format], Promise] = {
    (Kind.ROOT, Format.PEM): _("Root certificate, PEM"),
    (Kind.ROOT, Format.DER): _("Root certificate, DER"),
    (Kind.HOST, Format.PEM): _("Host certificate, PEM"),
    (Kind.HOST, Format.DER): _("Host certificate, DER"),
    (Kind.CHAIN, Format.PEM): _("Chain of host and root, PEM"),
    (Kind.CHAIN, Format.P7B): _("Chain of host and root, PKCS#7"),
    (Kind.TRUST, Format.PEM): _("Trust bundle, PEM"),
    (Kind.TRUST, Format.P7B): _("Trust bundle, PKCS#7"),
}
OFFERED = {kind: tuple(form for offered, form in TITLES if offered is kind) for kind in Kind}


class NothingToDownload(Exception):
    """There is no such pair, or this kind is not given out in this format."""


@dataclass(frozen=True)
class File:
    name: str
    content: bytes
    media_type: str


def handed_out(situation: Situation) -> Generation | None:
    """Whose certificates terminals are to have: during a handover the prepared pair, else the active one."""
    pending = situation.pending
    if pending is not None and pending.state == Generation.State.PREPARED:
        return pending
    return situation.active


def of_situation(situation: Situation, kind: Kind, form: Format) -> File:
    """As things stand: of the pair that is handed out, or the trust bundle in force. Raises NothingToDownload."""
    pair = handed_out(situation)
    if pair is None:
        raise NothingToDownload
    if kind is Kind.TRUST:
        return _file(situation.general.site_name, pair.number, kind, form, list(situation.bundle))
    return of_pair(pair, kind, form, site_name=situation.general.site_name)


def of_pair(pair: Generation, kind: Kind, form: Format, *, site_name: str) -> File:
    """Of one pair; its trust bundle is its root and its host certificate. Raises NothingToDownload."""
    if not pair.is_pair:
        raise NothingToDownload
    certificates = {
        Kind.HOST: [pair.host],
        Kind.ROOT: [pair.root],
        Kind.CHAIN: [pair.host, pair.root],
        Kind.TRUST: formats.trust_bundle([(pair.root, pair.host)]),
    }
    return _file(site_name, pair.number, kind, form, certificates[kind])


_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "Ss"})


def file_name_part(name: str, *, default: str) -> str:
    """A name that a person gave, as part of a file name: ASCII, German letters as they are written where these are missing."""
    composed = unicodedata.normalize("NFC", name)
    return slugify(composed.translate(_GERMAN)) or default


def _file(site_name: str, number: int, kind: Kind, form: Format, certificates: list[x509.Certificate]) -> File:
    if form not in OFFERED[kind]:
        raise NothingToDownload
    match form:
        case Format.PEM:
            content = formats.pem(*certificates)
        case Format.DER:
            content = formats.der(certificates[0])
        case Format.P7B:
            content = formats.pkcs7_pem(certificates)
    is_chain = form is Format.PEM and kind is Kind.CHAIN
    return File(
        name=f"{file_name_part(site_name, default='pbxcerts')}-{number:04d}-{kind}.{form}",
        content=content,
        media_type=_CHAIN_IN_PEM if is_chain else _MEDIA_TYPES[form],
    )
