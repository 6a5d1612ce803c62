"""What the page says of a store that this database does not know, and what a person can decide (rule what-is-served-stays)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from certificates.models import Generation
from certificates.pki.describe import BasicFields, basic_fields
from certificates.renewal import deciding
from certificates.renewal.adoption import Adoption, NotAdoptable
from certificates.renewal.situation import Situation
from certificates.renewal.standing import StoreStanding


@dataclass(frozen=True)
class UnknownStore:
    """`seen` names what the page shows: a decision counts for that and nothing newer."""

    situation: Situation

    @property
    def standing(self) -> StoreStanding:
        return self.situation.standing

    @property
    def seen(self) -> str:
        mark = self.situation.store.mark
        return f"{self.standing} {mark.installation} {mark.change}" if mark else str(self.standing)

    @property
    def directory(self) -> str:
        return str(self.situation.store.store.path)

    @property
    def active(self) -> Generation | None:
        """What the database would serve."""
        return self.situation.active

    @cached_property
    def served(self) -> BasicFields | None:
        """The host certificate that is served; None where it can't be read."""
        host = self.situation.store.store.found_host("current")
        return basic_fields(host) if host is not None else None

    @cached_property
    def why_not_adopted(self) -> str:
        """Why what is served can't be taken into the history; "" where it can."""
        try:
            Adoption.of(self.situation)
        except NotAdoptable as error:
            return str(error)
        return ""

    @cached_property
    def lost(self) -> list[str]:
        """The directories of pairs whose host keys are deleted where the database is published."""
        return deciding.lost_by_publishing(self.situation) if self.active is not None else []

    @property
    def decided_at(self) -> datetime | None:
        return deciding.decided_at(self.situation)
