"""When the server is switched to the prepared or held pair, and what stands against it until then (rule said-is-done)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Generation, Switch
from certificates.pki import handover_times
from certificates.renewal.handover import Readiness
from certificates.renewal.rounds import next_try_of_switch
from certificates.renewal.situation import Situation
from certificates.status import words


@dataclass(frozen=True)
class AwaitedSwitch:
    """The switch to the prepared or held pair, as the rules see it now (rules switch-when, deadline-held, switch-failed)."""

    situation: Situation
    readiness: Readiness
    pair: Generation

    @property
    def failed(self) -> bool:
        """Whether a switch to this pair failed, and it waits for the next try and for nothing else."""
        return self.pair.held_because == Generation.Held.SWITCH_FAILED

    @property
    def failure(self) -> str:
        """Why the last switch failed, in words; "" where the pair is not held for that."""
        failed = Switch.objects.failed().filter(to=self.pair.number).order_by("-pk").first() if self.failed else None
        return words.failed_switch(failed) if failed is not None else ""

    @property
    def next_try(self) -> datetime | None:
        """When a switch that failed is tried again; None where that is now, or where none has failed."""
        at = next_try_of_switch(self.situation, self.pair, served_until=self.situation.active_end)
        return at if self.failed and at is not None and at > self.situation.clock.best else None

    @property
    def may_be_moved(self) -> bool:
        """Whether there is a deadline that a person can move."""
        return self.pair.deadline is not None and self.situation.active is not None

    @property
    def comes_back(self) -> bool:
        """Whether the pair that is served now comes back by itself where the switch is not proved (rule switch-failed)."""
        active, clock = self.situation.active, self.situation.clock
        if active is None or active.withdrawn_at is not None or not self.situation.can_be_served(active):
            return False
        return not clock.has_passed(active.plan.end, active_end=active.plan.end, one_server_suffices=True)

    @property
    def ends_when_confirmed(self) -> bool:
        """Whether the server is switched before the deadline as soon as every terminal that counts has confirmed."""
        return self.pair.state == Generation.State.PREPARED

    # -- a deadline that has come ---------------------------------------------------------------------------------------

    @property
    def is_late(self) -> bool:
        """Whether the deadline has come and something stands against the switch."""
        return self.pair.deadline is not None and self.pair.deadline <= self.situation.clock.best

    @property
    def held_until(self) -> datetime | None:
        """Until when the terminals can hold a deadline that has come; None where they do not, or not any longer."""
        active_end = self.situation.active_end
        if not (self.is_late and self.readiness.holds_deadline) or active_end is None:
            return None
        until = handover_times.hold_ends(active_end=active_end, planned=self.pair.plan.planned)
        return until if until > self.situation.clock.best else None

    @property
    def held_up_by(self) -> list[str]:
        """What keeps the server from being switched although the deadline has come."""
        if not self.is_late:
            return []
        if self.held_until is not None:
            return held_up_by_terminals(self.readiness)
        if self.pair in self.situation.lost_pairs:
            return [_("The host key of this pair can't be decrypted: a key is missing in the key list.")]
        if not self.situation.is_valid(self.pair):
            return [_("This pair is not valid now.")]
        return [
            _("The clock is in doubt: the deadline has not come by both the machine's clock and the corrected one.")
        ]


def held_up_by_terminals(readiness: Readiness) -> list[str]:
    """Which of the two holds a deadline that has come: the rollout, or terminals that are there (rule deadline-held)."""
    reasons = []
    if readiness.rollout_stopped:
        reasons.append(_("The rollout is paused or has stopped."))
    if count := readiness.automatic_seen_but_unconfirmed:
        reasons.append(
            ngettext(
                "%(count)s automatic terminal was seen in the last 24 hours and has not confirmed.",
                "%(count)s automatic terminals were seen in the last 24 hours and have not confirmed.",
                count,
            )
            % {"count": count}
        )
    return reasons
