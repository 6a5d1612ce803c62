"""Names of terminal types in a CSV file that are none: which type may be meant, for a person to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from terminals.directory.csv.csv_files import CsvRow
from terminals.models import TerminalType

SUGGESTED_AT_MOST = 3
NAMES_AT_MOST = 20


@dataclass(frozen=True)
class UnknownType:
    """`suggestions`: the types that may be meant, the likeliest first; `taken`: what it is taken for, None where that is not known."""

    name: str
    rows: int
    suggestions: tuple[TerminalType, ...]
    taken: TerminalType | None


def unknown_types(
    rows: Iterable[CsvRow], types: Sequence[TerminalType], chosen: Mapping[str, int | None]
) -> list[UnknownType]:
    """In the order of their first rows. `chosen`: by name in lower case the key of the type that a person takes it for. Without
    that an abbreviation is taken for the only name that it can mean.
    """
    known = {name.lower(): one for one in types for name in (one.name, str(one))}
    counted: Counter[str] = Counter(row.cells.get("type", "").strip() for row in rows)
    by_key = {one.pk: one for one in types}
    found = []
    for name in [name for name in counted if name and name.lower() not in known][:NAMES_AT_MOST]:
        meant = _meant(name.lower(), known)
        if name.lower() in chosen:
            taken = by_key.get(chosen[name.lower()] or 0)
        else:
            taken = meant[0] if len(_continued(name.lower(), known)) == 1 else None
        found.append(UnknownType(name, counted[name], meant, taken))
    return found


def _continued(name: str, known: Mapping[str, TerminalType]) -> list[TerminalType]:
    return list(dict.fromkeys(one for spelled, one in known.items() if spelled.startswith(name)))


def _meant(name: str, known: Mapping[str, TerminalType]) -> tuple[TerminalType, ...]:
    begun = [one for spelled, one in known.items() if name.startswith(f"{spelled} ")]
    alike = [known[spelled] for spelled in get_close_matches(name, list(known), n=SUGGESTED_AT_MOST, cutoff=0.6)]
    return tuple(dict.fromkeys([*_continued(name, known), *begun, *alike]))[:SUGGESTED_AT_MOST]
