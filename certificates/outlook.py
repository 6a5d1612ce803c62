"""What something would do if it were done now: asked by the pages that let a person confirm it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from certificates.handover import Disturbance, Forecast, Terminals
from certificates.lifecycle import is_at_once, restarts_anyway
from certificates.models import Generation
from certificates.pki import handover_times
from certificates.pki.schedule import Plan
from certificates.situation import Situation
from pbxcerts.system import clock as clocks
from pbxcerts.system.clock import ClockVerdict


@dataclass(frozen=True)
class GenerationOutlook:
    """What a generation ordered now would do."""

    situation: Situation
    terminals: Terminals

    @cached_property
    def plan(self) -> Plan:
        return self.situation.settings.schedule.plan(self.situation.clock.best)

    @property
    def only_at_once(self) -> bool:
        """There is nothing to hand over from, or the settings want no handover."""
        return is_at_once(self.situation)

    @property
    def restarts_anyway(self) -> bool:
        """Whether restarting telephones now costs nothing; what the form starts with."""
        return restarts_anyway(self.situation)

    @property
    def may_restart_now(self) -> bool:
        """There are telephones that restart, and they may have a pair already: on the first one nobody waits for a night."""
        return self.situation.active is not None and self.disturbance.restarting > 0

    @property
    def interrupts_service(self) -> bool:
        """A pair that carries calls would be replaced without waiting for anybody."""
        return self.situation.active_is_served

    @cached_property
    def deadline(self) -> datetime | None:
        """When the handover would end at the latest; None where there would be none."""
        if self.only_at_once or self.situation.active_end is None:
            return None
        return handover_times.deadline(
            self.situation.settings.schedule,
            made_at=self.plan.made_at,
            active_end=self.situation.active_end,
            overlap=self.situation.settings.schedule.overlap,
        )

    @cached_property
    def disturbance(self) -> Disturbance:
        """Nobody trusts the root of a pair that does not exist yet."""
        return self.terminals.disturbance(trusted_roots=frozenset())

    @cached_property
    def forecast(self) -> Forecast:
        """How long the terminals would be busy with it, where there is a handover."""
        return self.terminals.forecast(self.situation)

    @property
    def names_missing(self) -> tuple[str, ...]:
        """Why an administrator generates by hand most often: names or addresses that the active pair lacks."""
        active = self.situation.active
        return () if active is None else self.situation.general.identity.missing_from(active.host)

    @property
    def clock_verdict(self) -> ClockVerdict:
        return clocks.manual(self.situation.clock)


def refusing(terminals: Terminals, pair: Generation) -> int:
    """How many terminals would refuse the communication server if it presented this pair now."""
    return terminals.disturbance(trusted_roots=frozenset({pair.root_sha256})).refusing
