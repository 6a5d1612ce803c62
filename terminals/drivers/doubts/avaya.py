"""Avaya J100, and 1100 and 1200."""

from terminals.drivers.base import gettext_noop
from terminals.drivers.doubts import About, Doubt, PairFacts, TelephoneKind

NAMES = ("avaya",)
ROOM = None

WANTS_ADDRESS = Doubt(
    About.NAMES,
    serious=False,
    what=gettext_noop(
        "One that reaches the communication server by its IP address refuses it, because no address stands in the host certificate."
    ),
    remedy=gettext_noop(
        "Enter the address in System / General, or let the telephones reach the communication server by a name."
    ),
    source="Avaya J129: Installing and Administering",
)
WANTS_SIGNATURE = Doubt(
    About.ROOM,
    serious=True,
    what=gettext_noop(
        "After its first root certificate this model takes a further one only from a file that is signed."
    ),
    remedy=gettext_noop(
        "Have the file signed with the signing certificate of the telephones, or give them the factory setting."
    ),
    source="Avaya 1100/1200: SIP 3.1 guide, page 253",
)


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    if kind.is_called(r"1[12]\d\d"):
        return (WANTS_SIGNATURE,)
    return (WANTS_ADDRESS,) if not pair.names_address and kind.is_called(r"j1\d\d") else ()
