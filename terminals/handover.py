"""How far the terminals are: the answers to what the handover asks (`certificates.renewal.handover.Terminals`)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property, partial

from django.db.models import Count, Q, QuerySet, Sum
from django.utils.functional import lazy

from certificates.models import WhoCounts
from certificates.renewal.handover import DeliveryMethod, Forecast, MissingTerminal, PairDoubt, Readiness
from certificates.renewal.situation import Situation
from pbxcerts.system.database.prepared import prepared, prepared_values
from pbxcerts.system.events import Notice
from pbxcerts.system.time.clock import STILL_NOW
from terminals.checking.older_copy import begin_anew
from terminals.checking.warnings import checking_warnings
from terminals.drivers.registry import AUTOMATIC_METHODS
from terminals.evidence.requesters import SPAN
from terminals.models import SOME, Installation, InstallationQuerySet, Rollout, Terminal, TerminalQuerySet, TerminalType
from terminals.rollout import preflight, words
from terminals.rollout.progress import deliveries, forecast_generation
from terminals.rollout.target import groups_in_force, rollout_in_force
from terminals.rollout.warnings import rollout_warnings
from terminals.states import DeliveryState
from terminals.tally import counts as tally
from terminals.tally.mending import mend
from terminals.tally.models import InstallationTally

NAMED_AT_MOST = 20
SAID_WHY = 5
"""Of so many a page says why they have not confirmed. Of the others it is read where somebody asks for it."""
SEEN_LATELY = timedelta(hours=24)


@prepared_values
def _any_terminal() -> QuerySet[Terminal, tuple[int]]:
    return Terminal.objects.order_by().values_list("pk")[:1]


@prepared_values
def _held_up_roots() -> QuerySet[Rollout, tuple[str]]:
    return Rollout.objects.in_state(*Rollout.HELD_UP).order_by().values_list("generation__root_sha256")


@prepared_values
def _tallied(root_sha256: str) -> QuerySet[InstallationTally, tuple[int, str, bool, str, int]]:
    """How the enabled terminals stand that count, by generation and method."""
    rows = InstallationTally.objects.filter(generation__root_sha256=root_sha256, type__holds_only_one=False)
    alike = ("generation", "state", "trusted", "type__method")
    return rows.of_enabled_terminals().order_by().values_list(*alike).annotate(terminals=Sum("count"))


def _that_count(rows: InstallationQuerySet, methods: Collection[str]) -> InstallationQuerySet:
    """Those whose terminals may count; `methods`: of these alone, where there are any."""
    rows = rows.of_enabled_terminals().filter(terminal__type__holds_only_one=False)
    return rows.of_methods(methods) if methods else rows


def _doubted(root_sha256: str, after: datetime, until: datetime, methods: Collection[str]) -> InstallationQuerySet:
    trusted = Installation.objects.filter(generation__root_sha256=root_sha256).trusted()
    return _that_count(trusted.filter(doubt_until__gt=after, doubt_until__lte=until), methods)


@prepared_values
def _in_doubt(root_sha256: str, after: datetime, until: datetime, *methods: str) -> QuerySet[Installation, tuple[int]]:
    """How many confirmations end to be in doubt in this time, by generation."""
    rows = _doubted(root_sha256, after, until, methods).order_by()
    return rows.values("generation").annotate(terminals=Count("pk")).values_list("terminals")


@prepared_values
def _some_in_doubt(
    root_sha256: str, after: datetime, until: datetime, *methods: str
) -> QuerySet[Installation, tuple[int]]:
    return _doubted(root_sha256, after, until, methods).order_by().values_list("terminal")[:SOME]


@prepared_values
def _some_unconfirmed(generation: int, *methods: str) -> QuerySet[Installation, tuple[int]]:
    rows = Installation.objects.of(generation).filter(confirmed_at=None).exclude(state=DeliveryState.SKIPPED)
    return _that_count(rows, methods).order_by().values_list("terminal")[:SOME]


@prepared_values
def _first_of(*terminals: int) -> QuerySet[Terminal, tuple[int, str, str]]:
    found = Terminal.objects.filter(pk__in=terminals).order_by("number")
    return found.values_list("pk", "number", "name")[:NAMED_AT_MOST]


@prepared
def _with_root(root_sha256: str, *terminals: int) -> QuerySet[Installation]:
    """What is read to say why they have not confirmed (`words.why_missing`)."""
    found = Installation.objects.filter(generation__root_sha256=root_sha256, terminal__in=terminals)
    read = ("failure", "status_code", "challenge_realm", "address", "confirmed_at", "doubt_until")
    return found.only("terminal", "state", *read)


def _why_missing_of(rows: Callable[[], dict[int, Installation]], terminal: int) -> str:
    return words.why_missing(rows().get(terminal))


_why_missing = lazy(_why_missing_of, str)
"""The rows are read where the first of their texts is."""


@prepared
def _turning_on() -> QuerySet[TerminalType]:
    return TerminalType.objects.filter(turns_checking_on=True).defer("guide_de", "guide_en")


class KnownTerminals:
    """Ten queries at most, whatever the number of terminals. One of these answers for one page, or for one round."""

    @cached_property
    def _are_any(self) -> bool:
        return bool(_any_terminal())

    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        # To put the question together takes ten times as long as to see that there is nobody to ask.
        if counts == WhoCounts.NOBODY or not self._are_any:
            return Readiness()
        asked = _Asked(root_sha256, counts == WhoCounts.AUTOMATIC, now)
        found = asked.tallied()
        if counted or found is None:
            exact = asked.counted()
            if found is not None and exact != found:
                mend()
            found = exact
        if not found.counting:
            return Readiness()
        return Readiness(
            counting=found.counting,
            missing_count=found.missing,
            named=cache(partial(asked.named, found)),
            rollout_stopped=(root_sha256,) in _held_up_roots(),
            seen=cache(asked.seen_but_unconfirmed),
        )

    def refusing(self, *, trusted_roots: Collection[str]) -> int:
        trusting = Installation.objects.with_roots(trusted_roots).trusted()
        return Terminal.objects.enabled().without(trusting).count()

    def forecast(self, situation: Situation) -> Forecast:
        return forecast_generation(situation)

    def deliveries(self) -> tuple[DeliveryMethod, ...]:
        return tuple(delivery for _method, delivery in deliveries())

    def doubts(self, situation: Situation) -> tuple[PairDoubt, ...]:
        return preflight.doubts_of(situation)

    def warnings(self, situation: Situation) -> list[Notice]:
        if not self._are_any:
            return []
        of_rollout = rollout_warnings(situation, situation.once(rollout_in_force), situation.once(groups_in_force))
        return [*of_rollout, *preflight.warnings(situation), *checking_warnings(_turning_on())]

    def begin_anew(self) -> None:
        begin_anew()


@dataclass(frozen=True)
class _Found:
    """How many terminals count, and how many of them have not confirmed; `without`: how many have no installation at all,
    `in_doubt`: how many may still be taken back. `generation`: the one that all have, where there is only one.
    """

    counting: int
    missing: int
    without: int = field(default=0, compare=False)
    in_doubt: int = field(default=0, compare=False)
    generation: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class _Asked:
    """The question how far the terminals are with the generation of this root (rule who-counts)."""

    root_sha256: str
    automatic_only: bool
    now: datetime

    @property
    def _methods(self) -> tuple[str, ...]:
        """The methods of those that may count; none where that is all the same."""
        return tuple(AUTOMATIC_METHODS) if self.automatic_only else ()

    def _counts(self, method: str) -> bool:
        return not self.automatic_only or method in AUTOMATIC_METHODS

    @property
    def _trusted(self) -> InstallationQuerySet:
        return Installation.objects.with_roots([self.root_sha256]).beyond_doubt(self.now, within=SPAN)

    @property
    def _terminals(self) -> TerminalQuerySet:
        """Each that counts."""
        counting = Terminal.objects.counting(self.root_sha256)
        return counting.of_methods(AUTOMATIC_METHODS) if self.automatic_only else counting

    @property
    def _missing(self) -> TerminalQuerySet:
        """Those of them that have not confirmed."""
        return self._terminals.without(self._trusted)

    def counted(self) -> _Found:
        """Each terminal looked at."""
        missing = self._missing.order_by().count()
        return _Found(self._terminals.order_by().count(), missing, without=missing, in_doubt=missing)

    def tallied(self) -> _Found | None:
        """By the tallies; None where several generations have this root, of which a terminal may have confirmed each."""
        there = trusting = skipped = 0
        generations = set()
        for generation, state, trusted, method, count in _tallied(self.root_sha256):
            if not self._counts(method):
                continue
            generations.add(generation)
            there += count
            trusting += count if trusted else 0
            skipped += count if state == DeliveryState.SKIPPED and not trusted else 0
        if len(generations) > 1:
            return None
        every = sum(
            count for method, only_one, count in tally.enabled_by_method() if not only_one and self._counts(method)
        )
        in_doubt = sum(count for (count,) in _in_doubt(*self._doubt)) if trusting else 0
        missing = every - skipped - trusting + in_doubt
        return _Found(every - skipped, missing, every - there, in_doubt, next(iter(generations), None))

    @property
    def _doubt(self) -> tuple[str | datetime, ...]:
        """Whose confirmations another address can still take back (rule proved-by-answer)."""
        return self.root_sha256, self.now, self.now + SPAN + STILL_NOW, *self._methods

    def named(self, found: _Found) -> tuple[MissingTerminal, ...]:
        """The first that are missing."""
        if not found.missing:
            return ()
        keys: set[int] = set()
        if found.generation is not None:
            keys.update(key for (key,) in _some_unconfirmed(found.generation, *self._methods))
        if found.in_doubt:
            keys.update(key for (key,) in _some_in_doubt(*self._doubt))
        if found.without:
            keys.update(self._missing.order_by("pk").values_list("pk", flat=True)[:SOME])
        terminals = _first_of(*keys) if keys else []

        return (*self._told(terminals[:SAID_WHY]), *self._told(terminals[SAID_WHY:]))

    def _told(self, terminals: Sequence[tuple[int, str, str]]) -> Iterator[MissingTerminal]:
        """Their rows are read together, where it is asked why the first of them is missing."""

        @cache
        def rows() -> dict[int, Installation]:
            return {row.terminal_id: row for row in _with_root(self.root_sha256, *(key for key, *_ in terminals))}

        return (MissingTerminal(number, name, _why_missing(rows, key)) for key, number, name in terminals)

    def seen_but_unconfirmed(self) -> int:
        """How many that are automatic and have not confirmed were seen lately. Costs a look at each of them."""
        # What lies ahead was written by a wrong clock (rule written-ahead).
        lately = Q(last_contact__range=(self.now - SEEN_LATELY, self.now + STILL_NOW))
        return self._missing.of_methods(AUTOMATIC_METHODS).filter(lately).order_by().count()
