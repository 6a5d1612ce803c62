"""Event messages: what is true now becomes a message once, and its positive counterpart clears it
(rule event-messages).
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.utils import formats, timezone
from django.utils.functional import Promise

from pbxcerts.system.models import EventMessage, Severity
from pbxcerts.system.time import clock_words, time_words

LEVELS = {
    Severity.NORMAL: logging.INFO,
    Severity.SERIOUS: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EventKind:
    """A kind of event message. `text` and `cleared` are lazily translated, with named placeholders.

    `cleared` is true in every way in which the message can cease to be: what it is about may be mended, but also be replaced by
    something newer, or no longer be looked at (rule event-messages).

    `headline`: where calls are lost though the pair that is served could carry them, the answer to whether they are secured begins
    with it.

    `several`: what a page says once where the same is true of several subjects; its `%(each)s` is what `each` makes of each of them.

    `cause`, `consequence` (does it cost calls, and when, if nobody does anything?) and `remedy` stand on the page that lists every
    kind. Without `remedy` that is the `hint`, which also stands beside the message.

    Without `cleared` the message has no match: it stays open until a person confirms it. `instants`, `offsets`, `jumps` and
    `days` name the parameters that are shown in the reader's zone and language: instants are kept as ISO 8601 ("" for none),
    offsets and jumps of a clock as seconds, days as their number.
    """

    id: str
    severity: Severity
    text: Promise | str
    cleared: Promise | str = ""
    hint: Promise | str = ""
    headline: Promise | str = ""
    several: Promise | str = ""
    each: Promise | str = ""
    cause: Promise | str = ""
    consequence: Promise | str = ""
    remedy: Promise | str = ""
    instants: tuple[str, ...] = ()
    offsets: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()
    days: tuple[str, ...] = ()

    known: ClassVar[dict[str, EventKind]] = {}

    def __post_init__(self) -> None:
        if self.id in self.known:
            raise ValueError(f"two kinds of event message are called {self.id}")
        self.known[self.id] = self

    def shown(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """These parameters for the texts, in the reader's zone and language."""
        return {name: self._in_words(name, value) for name, value in params.items()}

    def _in_words(self, name: str, value: Any) -> Any:
        try:
            if name in self.offsets:
                return clock_words.off(timedelta(seconds=value), decimals=1)
            if name in self.jumps:
                return clock_words.moved(timedelta(seconds=value))
            if name in self.days:
                return time_words.days(int(value))
            if name in self.instants:
                return formats.date_format(timezone.localtime(datetime.fromisoformat(value)), "SHORT_DATETIME_FORMAT")
        except (TypeError, ValueError):
            # An older version may have kept something else under this name.
            pass
        return value


@dataclass(unsafe_hash=True)
class Notice:
    """Something that is true now and that the page says. `subject` says of what. Nothing changes it; it is not frozen, as telephones by the
    thousand have one each (`terminals.evidence.facts`).

    Each `step` of it is a message of its own; the earlier ones stay open until the matter itself is over. `among`: all of its kind,
    where a page says them once.
    """

    kind: EventKind
    subject: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    step: str = ""
    among: tuple[Notice, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Kind and subject of its message."""
        return self.kind.id, f"{self.subject}/{self.step}" if self.step else self.subject

    @property
    def id(self) -> str:
        return self.kind.id

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    @property
    def text(self) -> str:
        if self.among:
            each = [str(self.kind.each) % one.kind.shown(one.params) for one in self.among]
            return str(self.kind.several) % {"each": "; ".join(each)}
        return str(self.kind.text) % self.kind.shown(self.params)

    @property
    def hint(self) -> str:
        return str(self.kind.hint) % self.kind.shown(self.params)

    @property
    def in_words(self) -> tuple[str, str, str]:
        """Differs where what a page says of it differs: all else is told by its kind."""
        return self.id, self.text, self.hint

    @property
    def headline(self) -> str:
        # A plural becomes a string only with its number.
        return str(self.kind.headline % self.kind.shown(self.params)) if self.kind.headline else ""


def said_once(notices: Iterable[Notice]) -> list[Notice]:
    """For a page: what is true of several subjects in the same words is said once, where the first of them stands. Their event
    messages stay apart, as each is over by itself.
    """
    of_kind: dict[str, list[Notice]] = {}
    for position, notice in enumerate(notices):
        of_kind.setdefault(notice.id if notice.kind.several else f"{notice.id} {position}", []).append(notice)
    return [replace(alike[0], among=tuple(alike)) if len(alike) > 1 else alike[0] for alike in of_kind.values()]


def text_of(message: EventMessage) -> str:
    """The message in the reader's language; a kind that this version no longer knows is shown by its id."""
    kind = EventKind.known.get(message.kind)
    return str(kind.text) % _kept(kind, message) if kind else message.kind


def cleared_text_of(message: EventMessage) -> str:
    kind = EventKind.known.get(message.kind)
    return str(kind.cleared) % _kept(kind, message) if kind else ""


def hint_of(message: EventMessage) -> str:
    """What to do about it, in the reader's language."""
    kind = EventKind.known.get(message.kind)
    return str(kind.hint) % _kept(kind, message) if kind else ""


def _kept(kind: EventKind, message: EventMessage) -> defaultdict[str, Any]:
    """The parameters of a stored message. One that the text names and an older version did not store becomes a dash."""
    return defaultdict(lambda: "\N{EN DASH}", kind.shown(message.params))


def send_and_clear(
    warnings: Iterable[Notice], *, now: datetime, open_messages: list[EventMessage] | None = None
) -> None:
    """Send what has become true, clear what no longer is. Costs one query when nothing changed. What is still true and was said
    already is not sent again; how many there are now, or where, stands in its message from then on.
    """
    true_now = {warning.key: warning for warning in warnings}
    matters = {(warning.kind.id, warning.subject) for warning in true_now.values()}
    if open_messages is None:
        open_messages = list(EventMessage.objects.filter(cleared_at=None))
    known = {(message.kind, message.subject): message for message in open_messages}
    over = [
        message
        for (kind, subject), message in known.items()
        if message.with_match and (kind, subject.partition("/")[0]) not in matters
    ]
    if over:
        EventMessage.objects.filter(pk__in=[message.pk for message in over], cleared_at=None).update(cleared_at=now)
        transaction.on_commit(lambda: _log_what_is_over(over))
    for key, warning in true_now.items():
        if key not in known:
            _send(warning, now=now, with_match=True)
        elif known[key].params != json.loads(json.dumps(warning.params)):
            EventMessage.objects.filter(pk=known[key].pk, cleared_at=None).update(params=warning.params)


def _log_what_is_over(messages: Iterable[EventMessage]) -> None:
    for message in messages:
        logger.info("event message over: %s", message, extra={"event": message.kind})


def send(warnings: Iterable[Notice], *, now: datetime) -> None:
    """Send what has become true, and clear nothing: whoever else knows more does."""
    for warning in warnings:
        kind, subject = warning.key
        if not EventMessage.objects.filter(kind=kind, subject=subject, cleared_at=None).exists():
            _send(warning, now=now, with_match=True)


def tell(warning: Notice, *, now: datetime) -> None:
    """Send a message that no later one clears; once for each kind and subject, however often it is told."""
    kind, subject = warning.key
    if not EventMessage.objects.filter(kind=kind, subject=subject).exists():
        _send(warning, now=now, with_match=False)


def _send(warning: Notice, *, now: datetime, with_match: bool) -> None:
    kind, subject = warning.key
    try:
        with transaction.atomic():
            message = EventMessage.objects.create(
                kind=kind,
                subject=subject,
                severity=warning.severity,
                params=warning.params,
                with_match=with_match,
                raised_at=now,
            )
    except IntegrityError:
        # Another heartbeat sent the same message first; once is what was wanted.
        return
    level, about = LEVELS[warning.severity], {"event": kind}
    # What is taken back with others has never been.
    transaction.on_commit(lambda: logger.log(level, "event message: %s", message, extra=about))
