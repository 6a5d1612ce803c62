"""Yealink."""

from terminals.drivers.base import gettext_noop
from terminals.drivers.doubts import About, Doubt, PairFacts, TelephoneKind

NAMES = ("yealink",)
ROOM = 10

_OLD = r"(?:sip-)?t(?:19|2\d|3\d|4[0-8]|58)(?!\w*u)"
# With what the firmware of a T46G, T46S, T42S and T58 begins: it tells the model where the type names none (FusionPBX).
_OLD_NUMBERS = {(28,), (66,), (67,), (58,)}
_WITHOUT_CURVES = range(84, 90)
_TEMPLATE = "NethVoice: nethesis/tancredi, yealink.tmpl"

REFUSES_CURVE = Doubt(
    About.KEY,
    serious=True,
    what=gettext_noop(
        "With firmware V84 to V89 this model refuses a certificate with an EC key (“unknown message digest algorithm”) and can't"
        " call then."
    ),
    remedy=gettext_noop("Choose RSA 2048 as the key type."),
    source=_TEMPLATE,
)
MAY_REFUSE_CURVE = Doubt(
    About.KEY,
    serious=False,
    what=gettext_noop(
        "Models T19 to T48S and T58 with firmware V84 to V89 refuse a certificate with an EC key. The list does not say whether"
        " there are any among these."
    ),
    remedy=gettext_noop("If there are, choose RSA 2048 as the key type."),
    source=_TEMPLATE,
)
NEEDS_PLAIN_CIPHERS = Doubt(
    About.KEY,
    serious=False,
    what=gettext_noop("With firmware V84 to V89 this model agrees only on AES with RSA key exchange, without ECDHE."),
    remedy=gettext_noop(
        "Set sip.tls_cipher_list and security.tls_cipher_list to !ECDH:AES:!ADH:!LOW:!NULL at the telephone, and let the"
        " communication server offer AES128-SHA or AES256-GCM-SHA384, for example."
    ),
    source=_TEMPLATE,
)
IS_FULL = Doubt(
    About.ROOM,
    serious=True,
    what=gettext_noop(
        "They hold ten certificates at most, and have taken ten of ours: the new root certificate is refused, and with it the"
        " communication server."
    ),
    remedy=gettext_noop(
        "Delete those that are no longer served at the telephone first: Security > Trusted Certificates, or"
        " static.trusted_certificates.delete. Or let pbxcerts empty the list: the switch stands at the end of the form of the type."
    ),
    source="Yealink SIP-T52S and CP969 administrator guides",
)

MAY_BE_FULL = Doubt(
    About.ROOM,
    serious=False,
    what=gettext_noop(
        "They hold ten certificates at most, and ten of ours have been installed. Where no old one was deleted, the telephone refuses"
        " the next one."
    ),
    remedy=gettext_noop(
        "Whoever installs it deletes those that are no longer served at the telephone first: Security > Trusted Certificates."
    ),
    source="Yealink SIP-T52S and CP969 administrator guides",
)


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    return (*_of_key(pair, kind), *_of_room(kind))


def _of_room(kind: TelephoneKind) -> tuple[Doubt, ...]:
    """What a person has deleted at the telephone nobody tells us."""
    if not kind.is_full:
        return ()
    return (IS_FULL,) if kind.method in NAMES else (MAY_BE_FULL,)


def _of_key(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    # 66.86.0.15 is V86.
    generation = kind.version[1] if kind.version else None
    if generation is not None and generation not in _WITHOUT_CURVES:
        return ()
    is_old = kind.is_called(_OLD) or kind.version[:1] in _OLD_NUMBERS
    if generation is not None and is_old:
        return (REFUSES_CURVE if pair.on_curve else NEEDS_PLAIN_CIPHERS,)
    if not is_old and kind.is_called(r"(?:sip-)?(?:t\d\d|w\d|cp\d|vp\d|ax\d)"):
        return ()
    return (MAY_REFUSE_CURVE,) if pair.on_curve else ()
