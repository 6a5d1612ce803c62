"""Event messages: what is true now becomes a message once, and its positive counterpart clears it (DESIGN 2, 3.8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.utils import formats, timezone
from django.utils.functional import Promise

from pbxcerts.system.clock_words import signed_seconds
from pbxcerts.system.models import EventMessage, Severity


@dataclass(frozen=True)
class Kind:
    """A kind of event message. `text` and `cleared` are lazily translated, with named placeholders.

    Without `cleared` the message has no match: it stays open until a person confirms it.
    """

    id: str
    severity: Severity
    text: Promise | str
    cleared: Promise | str = ""
    hint: Promise | str = ""

    known: ClassVar[dict[str, Kind]] = {}

    def __post_init__(self) -> None:
        if self.id in self.known:
            raise ValueError(f"two kinds of event message are called {self.id}")
        self.known[self.id] = self


@dataclass(frozen=True)
class Notice:
    """Something that is true now and that the page says. `subject` says of what.

    Each `step` of it is a message of its own; the earlier ones stay open until the matter itself is over.
    """

    kind: Kind
    subject: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    step: str = ""

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
        return str(self.kind.text) % _shown(self.params)

    @property
    def hint(self) -> str:
        return str(self.kind.hint) % _shown(self.params)


def text_of(message: EventMessage) -> str:
    """The message in the reader's language; a kind that this version no longer knows is shown by its id."""
    kind = Kind.known.get(message.kind)
    return str(kind.text) % _kept(message) if kind else message.kind


def cleared_text_of(message: EventMessage) -> str:
    kind = Kind.known.get(message.kind)
    return str(kind.cleared) % _kept(message) if kind else ""


def hint_of(message: EventMessage) -> str:
    """What to do about it, in the reader's language."""
    kind = Kind.known.get(message.kind)
    return str(kind.hint) % _kept(message) if kind else ""


def _shown(params: dict[str, Any]) -> dict[str, Any]:
    """Instants are kept as ISO 8601 and offsets as seconds (float); both are shown in the reader's zone and language."""
    return {name: _in_words(value) for name, value in params.items()}


def _in_words(value: Any) -> Any:
    if isinstance(value, float):
        return signed_seconds(timedelta(seconds=value), decimals=1)
    return _local(value) if isinstance(value, str) else value


def _kept(message: EventMessage) -> defaultdict[str, Any]:
    """An older version's message may lack what the text names now: that becomes a dash, or the page would always fail."""
    return defaultdict(lambda: "\N{EN DASH}", _shown(message.params))


def _local(value: str) -> str:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return value
    if instant.tzinfo is None:
        return value
    return formats.date_format(timezone.localtime(instant), "SHORT_DATETIME_FORMAT")


def reconcile(warnings: Iterable[Notice], *, now: datetime, open_messages: list[EventMessage] | None = None) -> None:
    """Send what has become true, clear what no longer is. Costs one query when nothing changed."""
    true_now = {warning.key: warning for warning in warnings}
    matters = {(warning.kind.id, warning.subject) for warning in true_now.values()}
    if open_messages is None:
        open_messages = list(EventMessage.objects.filter(cleared_at=None))
    known = {(message.kind, message.subject): message for message in open_messages}
    over = [
        message.pk
        for (kind, subject), message in known.items()
        if message.with_match and (kind, subject.partition("/")[0]) not in matters
    ]
    if over:
        EventMessage.objects.filter(pk__in=over, cleared_at=None).update(cleared_at=now)
    for key, warning in true_now.items():
        if key not in known:
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
            EventMessage.objects.create(
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
