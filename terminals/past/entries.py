"""An installation of long ago in a few words: which generation, what became of it, when, how and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from terminals.models import Installation


class Entry(NamedTuple):
    """`at`: when it was confirmed, else when something was heard of it last; None where nothing ever was. `address`: the
    terminal's then.
    """

    generation: int
    state: str
    evidence: str
    proof: str
    at: datetime | None
    by: str
    address: str

    @classmethod
    def of(cls, row: Installation) -> Entry:
        at = row.confirmed_at or row.failed_at or row.fetched_at or row.answered_at or row.asked_at
        return cls(row.generation_id, row.state, row.evidence, row.proof, at, row.confirmed_by, row.address)

    @classmethod
    def read(cls, stored: list[Any]) -> Entry:
        generation, state, evidence, proof, at, by, address = stored
        return cls(generation, state, evidence, proof, datetime.fromisoformat(at) if at else None, by, address)

    def stored(self) -> list[Any]:
        return [*self[:4], self.at.isoformat() if self.at else "", *self[5:]]

    @property
    def state_label(self) -> str:
        return _label(Installation.State, self.state)

    @property
    def how(self) -> str:
        """What the confirmation rests on, and what shows that it was the terminal."""
        return ", ".join(
            filter(None, [_label(Installation.Evidence, self.evidence), _label(Installation.Proof, self.proof)])
        )


def _label(kind: Any, value: str) -> str:
    """A word that this version no longer knows is shown as it is."""
    return str(kind(value).label) if value in kind.values else value
