"""How far the terminals are: the answers to what the handover asks (`certificates.renewal.handover.Terminals`)."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import Count, Q, QuerySet

from certificates.models import WhoCounts
from certificates.renewal.handover import Forecast, MissingTerminal, Readiness
from certificates.renewal.situation import Situation
from pbxcerts.system.clock import STILL_NOW
from pbxcerts.system.events import Notice
from terminals.drivers.registry import AUTOMATIC_METHODS
from terminals.evidence.fetches import SPAN
from terminals.models import Installation, Rollout, Terminal
from terminals.rollout import words
from terminals.rollout.progress import forecast_generation
from terminals.rollout.target import rollout_in_force
from terminals.rollout.warnings import rollout_warnings

NAMED_AT_MOST = 20
SEEN_LATELY = timedelta(hours=24)


class KnownTerminals:
    """Five queries at most, whatever the number of terminals. One of these answers for one page, or for one round."""

    @cached_property
    def _are_any(self) -> bool:
        return Terminal.objects.exists()

    def readiness(self, *, root_sha256: str, counts: str, now: datetime) -> Readiness:
        # To put the question together takes ten times as long as to see that there is nobody to ask.
        if counts == WhoCounts.NOBODY or not self._are_any:
            return Readiness()
        trusted = Installation.objects.with_roots([root_sha256]).beyond_doubt(now, within=SPAN)
        counting = Terminal.objects.counting(root_sha256).annotate(has_confirmed=trusted.of_the_terminal())
        if counts == WhoCounts.AUTOMATIC:
            counting = counting.of_methods(AUTOMATIC_METHODS)
        missing = Q(has_confirmed=False)
        automatic = Q(type__method__in=AUTOMATIC_METHODS)
        found = counting.order_by().aggregate(
            counting=Count("pk"),
            missing=Count("pk", filter=missing),
            # What lies ahead was written by a wrong clock (rule written-ahead).
            seen=Count("pk", filter=missing & automatic & Q(last_contact__range=(now - SEEN_LATELY, now + STILL_NOW))),
        )
        if not found["counting"]:
            return Readiness()
        named = _named(counting.filter(missing), root_sha256) if found["missing"] else ()
        return Readiness(
            counting=found["counting"],
            missing=named,
            unnamed=found["missing"] - len(named),
            rollout_stopped=Rollout.objects.filter(generation__root_sha256=root_sha256)
            .in_state(*Rollout.HELD_UP)
            .exists(),
            automatic_seen_but_unconfirmed=found["seen"],
        )

    def refusing(self, *, trusted_roots: Collection[str]) -> int:
        trusting = Installation.objects.with_roots(trusted_roots).trusted()
        return Terminal.objects.enabled().without(trusting).count()

    def forecast(self, situation: Situation) -> Forecast:
        return forecast_generation(situation)

    def warnings(self, situation: Situation) -> list[Notice]:
        return rollout_warnings(situation, rollout_in_force(situation)) if self._are_any else []


def _named(missing: QuerySet[Terminal], root_sha256: str) -> tuple[MissingTerminal, ...]:
    terminals = list(missing.order_by("number")[:NAMED_AT_MOST])
    rows = {
        row.terminal_id: row for row in Installation.objects.with_roots([root_sha256]).filter(terminal__in=terminals)
    }
    return tuple(
        MissingTerminal(number=one.number, name=one.name, why=words.why_missing(rows.get(one.pk))) for one in terminals
    )
