"""The pairs on a line of time: what is served, what is prepared, what comes. The values of a picture, and of the table that says
the same to who can't see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import count, pairwise
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from certificates.models import Generation
from certificates.pki.schedule import PairPlan
from certificates.renewal.situation import Situation
from certificates.status.next_generation import NextGeneration

WIDTH = 1000
"""The units of the picture from its left edge to its right one."""
LEAST, MOST = timedelta(days=91), timedelta(days=730)
"""What the picture shows at the least and at the most: three months, two years."""
PAST = 8
"""One part in so many of what it shows has passed already."""
ROW, FIRST_ROW = 34, 34
TICKS_AT_MOST, LAST_TICK = 9, 900
"""The name of a month stands right of its line."""
LAST_NAME = 850
"""An overlap that ends further right has its name left of its end."""


@dataclass(frozen=True)
class Bar:
    """The validity of one pair. `kind`: the state of the pair, or "planned"; `left` and `width` in units, cut at the edges of the
    picture, `top` of its row.
    """

    kind: str
    title: str
    begin: datetime
    end: datetime
    left: int
    width: int
    top: int

    @property
    def height(self) -> int:
        return ROW - 10

    @property
    def text_left(self) -> int:
        return self.left + 8

    @property
    def text_top(self) -> int:
        return self.top + 17


@dataclass(frozen=True)
class Overlap:
    """When a pair and the one before it are both valid, from when the newer one is made. It covers the rows of both."""

    title: str
    begin: datetime
    end: datetime
    left: int
    width: int
    top: int

    @property
    def height(self) -> int:
        return 2 * ROW

    @property
    def name_stands_left(self) -> bool:
        return self.left + self.width > LAST_NAME

    @property
    def text_left(self) -> int:
        return self.left + self.width + (-8 if self.name_stands_left else 8)

    @property
    def text_top(self) -> int:
        return self.top + 22


@dataclass(frozen=True)
class Mark:
    """An instant. `kind`: "now", "next", "deadline" or "restarts"."""

    kind: str
    title: str
    at: datetime
    left: int


@dataclass(frozen=True)
class Tick:
    title: str
    left: int


@dataclass(frozen=True)
class Timeline:
    begin: datetime
    end: datetime
    bars: tuple[Bar, ...]
    overlaps: tuple[Overlap, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]

    @classmethod
    def of(
        cls, situation: Situation, following: NextGeneration, nights: Sequence[tuple[datetime, int]]
    ) -> Timeline | None:
        """None before the first pair. `nights`: the beginning of each, and how many telephones restart in it."""
        pairs = list(_pairs(situation, following))
        if not pairs:
            return None
        now = situation.clock.best
        scale = _Scale.over(now, [plan.end for _kind, _title, plan in pairs])
        shown = [pair for pair in pairs if pair[2].end > scale.begin]
        bars = tuple(_bar(scale, row, kind, title, plan) for row, (kind, title, plan) in enumerate(shown))
        marks = tuple(
            Mark(kind, title, at, scale.at(at))
            for kind, title, at in _instants(situation, following, nights)
            if scale.begin <= at <= scale.end
        )
        return cls(
            scale.begin,
            scale.end,
            bars,
            tuple(_overlaps(scale, shown)),
            marks,
            tuple(_ticks(scale, situation.general.zone)),
        )

    @property
    def mark_places(self) -> list[tuple[str, str, int]]:
        """What is drawn of the marks: it stays the same from one minute to the next."""
        return [(mark.kind, mark.title, mark.left) for mark in self.marks]

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def height(self) -> int:
        return self.foot + 22

    @property
    def foot(self) -> int:
        """Where the rows end and the dates stand."""
        return FIRST_ROW + ROW * len(self.bars)


@dataclass(frozen=True)
class _Scale:
    begin: datetime
    end: datetime

    @classmethod
    def over(cls, now: datetime, ends: Sequence[datetime]) -> _Scale:
        shown = min(max((max(ends) - now) * PAST / (PAST - 1) * 1.04, LEAST), MOST)
        begin = now - shown / PAST
        return cls(begin, begin + shown)

    def at(self, instant: datetime) -> int:
        within = min(max(instant, self.begin), self.end)
        return round(WIDTH * ((within - self.begin) / (self.end - self.begin)))


def _pairs(situation: Situation, following: NextGeneration) -> Iterator[tuple[str, str, PairPlan]]:
    shown = [situation.served_before, situation.active, situation.pending]
    for pair in (pair for pair in shown if pair is not None):
        title = _("Generation %(number)s, %(state)s") % {
            "number": pair.number,
            "state": Generation.State(pair.state).label,
        }
        yield pair.state, title, pair.plan
    if following.at is not None:
        yield "planned", _("Next generation"), situation.settings.schedule.plan(following.at)


def _bar(scale: _Scale, row: int, kind: str, title: str, plan: PairPlan) -> Bar:
    left = scale.at(plan.not_before)
    return Bar(
        kind=kind,
        title=title,
        begin=plan.not_before,
        end=plan.end,
        left=left,
        width=max(2, scale.at(plan.end) - left),
        top=FIRST_ROW + ROW * row + 5,
    )


def _overlaps(scale: _Scale, pairs: Sequence[tuple[str, str, PairPlan]]) -> Iterator[Overlap]:
    for row, ((_kind, title, older), (_other, _title, newer)) in enumerate(pairwise(pairs)):
        begin, end = max(older.not_before, newer.made_at), min(older.end, newer.end)
        if begin < end:
            left = scale.at(begin)
            yield Overlap(
                title=_("Overlap with the next: %(pair)s") % {"pair": title},
                begin=begin,
                end=end,
                left=left,
                width=max(2, scale.at(end) - left),
                top=FIRST_ROW + ROW * row,
            )


def _instants(
    situation: Situation, following: NextGeneration, nights: Sequence[tuple[datetime, int]]
) -> Iterator[tuple[str, str, datetime]]:
    yield "now", _("Now"), situation.clock.best
    if following.at is not None:
        yield "next", _("Next automatic generation"), following.at
    pending: Generation | None = situation.pending
    # One that is over says no longer when: the switch is held up.
    if pending is not None and pending.deadline is not None and pending.deadline >= situation.clock.best:
        title = _("The communication server switches to generation %(number)s at the latest") % {
            "number": pending.number
        }
        yield "deadline", title, pending.deadline
    for night, restarting in nights:
        said = ngettext("%(count)s telephone restarts", "%(count)s telephones restart", restarting)
        yield "restarts", said % {"count": restarting}, night


def _ticks(scale: _Scale, zone: ZoneInfo) -> Iterator[Tick]:
    """The beginnings of months in the installation's zone, so many that their names have room."""
    first = scale.begin.astimezone(zone)
    months = [
        datetime(first.year + (first.month + n) // 12, (first.month + n) % 12 + 1, 1, tzinfo=zone)
        for n in range(-1, 27)
    ]
    shown = [month for month in months if scale.begin <= month <= scale.end]
    step = next(step for step in count(1) if len(shown) / step <= TICKS_AT_MOST)
    form = "YEAR_MONTH_FORMAT" if step > 1 else "F"
    for month in (month for month in shown[::step] if scale.at(month) <= LAST_TICK):
        yield Tick(_named(month.date(), form, get_language()), scale.at(month))


@lru_cache(maxsize=100)
def _named(month: date, form: str, _language: str | None) -> str:
    return formats.date_format(month, form)
