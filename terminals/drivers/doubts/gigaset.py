"""Gigaset: the desk telephones P7xx and P8xx are of Snom's family."""

from terminals.drivers.doubts import Doubt, PairFacts, TelephoneKind, snom

NAMES = ("gigaset",)
ROOM = None


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    return snom.doubts(pair, kind) if kind.is_called(r"p[78]\d\d") else ()
