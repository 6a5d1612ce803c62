"""What a message to a destination says, in its language. From stored rows to texts: nothing is sent or changed here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pbxcerts.system.events import cleared_text_of, hint_of, text_of
from pbxcerts.system.models import EventMessage, General, Severity
from pbxcerts.system.notifications.ahead import Ahead
from pbxcerts.system.notifications.faults import in_one_line
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.time import time_words

RAISED, OVER = "raised", "over"
NAMED_AT_MOST = 20
"""More than that is a storm: one message names these, and how many there were (rule storm)."""


@dataclass(frozen=True)
class ToldEvent:
    """An event message, or its positive counterpart, which says what it is about in `before`. `id` stays the same however
    often it is told.
    """

    id: str
    kind: str
    subject: str
    severity: str
    phase: str
    at: datetime
    text: str
    hint: str
    before: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Letter:
    """`id` stays the same at each attempt. `events` are at most `NAMED_AT_MOST` of `total`; `open_events`: of a digest, what is
    still open from before. `severity`: the worst, "" where nothing has happened.
    """

    id: str
    kind: str
    installation: str
    site: str
    language: str
    severity: str
    subject: str
    text: str
    made_at: datetime
    total: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    events: tuple[ToldEvent, ...] = ()
    open_events: tuple[ToldEvent, ...] = ()
    ahead: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_storm(self) -> bool:
        return self.total > NAMED_AT_MOST


def event_id(installation: str, message: EventMessage, phase: str) -> str:
    """The same at each attempt and for each destination; another one in a database that was restored and went another way."""
    said = f"{message.pk} {message.kind} {message.subject} {message.raised_at.isoformat()} {phase}"
    return str(uuid.uuid5(uuid.UUID(installation), said))


def letter_of(delivery: Delivery, destination: Destination, general: General) -> Letter:
    """The message as it is to be sent. At most two queries."""
    with translation.override(general.spelt(destination.language)), timezone.override(general.zone):
        named = delivery.entries[:NAMED_AT_MOST]
        rows = EventMessage.objects.in_bulk([pk for pk, *_rest in named])
        told = [_told(general.installation, rows[pk], phase) for pk, phase, _severity in named if pk in rows]
        still = _still_open(destination, general, rows) if delivery.kind == Delivery.Kind.DIGEST else []
        ahead = Ahead.from_json(delivery.ahead) if delivery.ahead else None
        worst = next((one.value for one in reversed(Severity) if delivery.counts.get(one.value)), "")
        return Letter(
            id=delivery.uid.hex,
            kind=delivery.kind,
            installation=general.installation,
            site=str(general),
            language=destination.language,
            severity=worst,
            subject=in_one_line(f"[{general}] {_subject(delivery, told, ahead)}", at_most=150),
            text="\n".join(_lines(delivery, told, still, ahead, general)),
            made_at=delivery.made_at,
            total=delivery.count,
            counts=delivery.counts,
            events=tuple(told),
            open_events=tuple(still),
            ahead=delivery.ahead,
        )


def _told(installation: str, message: EventMessage, phase: str) -> ToldEvent:
    over = phase == OVER
    return ToldEvent(
        id=event_id(installation, message, phase),
        kind=message.kind,
        subject=message.subject,
        severity=message.severity,
        phase=phase,
        at=(message.cleared_at if over else None) or message.raised_at,
        text=cleared_text_of(message) if over else text_of(message),
        hint="" if over else hint_of(message),
        before=text_of(message) if over else "",
        params=message.params,
    )


def _still_open(destination: Destination, general: General, told: Mapping[int, EventMessage]) -> list[ToldEvent]:
    waiting = EventMessage.objects.filter(cleared_at=None, severity__in=destination.wants).exclude(pk__in=told)
    return [_told(general.installation, message, RAISED) for message in waiting[:NAMED_AT_MOST]]


def _subject(delivery: Delivery, told: list[ToldEvent], ahead: Ahead | None) -> str:
    match delivery.kind:
        case Delivery.Kind.TEST:
            return _("Test message")
        case Delivery.Kind.AHEAD if ahead is not None:
            return ahead.headline()
        case Delivery.Kind.DIGEST:
            return _("Digest: %(what)s") % {"what": _counted(delivery) or _("nothing new")}
        case _ if len(told) == 1 and delivery.count == 1:
            return f"{_label(told[0])}: {told[0].text}"
        case _:
            return _counted(delivery)


def _label(event: ToldEvent) -> str:
    return _("Over") if event.phase == OVER else str(Severity(event.severity).label)


def _counted(delivery: Delivery) -> str:
    """How many event messages of which severity; "" for none."""
    if not delivery.count:
        return ""
    several = ngettext("%(count)s event message", "%(count)s event messages", delivery.count)
    by_severity = ", ".join(
        f"{severity.label}: {delivery.counts[severity.value]}"
        for severity in reversed(Severity)
        if delivery.counts.get(severity.value)
    )
    if over := delivery.counts.get(OVER):
        by_severity = ", ".join(filter(None, [by_severity, _("Over") + f": {over}"]))
    return f"{several % {'count': delivery.count}} ({by_severity})"


def _lines(
    delivery: Delivery, told: list[ToldEvent], still: list[ToldEvent], ahead: Ahead | None, general: General
) -> Iterator[str]:
    if delivery.kind == Delivery.Kind.TEST:
        yield _("This is a test: somebody wanted to see whether event messages arrive here. They do.")
        yield ""
    if delivery.count > 1:
        yield _counted(delivery)
        yield ""
    yield from _paragraphs(told)
    if delivery.count > len(told) and told:
        more = delivery.count - len(told)
        yield ngettext(
            "And %(count)s more, on the page of the event messages.",
            "And %(count)s more, on the page of the event messages.",
            more,
        ) % {"count": more}
        yield ""
    if still:
        yield _("Open since before:")
        yield ""
        yield from _paragraphs(still)
    if ahead is not None:
        yield _("What comes:")
        yield from (f"- {sentence}" for sentence in ahead.sentences())
        yield ""
    system = f"{general} ({general.system_id})" if general.system_id else str(general)
    yield "-- "
    yield _("pbxcerts, %(system)s. Sent by itself: an answer is read by nobody.") % {"system": system}


def _paragraphs(events: Iterable[ToldEvent]) -> Iterator[str]:
    for event in events:
        yield f"{_label(event)} · {time_words.moment(event.at)}"
        yield event.text
        if event.hint:
            yield event.hint
        if event.before:
            yield _("What had been told: %(text)s") % {"text": event.before}
        yield ""
