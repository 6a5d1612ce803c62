"""What an order would do if it were given now, for the pages on which a person confirms it. Nothing is changed."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from certificates.models import Generation
from certificates.pki.schedule import PairPlan
from certificates.renewal.handover import Forecast, PairDoubt, Terminals
from certificates.renewal.orders import first_deadline, is_at_once, needs_replacement, restarts_anyway
from certificates.renewal.situation import Situation
from pbxcerts.system.time import clock as clocks
from pbxcerts.system.time.clock import ClockVerdict


@dataclass(frozen=True)
class GenerationOutlook:
    """What a generation ordered now would do."""

    situation: Situation
    terminals: Terminals

    @cached_property
    def plan(self) -> PairPlan:
        return self.situation.settings.schedule.plan(self.situation.clock.best)

    @property
    def only_at_once(self) -> bool:
        """Whether there can be no handover: there is no pair to hand over from, it is withdrawn, or the settings want
        none.
        """
        return is_at_once(self.situation)

    @property
    def why_only_at_once(self) -> str:
        """What leaves no choice: "first", "ended", "not_yet_valid", "withdrawn" or "settings"; "" where there can be a handover."""
        active = self.situation.active
        if active is None:
            return "first"
        if not self.interrupts_service:
            return "ended" if self.situation.has_ended(active) else "not_yet_valid"
        if active.withdrawn_at is not None:
            return "withdrawn"
        return "settings" if self.only_at_once else ""

    @property
    def suggests_at_once(self) -> bool:
        """Whether the form starts with a switch at once: by the time that counts the active pair carries no calls, and only a
        doubt about the clock says otherwise.
        """
        active = self.situation.active
        return active is not None and (self.situation.ended_by_best(active) or self.situation.begins_later(active))

    @property
    def restarts_anyway(self) -> bool:
        """Whether a restart of telephones now costs nothing; the form starts with it."""
        return restarts_anyway(self.situation)

    @property
    def may_restart_now(self) -> bool:
        """Whether the form offers to restart telephones now: some telephones restart, and there is a pair that they may
        trust already. With the very first pair nobody waits for a night.
        """
        return self.situation.active is not None and self.forecast.restarting > 0

    @property
    def interrupts_service(self) -> bool:
        """Whether a switch at once would replace a pair that carries calls, without waiting for anybody."""
        return self.situation.active_is_served

    @property
    def certainly_interrupts(self) -> bool:
        """Whether it does so whatever the person chooses, because there is no handover."""
        return self.interrupts_service and self.only_at_once

    @cached_property
    def deadline(self) -> datetime | None:
        """When the handover would end at the latest; None where there would be none."""
        return first_deadline(self.situation, self.plan.made_at)

    @cached_property
    def forecast(self) -> Forecast:
        return self.terminals.forecast(self.situation)

    @cached_property
    def doubts(self) -> tuple[PairDoubt, ...]:
        """What is known against the pair at the telephones that there are, the serious ones first."""
        return self.terminals.doubts(self.situation)

    @property
    def serious_doubts(self) -> list[PairDoubt]:
        """Those that a person has to confirm the pair in spite of."""
        return [doubt for doubt in self.doubts if doubt.serious]

    @property
    def possible_doubts(self) -> list[PairDoubt]:
        return [doubt for doubt in self.doubts if not doubt.serious]

    @property
    def refusing(self) -> int:
        """How many terminals would refuse the server after a switch at once: nobody trusts a root that is not made yet."""
        return self.forecast.total

    @property
    def names_missing(self) -> tuple[str, ...]:
        """The names and addresses that the active certificate lacks: the most frequent reason to generate by hand."""
        active = self.situation.active
        return () if active is None else self.situation.general.identity.missing_from(active.host)

    @property
    def clock_verdict(self) -> ClockVerdict:
        return clocks.manual(self.situation.clock)


def clock_for_replacement(situation: Situation, pair: Generation) -> ClockVerdict:
    """What the clock says to the pair that is made if this one is withdrawn now; DO where none is made."""
    if not needs_replacement(situation, pair):
        return ClockVerdict.DO
    return clocks.replacement(situation.clock)


def refusing(terminals: Terminals, pair: Generation | None) -> int:
    """How many terminals would refuse the communication server if it presented this pair now; None: one not made yet."""
    return terminals.refusing(trusted_roots=frozenset() if pair is None else frozenset({pair.root_sha256}))
