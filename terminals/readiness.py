"""How far the terminals are: the answers to what the handover asks (`certificates.handover.Terminals`)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from certificates.handover import Disturbance, Forecast, Missing, Readiness
from certificates.models import Counts
from certificates.situation import Situation
from pbxcerts.system.events import Notice
from terminals import words
from terminals.models import Installation, Rollout, Terminal
from terminals.progress import preview
from terminals.rollout import AUTOMATIC, RESTARTING, in_force
from terminals.warnings import warnings
from terminals.waves import State

NAMED_AT_MOST = 20
SEEN_LATELY = timedelta(hours=24)
HELD_UP = [Rollout.State.PAUSED, Rollout.State.STOPPED]


class KnownTerminals:
    """Five queries at most, whatever the number of terminals. One of these answers for one page, or for one round."""

    @cached_property
    def _are_any(self) -> bool:
        return Terminal.objects.exists()

    def readiness(self, *, root_sha256: str, counts: str, now: datetime) -> Readiness:
        # To put the question together takes ten times as long as to see that there is nobody to ask.
        if counts == Counts.NOBODY or not self._are_any:
            return Readiness()
        ours = Installation.objects.filter(terminal=OuterRef("pk"), generation__root_sha256=root_sha256)
        confirmed = Exists(ours.filter(confirmed_at__isnull=False))
        # A type that holds only one certificate is due at the switch: to wait for it would be to wait for ever.
        counting = Terminal.objects.filter(enabled=True, type__holds_only_one=False).exclude(
            Exists(ours.filter(state=State.SKIPPED.value, confirmed_at=None))
        )
        automatic = Q(type__method__in=AUTOMATIC)
        if counts == Counts.AUTOMATIC:
            counting = counting.filter(automatic)
        counting = counting.annotate(has_confirmed=confirmed)
        missing = Q(has_confirmed=False)
        found = counting.order_by().aggregate(
            counting=Count("pk"),
            missing=Count("pk", filter=missing),
            seen=Count("pk", filter=missing & automatic & Q(last_contact__gte=now - SEEN_LATELY)),
        )
        if not found["counting"]:
            return Readiness()
        named = _named(counting.filter(missing), root_sha256) if found["missing"] else ()
        return Readiness(
            counting=found["counting"],
            missing=named,
            unnamed=found["missing"] - len(named),
            rollout_stopped=Rollout.objects.filter(generation__root_sha256=root_sha256, state__in=HELD_UP).exists(),
            automatic_seen_but_unconfirmed=found["seen"],
        )

    def disturbance(self, *, trusted_roots: Collection[str]) -> Disturbance:
        trusting = Installation.objects.filter(
            terminal=OuterRef("pk"), generation__root_sha256__in=trusted_roots, confirmed_at__isnull=False
        )
        found = (
            Terminal.objects.filter(enabled=True)
            .annotate(refuses=~Exists(trusting))
            .order_by()
            .values("type__method")
            .annotate(count=Count("pk"), refusing=Count("pk", filter=Q(refuses=True)))
        )
        counts = {row["type__method"]: row["count"] for row in found}
        restarting = sum(count for method, count in counts.items() if method in RESTARTING)
        automatic = sum(count for method, count in counts.items() if method in AUTOMATIC)
        return Disturbance(
            exchanged_in_service=automatic - restarting,
            restarting=restarting,
            by_hand=sum(counts.values()) - automatic,
            refusing=sum(row["refusing"] for row in found),
        )

    def forecast(self, situation: Situation) -> Forecast:
        expected = preview(situation)
        return Forecast(restarts_at=expected.restarts_at, ends_at=expected.ends_at, gap=expected.gap)

    def warnings(self, situation: Situation) -> list[Notice]:
        return warnings(situation, in_force(situation)) if self._are_any else []


def _named(missing: QuerySet[Terminal], root_sha256: str) -> tuple[Missing, ...]:
    terminals = list(missing.order_by("number")[:NAMED_AT_MOST])
    rows = {
        row.terminal_id: row
        for row in Installation.objects.filter(generation__root_sha256=root_sha256, terminal__in=terminals)
    }
    return tuple(
        Missing(number=one.number, name=one.name, why=words.why_missing(rows.get(one.pk))) for one in terminals
    )
