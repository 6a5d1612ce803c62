"""Changing the settings of renewal: what a change would mean, and saving it."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from certificates.forms.settings import SettingsForm
from certificates.models import Settings
from certificates.renewal.handover import DoubtAbout, Terminals
from certificates.renewal.rounds import readiness_of_pending, switch_because
from certificates.renewal.situation import Situation
from pbxcerts.system.time import time_words

SCHEDULE = {"interval_days", "generation_time", "overlap_days"}
SOON = timedelta(days=7)
"""A generation that comes earlier than it did is asked about first where it comes within this time: telephones restart for it."""


def apply_settings(changes: Mapping[str, str], *, expected_version: int, now: datetime) -> frozenset[str]:
    """Save settings from texts as they are typed. Raises InvalidValues or SettingsOvertaken."""
    return save_settings(SettingsForm.read(changes, Settings.load()), expected_version=expected_version, now=now)


@transaction.atomic
def save_settings(values: Mapping[str, Any], *, expected_version: int, now: datetime) -> frozenset[str]:
    """Save validated values; returns the names of those that changed. Raises SettingsOvertaken."""
    changed = Settings.store(values, expected_version=expected_version)
    if changed & SCHEDULE:
        # What was due by the old schedule waits for the next time of generation (rule due-after-change).
        Settings.objects.update(schedule_saved_at=now)
    return changed


@dataclass(frozen=True)
class SettingsChange:
    """What would follow if `values` were saved now. Nothing is saved by asking."""

    before: Situation
    values: Mapping[str, Any]
    terminals: Terminals

    @cached_property
    def changed(self) -> frozenset[str]:
        return self.before.settings.differing(self.values)

    @cached_property
    def after(self) -> Situation:
        settings = copy.copy(self.before.settings)
        for name in self.changed:
            setattr(settings, name, self.values[name])
        if self.changed & SCHEDULE:
            settings.schedule_saved_at = self.before.clock.best
        return replace(self.before, settings=settings)

    @property
    def needs_confirmation(self) -> bool:
        no_overlap = "overlap_days" in self.changed and self.after.settings.overlap_days == 0
        return self.comes_soon or no_overlap or self.critical

    @property
    def comes_soon(self) -> bool:
        """Whether another interval lets the next generation come within days, which nobody may have meant."""
        before, after = self.before.next_at, self.after.next_at
        if "interval_days" not in self.changed or before is None or after is None:
            return False
        return after < before and after - self.before.clock.best <= SOON

    @property
    def critical(self) -> bool:
        """What needs the password: another key type, and a change by which the server would be switched now."""
        return "key_type" in self.changed or self.switches_now

    @cached_property
    def switches_now(self) -> bool:
        """Whether the server, which still waits by the settings as they are, would be switched to the prepared pair
        now.
        """
        return "handover_counts" in self.changed and not self._switches(self.before) and self._switches(self.after)

    def _switches(self, situation: Situation) -> bool:
        return switch_because(situation, readiness_of_pending(situation, self.terminals)) is not None

    def consequences(self) -> list[str]:
        """What the change will bring about and when, in sentences."""
        return list(self._consequences())

    def _consequences(self) -> Iterator[str]:
        before, after = self.before.settings, self.after.settings
        active = self.before.active
        if self.switches_now and self.before.pending is not None:
            yield _(
                "Generation %(number)s is prepared and would no longer be waited for: the communication server is switched"
                " to it within a minute. Terminals that do not have its root certificate yet can't make calls then."
            ) % {"number": self.before.pending.number}
        if active is not None:
            if after.interval_days > max(before.interval_days, active.interval_days):
                yield _(
                    "The active pair was made for an interval of %(made_with)s and ends on %(end)s: that does not change."
                    " The longer interval holds from the next generation on. If it is to hold now, generate manually."
                ) % {
                    "made_with": time_words.days(active.interval_days),
                    "end": time_words.moment(active.plan.not_after),
                }
            elif after.interval_days < before.interval_days:
                yield _(
                    "The shorter interval also holds for the pair that is active now; it stays valid until %(end)s."
                ) % {"end": time_words.moment(active.plan.not_after)}
        yield from self._next_generation()
        if "overlap_days" in self.changed and after.overlap_days == 0:
            yield _(
                "Without overlap there is no handover: with each generation the communication server is switched at once,"
                " and the old pair ends one hour after it was due to be replaced. Terminals that do not have the new root"
                " certificate by then can't make calls until they have it."
            )
        if "key_type" in self.changed:
            yield _(
                "The next generation is made with %(key_type)s instead of %(old)s. The pairs that exist keep their keys."
                " Make sure that every telephone understands the new key type: one that does not can't make calls."
            ) % {"key_type": after.get_key_type_display(), "old": before.get_key_type_display()}
            for doubt in self.terminals.doubts(self.after):
                if doubt.about is DoubtAbout.KEY:
                    yield str(doubt)

    def _next_generation(self) -> Iterator[str]:
        if not self.changed & SCHEDULE:
            return
        if self.before.active is None:
            yield _(
                "No pair is active yet, so nothing is renewed automatically before you have generated the first one."
            )
        elif self.before.pending is not None:
            yield _("A handover is under way. It keeps its deadline; the new values hold from the next generation on.")
        elif self.before.next_at is not None and self.after.next_at is not None:
            if self.before.next_at == self.after.next_at:
                yield _("The next automatic generation stays on %(at)s.") % {
                    "at": time_words.moment(self.after.next_at)
                }
            else:
                yield _("The next automatic generation will be on %(after)s instead of %(before)s.") % {
                    "after": time_words.moment(self.after.next_at),
                    "before": time_words.moment(self.before.next_at),
                }
