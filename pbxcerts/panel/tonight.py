"""What happens in the next hours of restarts, which begin at the time of generation: whether a pair is made, whether the server
switches, and which telephones restart in what order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Generation
from certificates.renewal.situation import Situation
from certificates.status.next_generation import NextGeneration
from pbxcerts.system.notifications.ahead import Ahead
from pbxcerts.system.time import time_words
from terminals.rollout import waves
from terminals.rollout.progress import RolloutProgress
from terminals.rollout.target import delivery_settings
from terminals.rollout.turns import Turn, turns, what_holds_them

EVENING, MORNING = 18, 8


@dataclass(frozen=True)
class Tonight:
    """`begins`: now where telephones may restart already; `ahead`: what comes, None where nobody knows."""

    situation: Situation
    following: NextGeneration
    ahead: Ahead | None
    progress: RolloutProgress | None
    begins: datetime
    ends: datetime

    @classmethod
    def of(
        cls,
        situation: Situation,
        following: NextGeneration,
        ahead: Ahead | None,
        progress: RolloutProgress | None,
    ) -> Tonight | None:
        """None before the first pair, and while nobody knows what is served."""
        if situation.active is None or situation.standing.rests:
            return None
        schedule, hours = situation.settings.schedule, situation.once(delivery_settings).window_hours
        begins = waves.next_restarts(schedule, hours, situation.clock.best)
        ends = waves.restarts_until(schedule, hours, begins) or begins
        return cls(situation, following, ahead, progress, begins, ends)

    @property
    def heading(self) -> str:
        if self.begins <= self.situation.clock.best:
            return _("Now, until %(until)s") % {"until": self._hour(self.ends)}
        hour = timezone.localtime(self.begins).hour
        at = {"at": time_words.moment(self.begins)}
        return _("Tonight: %(at)s") % at if hour >= EVENING or hour < MORNING else _("Next: %(at)s") % at

    @staticmethod
    def _hour(instant: datetime) -> str:
        return f"{timezone.localtime(instant):%H:%M}"

    def _is_tonight(self, at: datetime | None) -> bool:
        return at is not None and at < self.ends

    @property
    def makes_a_pair(self) -> bool:
        return self.situation.pending is None and self._is_tonight(self.following.at)

    @property
    def sentences(self) -> list[str]:
        return list(self._sentences())

    def _sentences(self) -> Iterator[str]:
        pending = self.situation.pending
        yield self._of_the_server(pending)
        if self.progress is not None and (held := what_holds_them(self.progress)):
            yield held
        elif self.restarting and not self.turns:
            yield ngettext(
                "About %(count)s telephone restarts, the first of each model before the others.",
                "About %(count)s telephones restart, the first of each model before the others.",
                self.restarting,
            ) % {"count": self.restarting}
        elif not self.restarting:
            yield _("No telephone restarts.")

    def _of_the_server(self, pending: Generation | None) -> str:
        active = self.situation.active
        served = {"number": active.number if active is not None else 0}
        if self.makes_a_pair:
            if self.situation.settings.overlap_days:
                return _("A new pair is made; the communication server stays with generation %(number)s.") % served
            return _("A new pair is made, and the communication server is switched to it at once.")
        if pending is None:
            return _("Nothing is generated, and the communication server stays with generation %(number)s.") % served
        number = {"number": pending.number}
        # One that is over says no longer when: the switch is held up.
        if pending.deadline is not None and self.situation.clock.best <= pending.deadline < self.ends:
            return _("The communication server switches to generation %(number)s, on %(at)s at the latest.") % (
                number | {"at": time_words.moment(pending.deadline)}
            )
        if pending.state == Generation.State.PREPARED:
            return _(
                "The communication server stays with generation %(served)s, unless all terminals that count have generation"
                " %(number)s before: then it switches."
            ) % (number | {"served": served["number"]})
        return _("The communication server stays with generation %(number)s.") % served

    @cached_property
    def restarting(self) -> int:
        """About how many telephones restart."""
        nights = self.ahead.nights if self.ahead is not None else ()
        return sum(count for night, count in nights if night < self.ends)

    @cached_property
    def turns(self) -> list[Turn]:
        if self.progress is None or self.progress.rollout.is_held_up or not self.restarting:
            return []
        return turns(self.progress, at_most=self.restarting)
