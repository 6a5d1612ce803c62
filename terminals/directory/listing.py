"""The list of terminals, and one terminal's story: what it trusts, since when, on what evidence, and how its delivery stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates.renewal.situation import Situation
from terminals.directory.found import FoundTerminals
from terminals.directory.states import DELIVERY_STATES, DISABLED, NOT_YET
from terminals.drivers.base import Reaction
from terminals.models import Installation, Rollout, Terminal, TerminalType
from terminals.rollout import words
from terminals.rollout.reasons import MissingReasons
from terminals.rollout.target import rollout_target
from terminals.states import IN_FLIGHT, SETTLED

REACTION_WORDS: Mapping[str, str | Promise] = {
    Reaction.HEARD.value: _("heard"),
    Reaction.ABSENT.value: _("not there"),
    Reaction.BUSY.value: _("busy"),
    Reaction.IN_CALL.value: _("in a call, as Kamailio says"),
    Reaction.REFUSED.value: _("refused"),
    Reaction.CREDENTIALS.value: _("wants user and password"),
    Reaction.NOT_SUPPORTED.value: _("does not know this notification"),
    Reaction.OVERLOADED.value: _("overloaded"),
    Reaction.OTHER.value: _("something else"),
}
"""The values of `terminals.drivers.base.Reaction`, in words."""


@dataclass(frozen=True)
class TerminalLine:
    """One terminal as the list shows it. `type` comes from the few rows that all terminals share."""

    terminal: Terminal
    type: TerminalType
    trusts: tuple[Installation, ...]
    delivery: Installation | None
    why_missing: str = ""
    """Why it has not got what is handed out, in a sentence."""

    @property
    def state(self) -> str:
        if not self.terminal.enabled:
            return DISABLED
        return self.delivery.state if self.delivery else NOT_YET

    @property
    def state_label(self) -> str:
        if self.terminal.enabled and self.delivery:
            return words.state(self.delivery, self.type.method)
        return str(dict(DELIVERY_STATES)[self.state])

    @property
    def next_attempt(self) -> datetime | None:
        """When it is asked next; None where nothing says so."""
        if self.delivery is None or not self.terminal.enabled or self.delivery.state in IN_FLIGHT:
            return None
        return self.delivery.next_at

    @property
    def unproved_address(self) -> str | None:
        """From where its trust file was fetched by nobody knows whom, where that is how it stands."""
        return self.delivery.address if self.delivery and self.state == Installation.State.UNPROVED else None


@dataclass(frozen=True)
class TerminalListing:
    """The terminals that a person asks for. Its number of queries does not depend on how many there are. `types`: all, by name."""

    situation: Situation
    types: tuple[TerminalType, ...]

    @cached_property
    def target(self) -> int | None:
        """The generation that terminals are to get now."""
        target = rollout_target(self.situation)
        return target.number if target else None

    def terminals(self) -> QuerySet[Terminal]:
        """All of them by number."""
        return Terminal.objects.order_by("number").defer("notes", "own_lines", "sip_password")

    def found(self, chosen: Mapping[str, str]) -> FoundTerminals:
        return FoundTerminals(chosen, self.target, self.types)

    def lines(self, terminals: list[Terminal]) -> list[TerminalLine]:
        """One query for what they trust, and a few for how the rollout stands."""
        shown = {pair.number for pair in self.situation.in_bundle} | ({self.target} if self.target else set())
        rows: dict[int, list[Installation]] = {terminal.pk: [] for terminal in terminals}
        for row in Installation.objects.filter(terminal__in=rows, generation__in=shown).order_by("-generation_id"):
            rows[row.terminal_id].append(row)
        types = {one.pk: one for one in self.types}
        deliveries = {
            key: next((row for row in found if row.generation_id == self.target), None) for key, found in rows.items()
        }
        missing = [key for key, delivery in deliveries.items() if delivery is None or delivery.state not in SETTLED]
        reasons = MissingReasons.load(self.situation, missing) if terminals else None
        lines = []
        for terminal in terminals:
            delivery = deliveries[terminal.pk]
            type_ = types[terminal.type_id]
            lines.append(
                TerminalLine(
                    terminal,
                    type_,
                    trusts=tuple(row for row in rows[terminal.pk] if row.confirmed_at),
                    delivery=delivery,
                    why_missing=reasons.why(terminal, type_, delivery) if reasons and self.target else "",
                )
            )
        return lines


@dataclass(frozen=True)
class Chapter:
    """What became of one generation on one terminal."""

    installation: Installation
    method: str

    @property
    def state(self) -> str:
        return words.state(self.installation, self.method)

    @property
    def fetched(self) -> str:
        """What happened at `fetched_at`: only telephones say where they are, and only files have names."""
        if self.installation.fetched_file:
            return gettext("fetched %(file)s") % {"file": self.installation.fetched_file}
        if self.installation.address:
            return gettext("reported what it trusts")
        return gettext("its personal link was opened")

    @property
    def evidence(self) -> str:
        """What the confirmation rests on, and what shows that it was the terminal."""
        row = self.installation
        return ", ".join(filter(None, [row.get_evidence_display(), row.get_proof_display()]))

    @property
    def is_unproved(self) -> bool:
        row = self.installation
        return row.evidence == Installation.Evidence.UNPROVED and row.confirmed_at is None

    @property
    def next_at(self) -> datetime | None:
        """None where the rollout has ended: what was set then does not come."""
        rollout = getattr(self.installation.generation, "rollout", None)
        return None if rollout is not None and rollout.state == Rollout.State.ENDED else self.installation.next_at

    @property
    def in_flight(self) -> bool:
        """It was asked, and is given up where nothing comes of it; any other is asked at the time that is set."""
        return self.installation.state in IN_FLIGHT

    @property
    def failure(self) -> tuple[str, str] | None:
        """One that was absent for a reason and has come since has not failed."""
        row = self.installation
        told = row.failed_at is not None or row.state == Installation.State.ABSENT
        return words.failure(row) if row.failure and told else None

    @property
    def silence(self) -> str:
        return words.silence(self.installation, self.method)

    @property
    def is_put_off(self) -> bool:
        """Nothing was sent."""
        return self.installation.reaction == Reaction.IN_CALL

    @property
    def reaction(self) -> str:
        return str(REACTION_WORDS.get(self.installation.reaction, ""))


def story(terminal: Terminal) -> list[Chapter]:
    """Every generation of which anything is known, the newest first."""
    rows = (
        Installation.objects.filter(terminal=terminal).select_related("generation__rollout").order_by("-generation_id")
    )
    return [Chapter(row, terminal.type.method) for row in rows.defer("generation__host_key")]
