"""The queue of what is to be told: filled by the heartbeat, emptied by the sender (rules told-at-least-once, storm).

Nothing is sent here. Whoever changes a row names the state in which it was found (rule conditional-update).
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from pbxcerts.system.database.versioned import SavingError
from pbxcerts.system.events import EventKind
from pbxcerts.system.models import EventMessage, General, Severity
from pbxcerts.system.notifications.ahead import Coming
from pbxcerts.system.notifications.letters import OVER, RAISED
from pbxcerts.system.notifications.models import Delivery, Destination, Timing, due_in
from pbxcerts.system.notifications.warnings import DELIVERY_GIVEN_UP, DESTINATION_FAILS
from pbxcerts.system.time.clock import MachineReading

AT_MOST_EVERY = 60
"""Seconds between two messages of events: what happens meanwhile goes together."""
KEPT_ENTRIES = 200
NOTED_AT_ONCE = 5_000

EDITED = (
    *("name", "enabled", "least_severity", "language", "timing", "digest_at", "positive", "in_advance"),
    *("options", "url", "secret"),
)
ABOUT_A_DESTINATION = {DESTINATION_FAILS.id, DELIVERY_GIVEN_UP.id}

Entry = tuple[EventMessage, str]


def note(
    destinations: Sequence[Destination],
    general: General,
    best: datetime,
    now: MachineReading,
    coming: Coming | None = None,
) -> None:
    """Put what has happened since the last time, what comes, and the digests of the day into the queue. `best`: the
    best clock (rule which-clock). With nothing to note one query, without a destination none.
    """
    if not destinations:
        return
    try:
        with transaction.atomic():
            _note_events(destinations, now)
            if coming is not None:
                _note_ahead(destinations, coming, best, now)
            _close_digests(destinations, general, coming, best, now)
    except IntegrityError:
        # Another heartbeat has noted it at this moment.
        return


def begin_with(destination: Destination) -> None:
    """Store a new destination. What happened before the first one was added is told to nobody."""
    with transaction.atomic():
        _pass_over_what_was_before()
        destination.save()


def _pass_over_what_was_before() -> None:
    """While no destination is in use, nothing is noted."""
    if not Destination.objects.in_use().exists():
        EventMessage.objects.filter(raise_noted=False).update(raise_noted=True)
        EventMessage.objects.filter(clear_noted=False, cleared_at__isnull=False).update(clear_noted=True)


class DestinationOvertaken(SavingError):
    """Somebody else has saved the destination since `expected_version`."""


def change(destination: Destination, *, was_used: bool, expected_version: int, now: MachineReading) -> None:
    """Store a destination that somebody has changed: what waits is tried now, or dropped where it is no longer in use.
    Raises DestinationOvertaken (rule versioned-settings).
    """
    with transaction.atomic():
        if destination.enabled and not was_used:
            _pass_over_what_was_before()
        # Not what the sender may have written meanwhile.
        edited = {name: getattr(destination, name) for name in EDITED}
        as_seen = Destination.objects.filter(pk=destination.pk, version=expected_version)
        if not as_seen.update(**edited, version=F("version") + 1):
            _refuse_other(destination, edited)
        waiting = Delivery.objects.filter(destination=destination, state=Delivery.State.WAITING)
        if not destination.enabled:
            waiting.delete()
            Destination.objects.filter(pk=destination.pk).update(failures=0)
        elif destination.timing == Timing.DIGEST:
            waiting.filter(attempts=0, kind=Delivery.Kind.EVENTS).update(kind=Delivery.Kind.DIGEST, due_at=None)
            waiting.filter(due_at__isnull=False).update(**due_in(0, now))
        else:
            waiting.filter(attempts=0, kind=Delivery.Kind.DIGEST).update(kind=Delivery.Kind.EVENTS)
            waiting.update(**due_in(0, now))


def _refuse_other(destination: Destination, edited: dict[str, Any]) -> None:
    """What stands there already overtakes nobody, so a form that is sent twice does no harm."""
    stored = Destination.objects.filter(pk=destination.pk).first()
    if stored is None or any(getattr(stored, name) != value for name, value in edited.items()):
        raise DestinationOvertaken


def new_secret(destination: Destination) -> str:
    """A secret with which a webhook signs from now on; the row is not saved yet."""
    made = secrets.token_urlsafe(32)
    destination.secret = made
    return made


def test(destination: Destination, now: MachineReading) -> Delivery:
    """Have a message sent that only says that it is a test."""
    return Delivery.objects.create(
        destination=destination, kind=Delivery.Kind.TEST, **_made(now), **due_in(0, now), matter=""
    )


def _unnoted() -> Q:
    return Q(raise_noted=False) | Q(clear_noted=False, cleared_at__isnull=False)


def _note_events(destinations: Sequence[Destination], now: MachineReading) -> None:
    fresh = list(EventMessage.objects.select_for_update().filter(_unnoted()).order_by("pk")[:NOTED_AT_ONCE])
    if not fresh:
        return
    entries: list[Entry] = []
    for message in fresh:
        if not message.raise_noted:
            entries.append((message, RAISED))
        if message.cleared_at is not None and not message.clear_noted:
            entries.append((message, OVER))
    for destination in destinations:
        if wanted := [entry for entry in entries if _is_told(entry, destination)]:
            _collect(destination, wanted, now)
    over = [message.pk for message in fresh if message.cleared_at is not None]
    noted = EventMessage.objects.filter(pk__in=[message.pk for message in fresh])
    noted.filter(raise_noted=False).update(raise_noted=True)
    EventMessage.objects.filter(pk__in=over).update(clear_noted=True)


def _is_told(entry: Entry, destination: Destination) -> bool:
    message, phase = entry
    if message.severity not in destination.wants:
        return False
    if message.kind in ABOUT_A_DESTINATION and message.subject.partition("/")[0] == str(destination.pk):
        # It is what can't be told there.
        return False
    kind = EventKind.known.get(message.kind)
    is_counterpart = message.with_match and not message.confirmed_by and kind is not None and bool(kind.cleared)
    return phase == RAISED or (destination.positive and is_counterpart)


def _collect(destination: Destination, wanted: Sequence[Entry], now: MachineReading) -> None:
    """Add to what has not been tried yet, or begin anew: each attempt carries what the one before carried."""
    told = Delivery.objects.filter(destination=destination)
    delivery = told.select_for_update().collecting(destination).first()
    if delivery is None:
        delivery = Delivery(destination=destination, kind=Delivery.Kind.EVENTS, **_made(now))
        if destination.timing == Timing.DIGEST:
            delivery.kind = Delivery.Kind.DIGEST
        else:
            for name, value in due_in(_pause_before(destination, now), now).items():
                setattr(delivery, name, value)
    worst_first = [severity.value for severity in reversed(Severity)]
    entries = [*delivery.entries, *([message.pk, phase, message.severity] for message, phase in wanted)]
    delivery.entries = sorted(entries, key=lambda one: worst_first.index(one[2]))[:KEPT_ENTRIES]
    delivery.counts = dict(
        Counter(delivery.counts) + Counter(message.severity if phase == RAISED else OVER for message, phase in wanted)
    )
    delivery.save()


def _pause_before(destination: Destination, now: MachineReading) -> float:
    """Seconds until the next message of events: not within a minute of the last, and not before what failed is tried again."""
    before = Delivery.objects.filter(destination=destination, kind=Delivery.Kind.EVENTS).order_by("-pk").first()
    waits = [0.0]
    if before is not None and before.made_boot_id == now.boot_id:
        waits.append(before.made_boottime + AT_MOST_EVERY - now.boottime)
    if before is not None and before.state == Delivery.State.WAITING and before.due_boot_id == now.boot_id:
        waits.append(before.due_boottime - now.boottime)
    return min(max(waits), 3600.0)


def _note_ahead(destinations: Sequence[Destination], coming: Coming, best: datetime, now: MachineReading) -> None:
    step = coming.step(best)
    wanting = [one for one in destinations if one.in_advance]
    if step is None or not wanting:
        return
    matter = f"{coming.matter} {step}"
    told = set(Delivery.objects.filter(matter=matter).values_list("destination_id", flat=True))
    untold = [one for one in wanting if one.pk not in told]
    if not untold:
        return
    ahead = coming.work_out().as_json()
    for destination in untold:
        Delivery.objects.create(
            destination=destination,
            kind=Delivery.Kind.AHEAD,
            matter=matter,
            ahead=ahead,
            **_made(now),
            **due_in(0, now),
        )


def _close_digests(
    destinations: Sequence[Destination], general: General, coming: Coming | None, best: datetime, now: MachineReading
) -> None:
    comes_soon = coming is not None and coming.step(best) is not None
    local = timezone.localtime(best, general.zone)
    for destination in destinations:
        if destination.timing != Timing.DIGEST or local.time() < destination.digest_at:
            continue
        if destination.digested_on == local.date():
            continue
        of_before = Destination.objects.filter(pk=destination.pk, digested_on=destination.digested_on)
        if of_before.update(digested_on=local.date()):
            _close_digest(destination, coming, now, comes_soon=comes_soon)


def _close_digest(destination: Destination, coming: Coming | None, now: MachineReading, *, comes_soon: bool) -> None:
    """What was collected, what is open, and what comes go out now. Where nothing was collected and nothing is open, nothing does
    before what comes is near: nobody reads every day for months what has not changed.
    """
    delivery = Delivery.objects.select_for_update().collecting(destination).first()
    if delivery is None:
        is_open = EventMessage.objects.filter(cleared_at=None, severity__in=destination.wants).exists()
        if not is_open and not comes_soon:
            return
        delivery = Delivery(destination=destination, kind=Delivery.Kind.DIGEST, **_made(now))
    delivery.kind = Delivery.Kind.DIGEST
    delivery.ahead = coming.work_out().as_json() if coming is not None else {}
    for name, value in due_in(0, now).items():
        setattr(delivery, name, value)
    delivery.save()


def _made(now: MachineReading) -> dict[str, Any]:
    return {"made_at": now.wall, "made_boottime": now.boottime, "made_boot_id": now.boot_id}


def today(general: General, best: datetime) -> date:
    """The day of a destination that has just been added: its first digest comes tomorrow."""
    return timezone.localtime(best, general.zone).date()
