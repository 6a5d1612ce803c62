"""What the page of the rollout shows: one reading, at most twenty-one queries, whatever the number of terminals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count, Max, Q
from django.utils.translation import gettext as _

from certificates.models import Generation
from certificates.renewal.handover import Forecast
from certificates.renewal.situation import Situation
from pbxcerts.system.events import Notice
from pbxcerts.system.time import time_words
from terminals.drivers.registry import BY_HAND_METHODS, REPORTING_METHODS, RESTARTING_METHODS, driver_of
from terminals.evidence.who_asked import WhoAsked, who_asked
from terminals.models import Installation, Rollout, Terminal, TerminalType
from terminals.rollout import warnings, words
from terminals.rollout.progress import RolloutProgress, WaveRow, forecast_generation, rollout_progress
from terminals.rollout.reach import Reach, reach
from terminals.rollout.target import rollout_target
from terminals.states import CLAIMABLE, IN_FLIGHT, NOT_ASKED_YET, UNDER_WAY, DeliveryState, Wave

NAMED_AT_MOST = 20
EARLIER_AT_MOST = 5
RolloutState = Rollout.State

# When these are given up is not set yet, or will be set anew by their answer or their report.
_MOVES = Q(state__in=[*NOT_ASKED_YET, DeliveryState.ASKED]) | Q(
    state=DeliveryState.HEARD, terminal__type__method__in=REPORTING_METHODS
)


@dataclass(frozen=True)
class TroubledTerminal:
    """A terminal that failed, or is not there."""

    installation: Installation
    type: TerminalType

    @property
    def reason(self) -> str:
        return words.failure(self.installation)[0]

    @property
    def hint(self) -> str:
        return words.failure(self.installation)[1] or words.silence(self.installation, self.type.method)


@dataclass(frozen=True)
class UnprovedTerminal(TroubledTerminal):
    """A terminal whose trust file was fetched by nobody knows whom; `who`: those who took it."""

    who: tuple[WhoAsked, ...] = ()


@dataclass(frozen=True)
class WaveProgress:
    """One wave of a method."""

    row: WaveRow
    is_open: bool
    """Whether its terminals may be asked now: not while nobody may, nor before the night where they have to restart."""
    opens_by: datetime | None = None
    """When the last terminal that this wave waits for is given up, and it opens at the latest; None where nobody knows."""

    @property
    def label(self) -> str:
        return str(Installation.Waves(self.row.wave).label)

    @property
    def done(self) -> int:
        return self.row.confirmed + self.row.skipped

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        return state_counts(self.row.states)


@dataclass(frozen=True)
class MethodProgress:
    """One method of delivery with its waves."""

    method: str
    waves: tuple[WaveProgress, ...]

    @property
    def label(self) -> str:
        return _(driver_of(self.method).label)

    @property
    def total(self) -> int:
        return sum(wave.row.total for wave in self.waves)

    @property
    def done(self) -> int:
        return sum(wave.done for wave in self.waves)

    @property
    def by_hand(self) -> bool:
        return self.method in BY_HAND_METHODS


# How the states of many terminals are shown, in order: CSS name, the state that names it, the states counted.
_SHOWN: tuple[tuple[str, str, frozenset[DeliveryState]], ...] = (
    ("confirmed", DeliveryState.CONFIRMED.value, frozenset({DeliveryState.CONFIRMED})),
    ("under-way", "", IN_FLIGHT),
    ("downloaded", DeliveryState.DOWNLOADED.value, frozenset({DeliveryState.DOWNLOADED})),
    ("waiting", DeliveryState.WAITING.value, frozenset({DeliveryState.WAITING})),
    ("unproved", DeliveryState.UNPROVED.value, frozenset({DeliveryState.UNPROVED})),
    ("absent", DeliveryState.ABSENT.value, frozenset({DeliveryState.ABSENT})),
    ("full", DeliveryState.FULL.value, frozenset({DeliveryState.FULL})),
    ("failed", DeliveryState.FAILED.value, frozenset({DeliveryState.FAILED})),
    ("skipped", DeliveryState.SKIPPED.value, frozenset({DeliveryState.SKIPPED})),
)


def state_counts(states: Counter[DeliveryState]) -> list[tuple[str, str, int]]:
    """Name for the look, word and number of each kind of state that there is."""
    found = [(name, value, sum(states[state] for state in which)) for name, value, which in _SHOWN]
    return [
        (name, str(Installation.State(value).label) if value else _("under way"), count)
        for name, value, count in found
        if count
    ]


@dataclass(frozen=True)
class RolloutStatus:
    """`progress` is None where nothing is handed out, or nobody is there to get it."""

    situation: Situation
    rollouts: tuple[Rollout, ...]
    progress: RolloutProgress | None

    @classmethod
    def load(cls, situation: Situation) -> RolloutStatus:
        rollouts = tuple(Rollout.objects.select_related("generation")[: EARLIER_AT_MOST + 1])
        target = rollout_target(situation)
        current = next((one for one in rollouts if target is not None and one.generation_id == target.number), None)
        return cls(situation, rollouts, rollout_progress(situation, current) if current else None)

    @property
    def target(self) -> Generation | None:
        """The generation that terminals are to get; None where there is none."""
        return rollout_target(self.situation)

    @property
    def begins_soon(self) -> bool:
        """Terminals are to get a generation, and the next heartbeat begins its rollout."""
        return self.target is not None and Terminal.objects.concerned_by(self.target).exists()

    @property
    def rollout(self) -> Rollout | None:
        return self.progress.rollout if self.progress else None

    @property
    def generation(self) -> Generation | None:
        return self.rollout.generation if self.rollout else None

    @property
    def earlier(self) -> list[Rollout]:
        return [rollout for rollout in self.rollouts if rollout != self.rollout]

    @property
    def pending(self) -> Generation | None:
        """The pair that the server can be switched to now, if it is the one that is handed out."""
        pending = self.situation.pending
        return pending if pending is not None and pending == self.generation else None

    @cached_property
    def methods(self) -> list[MethodProgress]:
        if self.progress is None:
            return []
        rows = self.progress.rows
        return [
            MethodProgress(method, tuple(self._waves([row for row in rows if row.method == method])))
            for method in dict.fromkeys(row.method for row in rows)
        ]

    def _waves(self, rows: list[WaveRow]) -> Iterator[WaveProgress]:
        """The waves of one method.

        Only the wave after the open one has a time: those behind it wait for that one too.
        """
        opens_by = next((self._given_up_by.get((row.method, row.wave)) for row in rows if row.is_open), None)
        for row in rows:
            waits = not row.is_open and row.wave != Wave.BY_HAND and any(row.states[state] for state in NOT_ASKED_YET)
            yield WaveProgress(row, self._is_open(row), opens_by if waits else None)
            if waits:
                opens_by = None

    @cached_property
    def _given_up_by(self) -> dict[tuple[str, int], datetime]:
        """By method and wave: when the last terminal that the next wave waits for is given up.

        Only of waves where all of these have answered, and never of the first wave: a terminal given up there stops the
        rollout, and no wave opens.
        """
        if not self.is_running or not self.busy:
            return {}
        rows = (
            Installation.objects.of(self.generation)
            .of_enabled_terminals()
            .in_state(*UNDER_WAY)
            .filter(postponed=0)
            .exclude(wave__in=[Wave.BY_HAND, Wave.FIRST])
            .order_by()
            .values_list("terminal__type__method", "wave")
            .annotate(open=Count("pk", filter=_MOVES), last=Max("next_at"))
        )
        return {(method, wave): last for method, wave, open_, last in rows if last is not None and not open_}

    def _is_open(self, row: WaveRow) -> bool:
        if self.progress is None or not self.is_running or row.wave == Wave.BY_HAND:
            return False
        return row.is_open and (self.progress.restarts_allowed or row.method not in RESTARTING_METHODS)

    @cached_property
    def reach(self) -> Reach | None:
        """Who asks by itself of those that are left; None where nobody is."""
        if self.generation is None or self.is_complete:
            return None
        found = reach(self.situation, self.generation)
        return found if found.missing else None

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        return state_counts(self.progress.states) if self.progress else []

    @cached_property
    def forecast(self) -> Forecast:
        return forecast_generation(self.situation)

    # -- trouble ------------------------------------------------------------------------------------------------------

    def _count(self, state: DeliveryState) -> int:
        """How many automatic terminals are in this state. Those of the work list are shown there."""
        if self.progress is None:
            return 0
        return sum(row.states[state] for row in self.progress.rows if row.wave != Wave.BY_HAND)

    def _troubled(self, state: DeliveryState) -> list[TroubledTerminal]:
        if not self._count(state):
            return []
        rows = (
            Installation.objects.of(self.generation)
            .of_enabled_terminals()
            .in_waves()
            .in_state(state)
            .some()
            .select_related("terminal__type")
            .order_by("terminal__number")
        )
        return [TroubledTerminal(row, row.terminal.type) for row in rows[:NAMED_AT_MOST]]

    @cached_property
    def failed(self) -> list[TroubledTerminal]:
        return self._troubled(DeliveryState.FAILED)

    @cached_property
    def absent(self) -> list[TroubledTerminal]:
        return self._troubled(DeliveryState.ABSENT)

    @cached_property
    def unproved(self) -> list[UnprovedTerminal]:
        troubled = self._troubled(DeliveryState.UNPROVED)
        asked = who_asked([one.installation.terminal for one in troubled]) if troubled else {}
        return [
            UnprovedTerminal(
                one.installation,
                one.type,
                tuple(
                    who
                    for who in asked.get(one.installation.terminal_id, ())
                    if one.installation.generation_id in who.requester.took
                ),
            )
            for one in troubled
        ]

    @cached_property
    def full(self) -> list[TroubledTerminal]:
        return self._troubled(DeliveryState.FULL)

    @property
    def full_remedies(self) -> list[tuple[str, str]]:
        """What to do where lists are full, each once, after the names of the types that it is for; "" where it is for all of them."""
        types: dict[str, list[str]] = {}
        for one in {one.type.pk: one.type for one in self.full}.values():
            types.setdefault(words.make_room(one, for_served=self.pending is None), []).append(str(one))
        return [(", ".join(names) if len(types) > 1 else "", remedy) for remedy, names in types.items()]

    @property
    def full_count(self) -> int:
        return self._count(DeliveryState.FULL)

    @property
    def full_unnamed(self) -> int:
        return self.full_count - len(self.full)

    @property
    def unproved_count(self) -> int:
        return self._count(DeliveryState.UNPROVED)

    @property
    def unproved_unnamed(self) -> int:
        return self.unproved_count - len(self.unproved)

    @property
    def failed_count(self) -> int:
        return self._count(DeliveryState.FAILED)

    @property
    def absent_count(self) -> int:
        return self._count(DeliveryState.ABSENT)

    @property
    def failed_unnamed(self) -> int:
        return self.failed_count - len(self.failed)

    @property
    def absent_unnamed(self) -> int:
        return self.absent_count - len(self.absent)

    @property
    def notice(self) -> Notice | None:
        """Why nobody is asked, where a person has to go on."""
        if self.rollout is None:
            return None
        params = {"number": self.rollout.generation_id}
        if self.rollout.state == RolloutState.STOPPED:
            return Notice(warnings.ROLLOUT_STOPPED, params=params)
        if self.rollout.state == RolloutState.PAUSED:
            return Notice(warnings.ROLLOUT_PAUSED, params=params | {"by": self.rollout.changed_by or "-"})
        return None

    # -- now and next -------------------------------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """Nobody is left; the rollout runs on, because another terminal may be added."""
        return self.is_running and self.progress is not None and self.progress.is_complete

    @property
    def is_running(self) -> bool:
        return self.rollout is not None and self.rollout.state == RolloutState.RUNNING

    @property
    def is_held_up(self) -> bool:
        return self.rollout is not None and self.rollout.is_held_up

    @property
    def can_pause(self) -> bool:
        return self.rollout is not None and self.rollout.state in {RolloutState.RUNNING, RolloutState.STOPPED}

    @property
    def can_restart_now(self) -> bool:
        """There is somebody whom only a restart helps, and the night is not there yet."""
        if self.progress is None or self.progress.restarts_allowed:
            return False
        return self.to_restart > 0 or self._restarting(DeliveryState.FAILED) > 0

    @property
    def to_restart(self) -> int:
        """How many are left that are restarted as soon as they may be, or are there."""
        return sum(map(self._restarting, CLAIMABLE))

    def _restarting(self, state: DeliveryState) -> int:
        """How many of those that have to restart are in this state."""
        rows = self.progress.rows if self.progress else ()
        return sum(row.states[state] for row in rows if row.method in RESTARTING_METHODS)

    @property
    def busy(self) -> bool:
        return self.progress is not None and self.progress.in_flight > 0

    @property
    def now(self) -> str:
        """What happens now, in a sentence."""
        progress = self.progress
        if progress is None:
            return ""
        if progress.is_complete:
            number = {"number": progress.rollout.generation_id}
            if progress.states[DeliveryState.SKIPPED]:
                return _("Every terminal has the certificates of generation %(number)s, or was skipped.") % number
            return _("Every terminal has the certificates of generation %(number)s.") % number
        if progress.in_flight:
            text = _("Terminals that are being asked, restart or fetch: %(count)s.") % {"count": progress.in_flight}
            if not self._open_waves:
                return text
            turn = _("Their turn: %(waves)s.") % {"waves": ", ".join(self._open_waves)}
            return f"{text} {turn}"
        if self.is_held_up:
            return _("Nobody is asked.")
        if progress.next_at is not None:
            if progress.next_at <= self.situation.clock.best:
                return _("The next terminals are asked with the next heartbeat.")
            return _("Nobody is asked at the moment.")
        if progress.needs_person:
            return _("Nobody is left to ask. On the work list: %(count)s.") % {"count": progress.needs_person}
        return _("Nobody is left to ask; those that failed wait for a person.")

    @property
    def _open_waves(self) -> list[str]:
        return [f"{method.label} ({wave.label})" for method in self.methods for wave in method.waves if wave.is_open]

    @property
    def next(self) -> str:
        """What comes next and when, in a sentence; empty where nothing does by itself."""
        progress = self.progress
        if progress is None or progress.is_complete:
            return ""
        if self.is_held_up:
            return _("It goes on when a person continues.")
        if progress.next_at is None:
            return ""
        if progress.next_at <= self.situation.clock.best:
            return _("The next ones, as soon as those that are asked are back.")
        at = {"at": time_words.moment(progress.next_at)}
        if not progress.restarts_allowed and self._waits_for_the_night:
            return _("Terminals that have to restart are asked from %(at)s.") % at
        return _("The next terminal is asked on %(at)s.") % at

    @property
    def _waits_for_the_night(self) -> bool:
        return not any(
            wave.row.states[state]
            for method in self.methods
            if method.method not in RESTARTING_METHODS and not method.by_hand
            for wave in method.waves
            for state in CLAIMABLE
        )

    @property
    def ends_at(self) -> datetime | None:
        return self.progress.ends_at if self.progress else None

    @property
    def announcement(self) -> str:
        """What a screen reader is told when it changes: not each number."""
        return self.notice.text if self.notice else self.next or self.now
