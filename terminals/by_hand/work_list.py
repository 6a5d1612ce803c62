"""Terminals whose certificates a person installs: who is left, by type, until when (rule work-list)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count, Exists, OuterRef, Q
from django.utils.translation import get_language

from certificates.downloads import file_name_part
from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system.languages import SWISS
from terminals.by_hand.models import Link
from terminals.directory.found import DENSE, cut
from terminals.directory.searching import search
from terminals.drivers.registry import BY_HAND_METHODS
from terminals.evidence.requesters import has_room
from terminals.models import Installation, InstallationQuerySet, Rollout, Terminal, TerminalType
from terminals.rollout import words
from terminals.rollout.served_first import served_first
from terminals.rollout.target import rollout_in_force, rollout_target
from terminals.states import SETTLED, DeliveryState, Wave
from terminals.tally import counts as tally
from terminals.trust_file import NothingToTrust, NoTrustFile, TrustFile, trust_file


@dataclass(frozen=True)
class WorkListType:
    """One type on the list: what its terminals get, and how many are left.

    `first`: these terminals lack the certificate that the server presents now, and get it before that of the next pair.
    """

    type: TerminalType
    generation: int
    first: bool
    left: int
    total: int
    file: TrustFile | None
    too_large: bool

    @property
    def done(self) -> int:
        return self.total - self.left

    @property
    def guide(self) -> str:
        return guide(self.type)


@dataclass(frozen=True)
class FullLists:
    """Of one type, how many are told no further certificate, because their list is full (rule full-list), and what to do."""

    type: TerminalType
    count: int
    remedy: str


@dataclass(frozen=True)
class FoundInstallations:
    """What a `Paginator` wants (rule pages). `dense`: so many that walking by number finds a page sooner than sorting them;
    `more`: so many were looked at of those that match the text, which are more; None where all were.
    """

    rows: InstallationQuerySet
    all: int
    dense: bool
    more: int | None = None

    def __len__(self) -> int:
        return self.all

    def count(self) -> int:
        return self.all

    def __getitem__(self, place: slice) -> list[Installation]:
        start, stop = place.start, min(place.stop, self.all)
        if not self.dense:
            return cut(self.rows, self.all, start, stop)
        walked = Terminal.objects.filter(self.rows.order_by().of_the_terminal()).order_by("number")
        keys = [one.pk for one in cut(walked.only("pk"), self.all, start, stop)]
        # By their keys, which lead to them.
        theirs = Installation.objects.filter(terminal__in=keys).values_list("pk", flat=True)
        return list(self.rows.filter(pk__in=list(theirs)))


@dataclass(frozen=True)
class WorkList:
    """`rollout` is None where nothing is handed out, or nobody is there to get it."""

    situation: Situation
    rollout: Rollout | None

    @classmethod
    def load(cls, situation: Situation) -> WorkList:
        return cls(situation, rollout_in_force(situation))

    @property
    def target(self) -> Generation | None:
        return rollout_target(self.situation)

    @property
    def begins_soon(self) -> bool:
        """Terminals are to get a generation, and the next heartbeat begins its rollout."""
        return self.target is not None and self.rollout is None and Terminal.objects.concerned_by(self.target).exists()

    @property
    def due(self) -> datetime | None:
        """When the server switches at the latest; None where it has switched, and the work is due at once."""
        return self.target.deadline if self.target is not None and self.target.pending else None

    @property
    def all(self) -> InstallationQuerySet:
        """The installations of the work list: one for each terminal, of the generation that it is to get now."""
        if self.target is None:
            return Installation.objects.none()
        rows, first = Installation.objects.of_enabled_terminals(), served_first(self.situation)
        later = Q(generation=self.target, wave=Wave.BY_HAND)
        if self.target.pending:
            later &= Q(terminal__type__holds_only_one=False)
        if first.query.is_empty():
            return rows.filter(later)
        # The terminals of `served_first` are on the work list now, whatever wave their row was given.
        now = Q(generation=self.situation.active, terminal__in=first)
        return rows.filter(now | (later & ~Q(terminal__in=first)))

    @property
    def left(self) -> InstallationQuerySet:
        rows = self.all.unsettled().select_related("terminal")
        # One that works would be revoked by a new one.
        works = Link.objects.filter(terminal=OuterRef("terminal"), revoked_at=None)
        rows = rows.annotate(link_works=Exists(works))
        return rows.order_by("terminal__number")

    @cached_property
    def types(self) -> list[WorkListType]:
        """The types that have terminals left, first those whose terminals have no calls."""
        counted = [(generation, key, left, total) for generation, key, left, total in self._counted() if left]
        types = TerminalType.objects.in_bulk({key for _generation, key, _left, _total in counted})
        found = [self._of_type(types[key], generation, left, total) for generation, key, left, total in counted]
        return sorted(found, key=lambda one: (not one.first, one.type.name))

    def of_type(self, type_: int, *, first: bool) -> WorkListType | None:
        """`first`: of its terminals those that lack the certificate which the server presents now."""
        return next((one for one in self.types if one.type.pk == type_ and one.first == first), None)

    def _counted(self) -> Iterator[tuple[int, int, int, int]]:
        """Generation, type, how many are left, and how many there are. By the tallies; only where a type's terminals are to get
        one pair or the other, each is looked at.
        """
        if self.target is None:
            return
        mixed = set(served_first(self.situation).order_by().values_list("type", flat=True).distinct())
        by_hand = Q(wave=Wave.BY_HAND) & (Q(type__holds_only_one=False) if self.target.pending else Q())
        total = tally.by_type(self.target, by_hand)
        left = tally.by_type(self.target, by_hand & ~Q(state__in=SETTLED))
        for type_ in total.keys() - mixed:
            yield self.target.number, type_, left.get(type_, 0), total[type_]
        if not mixed:
            return
        rows = self.all.filter(terminal__type__in=mixed).order_by().values_list("generation", "terminal__type")
        yield from rows.annotate(left=Count("pk", filter=~Q(state__in=SETTLED)), total=Count("pk"))

    def found(self, *, type_: int | None = None, text: str = "") -> FoundInstallations:
        """What is left, for the pages of the list; of one type, with a text in number or name."""
        rows = self.left if type_ is None else self.left.filter(terminal__type=type_)
        if text:
            hits = search(text)
            shown = Q(terminal__number__icontains=text) | Q(terminal__name__icontains=text)
            rows = rows.filter(shown, terminal__in=hits.keys)
            return FoundInstallations(
                rows, rows.order_by().count(), dense=False, more=len(hits.keys) if hits.more else None
            )
        count = sum(one.left for one in self.types if type_ in {None, one.type.pk})
        return FoundInstallations(rows, count, dense=count * DENSE >= tally.terminals())

    @cached_property
    def full(self) -> list[FullLists]:
        """They come by themselves, but not before a person has made room."""
        if self.target is None:
            return []
        counted, for_served = tally.by_type(self.target, Q(state=DeliveryState.FULL)), not self.target.pending
        types = TerminalType.objects.filter(pk__in=counted).order_by("name") if counted else ()
        return [FullLists(one, counted[one.pk], words.make_room(one, for_served=for_served)) for one in types]

    def full_of_type(self, type_: int) -> FullLists | None:
        return next((one for one in self.full if one.type.pk == type_), None)

    def have_room(self, type_: int) -> int:
        """A person says that at all of a type that are full the old ones are deleted, and what is handed out is not. Returns how many
        those are.
        """
        full = Installation.objects.of(self.target).of_enabled_terminals().in_state(DeliveryState.FULL)
        terminals = sorted(full.filter(terminal__type=type_).values_list("terminal", flat=True))
        has_room(terminals, kept=[pair.number for pair in self.situation.in_bundle])
        return len(terminals)

    @property
    def full_count(self) -> int:
        return sum(one.count for one in self.full)

    @property
    def left_count(self) -> int:
        return sum(one.left for one in self.types if not one.first)

    @property
    def first_count(self) -> int:
        """How many lack the certificate that the server presents now."""
        return sum(one.left for one in self.types if one.first)

    @cached_property
    def due_at_switch(self) -> int:
        """Terminals that hold only one certificate: their turn comes with the switch."""
        if self.target is None or not self.target.pending:
            return 0
        return tally.enabled_terminals(Q(type__method__in=BY_HAND_METHODS, type__holds_only_one=True))

    def _of_type(self, type_: TerminalType, generation: int, left: int, total: int) -> WorkListType:
        first = self.target is not None and generation != self.target.number
        file, too_large = None, False
        try:
            file = trust_file(self.situation, type_, lacks_active=first)
        except NothingToTrust:
            pass
        except NoTrustFile:
            too_large = True
        return WorkListType(type_, generation, first, left, total, file, too_large)


def guide(type_: TerminalType) -> str:
    """In the reader's language; in the other one where only that was written."""
    german = (get_language() or "").startswith("de")
    mine, other = (type_.guide_de, type_.guide_en) if german else (type_.guide_en, type_.guide_de)
    text = mine or other
    return text.replace("ß", "ss") if get_language() == SWISS else text


def file_name(situation: Situation, type_: TerminalType, file: TrustFile) -> str:
    """`zuerich-sued-yealink-8-7.3fb1c2d4.pem`: a name of its own for each version."""
    site = file_name_part(situation.general.site_name, default="pbxcerts")
    return f"{site}-{file_name_part(type_.name, default='terminal')}-{file.version}.{file.format.value}"
