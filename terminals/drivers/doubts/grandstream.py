"""Grandstream."""

from terminals.drivers.base import gettext_noop
from terminals.drivers.doubts import About, Doubt, PairFacts, TelephoneKind

NAMES = ("grandstream",)
ROOM = 6

_ONE_FOR_EACH_ACCOUNT = r"gxv3240|ht8\d\d|dp7\d\d"

HOLDS_ONE = Doubt(
    About.ROOM,
    serious=False,
    what=gettext_noop(
        "This model holds one root certificate for each account: the new one drives out that of the pair in service, before the"
        " communication server is switched. Where “Validate Certification Chain” is on, it can't call meanwhile."
    ),
    remedy=gettext_noop(
        "Tick “holds only one certificate” on the page of the type: then it gets the new one at the switch."
    ),
    source="FusionPBX: templates gxv3240 and ht8xx",
)
IS_FULL = Doubt(
    About.ROOM,
    serious=False,
    what=gettext_noop("They have six slots for root certificates, and six of ours have been installed."),
    remedy=gettext_noop(
        "Put the new one into a slot whose certificate is no longer served, never into that of the active pair."
    ),
    source="FusionPBX: templates grp26xx and gds3710",
)
WANTS_ADDRESS = Doubt(
    About.NAMES,
    serious=False,
    what=gettext_noop(
        "Where “Check Domain Certificates” is on, one that reaches the communication server by its IP address refuses it, because"
        " no address stands in the host certificate."
    ),
    remedy=gettext_noop(
        "Enter the address in System / General, let the telephones reach the communication server by a name, or switch the check"
        " off (P2311)."
    ),
    source="Grandstream GXV34x0 administration guide; RFC 5922",
)


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    found = []
    if pair.hands_over and kind.is_called(_ONE_FOR_EACH_ACCOUNT):
        if not kind.holds_only_one:
            found.append(HOLDS_ONE)
    elif kind.is_full:
        found.append(IS_FULL)
    if not pair.names_address:
        found.append(WANTS_ADDRESS)
    return tuple(found)
