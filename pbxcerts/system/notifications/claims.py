"""What the sender does with the queue: claim what is due, and record what came of it (rule told-at-least-once).

Whoever changes a row names the state in which it was found (rule conditional-update).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from pbxcerts.system import events
from pbxcerts.system.events import Notice
from pbxcerts.system.notifications.faults import Fault, NotificationError, PartlyDelivered
from pbxcerts.system.notifications.models import Delivery, Destination, due_in
from pbxcerts.system.notifications.warnings import DELIVERY_GIVEN_UP
from pbxcerts.system.time.clock import MachineReading

PAUSES = (1, 5, 30, *[60] * 24)
"""Minutes after each attempt that failed; after the last one it is given up."""
CLAIM = 120
"""Seconds, at least, until an attempt whose process has died is repeated."""
KEPT_DELIVERIES = 100


@dataclass(frozen=True)
class Claim:
    """A delivery that this process tries now, as it was at that moment."""

    delivery: Delivery
    destination: Destination


def claim(now: MachineReading, *, but: Iterable[int] = ()) -> list[Claim]:
    """The next one of each destination that is due, `but` those, claimed for two minutes."""
    due = Delivery.objects.all().due(now).exclude(destination__in=list(but))
    first: dict[int, Delivery] = {}
    # A person waits for a test.
    for delivery in sorted(due, key=lambda one: (one.kind != Delivery.Kind.TEST, one.pk)):
        first.setdefault(delivery.destination_id, delivery)
    claimed = []
    for found in first.values():
        unchanged = Delivery.objects.filter(pk=found.pk, state=Delivery.State.WAITING, attempts=found.attempts)
        # Where this process dies of it, the next one waits as long as after a failure.
        pause = 60 * PAUSES[min(found.attempts, len(PAUSES) - 1)]
        if not unchanged.update(attempts=F("attempts") + 1, **due_in(max(CLAIM, pause), now)):
            continue
        # What it holds is read only now: it can't grow any more.
        claimed_row = Delivery.objects.select_related("destination").filter(pk=found.pk).first()
        if claimed_row is None:
            # Its destination has been removed at this moment.
            continue
        mine = Claim(claimed_row, claimed_row.destination)
        if claimed_row.attempts > len(PAUSES) + 1:
            failed(mine, NotificationError(Fault.INTERRUPTED), now)
        else:
            claimed.append(mine)
    return claimed


def succeeded(done: Claim, now: MachineReading, partly: PartlyDelivered | None = None) -> None:
    """Record that it was taken. Where another process has claimed it meanwhile, its outcome counts too."""
    fault, said = (partly.fault.value, partly.said) if partly else ("", {})
    with transaction.atomic():
        Delivery.objects.filter(pk=done.delivery.pk).exclude(state=Delivery.State.DELIVERED).update(
            state=Delivery.State.DELIVERED, ended_at=now.wall, fault=fault, said=said
        )
        place = Destination.objects.filter(pk=done.destination.pk)
        if place.filter(failures__gt=0).exists():
            # It is back: what waits need not wait any longer.
            Delivery.objects.waiting().filter(destination=done.destination, due_at__isnull=False).update(
                **due_in(0, now)
            )
        place.update(failures=0, fault=fault, said=said, tried_at=now.wall, delivered_at=now.wall)


def failed(done: Claim, error: NotificationError, now: MachineReading) -> None:
    """Record why it was not taken, and when it is tried again; after a day of it, it is given up and told elsewhere."""
    delivery, destination = done.delivery, done.destination
    is_last = delivery.kind == Delivery.Kind.TEST or delivery.attempts > len(PAUSES)
    fault = {"fault": error.fault.value, "said": error.said}
    mine = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING, attempts=delivery.attempts)
    with transaction.atomic():
        if is_last:
            changed = mine.update(state=Delivery.State.GIVEN_UP, ended_at=now.wall, **fault)
        else:
            # What comes after it does not begin with a minute again: it is the destination that fails.
            before = Destination.objects.filter(pk=destination.pk).values_list("failures", flat=True).first() or 0
            pause = PAUSES[min(max(delivery.attempts, before + 1), len(PAUSES)) - 1]
            changed = mine.update(**fault, **due_in(60 * pause, now))
        if not changed:
            return
        if delivery.kind == Delivery.Kind.TEST:
            return
        Destination.objects.filter(pk=destination.pk).update(failures=F("failures") + 1, tried_at=now.wall, **fault)
    if is_last:
        params = {"name": destination.name, "count": delivery.count}
        subject, step = str(destination.pk), delivery.uid.hex
        events.tell(Notice(DELIVERY_GIVEN_UP, subject=subject, step=step, params=params), now=now.wall)


def clean_up(destination: Destination) -> None:
    """Keep the newest that are over; what is told once is remembered for longer."""
    over = Delivery.objects.filter(destination=destination).exclude(state=Delivery.State.WAITING)
    for rows in (over.filter(matter=""), over.exclude(matter="")):
        kept = rows.order_by("-pk").values_list("pk", flat=True)[:KEPT_DELIVERIES]
        rows.exclude(pk__in=list(kept)).delete()
