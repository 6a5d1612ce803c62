"""What comes, so that nobody is surprised: values that are worked out by who knows them, and their sentences (rule in-advance).

Stored with a delivery as JSON, so that each language says it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pbxcerts.system.time import time_words

STEPS = (7, 1)
"""Days before something comes at which it is told."""


@dataclass(frozen=True)
class Coming:
    """When the next generation is made, or while a handover is under way its deadline (`number`: to which generation).

    `work_out`: what that means for the terminals, which costs a look at them and is for what is told alone.
    """

    at: datetime
    number: int | None
    work_out: Callable[[], Ahead]

    @property
    def matter(self) -> str:
        return f"{self.number or 'next'} {self.at.isoformat(timespec='minutes')}"

    def step(self, now: datetime) -> int | None:
        """The last of the steps that has come; None before the first, and when what comes is there."""
        left = self.at - now
        reached = [days for days in STEPS if timedelta() < left <= timedelta(days=days)]
        return min(reached, default=None)


@dataclass(frozen=True)
class Ahead:
    """`comes_at` and `number`: as `Coming` has them.

    `nights`: the beginning of each, and about how many telephones restart in it; `by_hand`: how many terminals
    need a person, `until` when at the latest (None: nobody knows), and `names` the first of them.
    """

    comes_at: datetime
    number: int | None = None
    in_service: int = 0
    nights: tuple[tuple[datetime, int], ...] = ()
    by_hand: int = 0
    until: datetime | None = None
    names: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "comes_at": self.comes_at.isoformat(),
            "nights": [[night.isoformat(), count] for night, count in self.nights],
            "until": self.until.isoformat() if self.until else None,
            "names": list(self.names),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Ahead:
        until = stored.get("until")
        return cls(
            comes_at=datetime.fromisoformat(stored["comes_at"]),
            number=stored.get("number"),
            in_service=stored.get("in_service", 0),
            nights=tuple((datetime.fromisoformat(night), count) for night, count in stored.get("nights", [])),
            by_hand=stored.get("by_hand", 0),
            until=datetime.fromisoformat(until) if until else None,
            names=tuple(stored.get("names", [])),
        )

    def headline(self) -> str:
        at = time_words.moment(self.comes_at)
        if self.number is None:
            return _("On %(at)s the next generation is made.") % {"at": at}
        return _("On %(at)s at the latest the communication server switches to generation %(number)s.") % {
            "at": at,
            "number": self.number,
        }

    def sentences(self) -> Iterator[str]:
        """In the language and zone that are active."""
        yield self.headline()
        for night, count in self.nights:
            yield ngettext(
                "From %(night)s on about %(count)s telephone restarts.",
                "From %(night)s on about %(count)s telephones restart.",
                count,
            ) % {"night": time_words.moment(night), "count": count}
        if self.in_service:
            yield ngettext(
                "%(count)s terminal takes the new certificates in service, without a restart.",
                "%(count)s terminals take the new certificates in service, without a restart.",
                self.in_service,
            ) % {"count": self.in_service}
        if self.by_hand and self.until and self.number is not None:
            yield ngettext(
                "%(count)s terminal needs a person, until %(until)s: it stands on the work list.",
                "%(count)s terminals need a person, until %(until)s: they stand on the work list.",
                self.by_hand,
            ) % {"count": self.by_hand, "until": time_words.moment(self.until)}
        elif self.by_hand and self.until:
            yield ngettext(
                "%(count)s terminal needs a person, until %(until)s: it stands on the work list from the generation on.",
                "%(count)s terminals need a person, until %(until)s: they stand on the work list from the generation on.",
                self.by_hand,
            ) % {"count": self.by_hand, "until": time_words.moment(self.until)}
        elif self.by_hand:
            yield ngettext(
                "%(count)s terminal needs a person: it stands on the work list from the generation on.",
                "%(count)s terminals need a person: they stand on the work list from the generation on.",
                self.by_hand,
            ) % {"count": self.by_hand}
        elif not self.nights and not self.in_service:
            yield _("No terminal is concerned.")
        else:
            yield _("Nobody needs to do anything.")
        if self.names:
            yield self._who()

    def _who(self) -> str:
        names, unnamed = ", ".join(self.names), self.by_hand - len(self.names)
        if unnamed <= 0:
            return _("By hand: %(names)s.") % {"names": names}
        return ngettext(
            "By hand: %(names)s, and %(count)s more.",
            "By hand: %(names)s, and %(count)s more.",
            unnamed,
        ) % {"names": names, "count": unnamed}
