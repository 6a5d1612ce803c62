"""What speaks against a pair at the telephones of a maker: one module for each maker (rule preflight).

It holds however they get their trust anchors, also of telephones that are set up by hand and tell nothing of themselves: so it
stands beside the drivers and goes by what a person has entered in the list. Pure, as they are. A module has `NAMES`, with which the
manufacturer or the name of a terminal type begins, in lower case, `ROOM`, how many trust anchors of ours its telephones hold, None
where that is not known, and `doubts`.
"""

import enum
import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from typing import Protocol

_NUMBERS = re.compile(r"(\d{1,6}(?:\.\d{1,6}){1,5})(?:[-+ ]\S*)?", re.ASCII)


class About(enum.StrEnum):
    """What of a pair it is."""

    KEY = "key"
    NAMES = "names"
    ROOM = "room"
    """Where it is to be held beside those that are there."""
    NOTIFY = "notify"
    """That telephones are notified of it."""


@dataclass(frozen=True)
class PairFacts:
    """What telephones meet in a pair that is not made yet. `on_curve`: its keys lie on an elliptic curve, else they are RSA.
    `names_address`: the host certificate names an IP address as such. `hands_over`: both pairs are to be trusted for a while.
    """

    on_curve: bool
    names_address: bool
    hands_over: bool


@dataclass(frozen=True)
class TelephoneKind:
    """Telephones of one type and firmware, by what the list says of them; "" where it says nothing.

    `name`: that of the type, `method` its delivery. `event`: of a NOTIFY that a person answers for and no driver, "" where there is
    none. `is_full`: they hold as many trust anchors of ours as they have room for.
    """

    name: str
    method: str = ""
    maker: str = ""
    model: str = ""
    firmware: str = ""
    event: str = ""
    holds_only_one: bool = False
    is_full: bool = False

    @property
    def version(self) -> tuple[int, ...]:
        """The firmware in numbers, to be compared; () where it is none."""
        found = _NUMBERS.fullmatch(self.firmware)
        return tuple(int(part) for part in found[1].split(".")) if found else ()

    def is_called(self, pattern: str) -> bool:
        """Whether the name of its type or its model holds a word like this."""
        return re.search(rf"(?i)\b(?:{pattern})", f"{self.name} {self.model}") is not None


@dataclass(frozen=True)
class Doubt:
    """`serious`: telephones can't call then, or lose their settings. `what` and `remedy` are texts of the catalogue, `source` is
    where it stands, as that is called.
    """

    about: About
    serious: bool
    what: str
    remedy: str
    source: str


class Maker(Protocol):
    NAMES: tuple[str, ...]
    ROOM: int | None

    def doubts(self, pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]: ...


@cache
def makers() -> tuple[Maker, ...]:
    """The modules of this package. One more touches no list."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


def _named() -> frozenset[str]:
    return frozenset(name for maker in makers() for name in maker.NAMES)


def maker_of(kind: TelephoneKind) -> Maker | None:
    """By the delivery, where that is one maker's, else by the manufacturer of the type, else by the name that it was given."""
    called = kind.method if kind.method in _named() else (kind.maker or kind.name).casefold()
    return next((maker for maker in makers() if called.startswith(maker.NAMES)), None)


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    maker = maker_of(kind)
    return () if maker is None else maker.doubts(pair, kind)
