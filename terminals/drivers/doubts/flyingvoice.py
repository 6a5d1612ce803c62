"""Flyingvoice. How many certificates they hold is not documented (`terminals.drivers.flyingvoice`)."""

from dataclasses import replace

from terminals.drivers.base import gettext_noop
from terminals.drivers.doubts import About, Doubt, PairFacts, TelephoneKind

NAMES = ("flyingvoice",)
ROOM = 10

IS_FULL = Doubt(
    About.ROOM,
    serious=True,
    what=gettext_noop(
        "They are taken to hold ten certificates, and have taken ten of ours. If that is right, the next one is refused, and the"
        " communication server with it."
    ),
    remedy=gettext_noop("Delete those that are no longer served on the telephone's own pages first."),
    source="templates of FusionPBX",
)
MAY_BE_FULL = replace(IS_FULL, serious=False)


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    """What a person has deleted at a telephone that is set up by hand nobody tells us; to no other one the next would be told."""
    if not kind.is_full:
        return ()
    return (IS_FULL,) if kind.method in NAMES else (MAY_BE_FULL,)
