"""The first page: whether calls are secured, what comes, and for what a person is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from certificates.renewal.handover import known_terminals
from certificates.renewal.situation import Situation
from certificates.status.page import CertificateStatus
from certificates.status.warnings import worst_first
from pbxcerts.backup.warnings import backup_warnings
from pbxcerts.panel.first_steps import FirstSteps, first_steps
from pbxcerts.panel.timeline import WIDTH, Timeline
from pbxcerts.panel.tonight import Tonight
from pbxcerts.panel.what_comes import coming
from pbxcerts.panel.where_to_act import PlaceToAct, place_of
from pbxcerts.system.events import Notice, said_once
from pbxcerts.system.notifications.ahead import Ahead
from pbxcerts.system.notifications.models import Watchdog, destinations_in_use
from pbxcerts.system.notifications.warnings import notification_warnings
from pbxcerts.system.pages.frame import general_of
from terminals.rollout.progress import RolloutProgress, progress_in_force
from terminals.states import DeliveryState, Wave
from terminals.tally import counts as tally

IN_TROUBLE = (DeliveryState.FAILED, DeliveryState.ABSENT, DeliveryState.UNPROVED)


@dataclass(frozen=True)
class Need:
    """Something that is true now and worth a person's look; the worst first."""

    notice: Notice

    @property
    def place(self) -> PlaceToAct | None:
        """Where he acts on it."""
        return place_of(self.notice.id)


@dataclass(frozen=True)
class Part:
    """A part of the bar of all terminals; `left` and `width` are in its units (`WIDTH`)."""

    kind: str
    words: str
    left: int
    width: int


@dataclass(frozen=True)
class Overview:
    status: CertificateStatus

    @property
    def situation(self) -> Situation:
        return self.status.situation

    @cached_property
    def ahead(self) -> Ahead | None:
        return coming(self.situation, known_terminals(), progress_of=lambda _situation: self.progress)

    @property
    def sentences(self) -> list[str]:
        """What comes, after the sentence that says until when calls are secured."""
        return list(self.ahead.sentences())[1:] if self.ahead is not None else []

    @cached_property
    def tonight(self) -> Tonight | None:
        return Tonight.of(self.situation, self.status.next_generation, self.ahead, self.progress)

    @cached_property
    def timeline(self) -> Timeline | None:
        nights = self.ahead.nights if self.ahead is not None else ()
        return Timeline.of(self.situation, self.status.next_generation, nights)

    @cached_property
    def progress(self) -> RolloutProgress | None:
        return progress_in_force(self.situation)

    @cached_property
    def terminals(self) -> int:
        return tally.enabled_terminals()

    @property
    def parts(self) -> list[Part]:
        """The terminals that are to get the generation which is handed out, by how far they are."""
        progress = self.progress
        if progress is None or not progress.total:
            return []
        done, flight, by_hand = progress.done, progress.in_flight, progress.needs_person
        trouble = sum(row.states[state] for row in progress.rows if row.wave != Wave.BY_HAND for state in IN_TROUBLE)
        waiting = progress.total - done - flight - by_hand - trouble
        counted = [
            ("done", done, ngettext("%(count)s has it", "%(count)s have it", done)),
            ("under-way", flight, ngettext("%(count)s is getting it", "%(count)s are getting it", flight)),
            ("waiting", waiting, ngettext("%(count)s waits for its turn", "%(count)s wait for their turn", waiting)),
            ("by-hand", by_hand, ngettext("%(count)s needs a person", "%(count)s need a person", by_hand)),
            ("trouble", trouble, ngettext("%(count)s has not taken it", "%(count)s have not taken it", trouble)),
        ]
        parts, before = [], 0
        for kind, count, words in counted:
            if count:
                left, right = (WIDTH * edge // progress.total for edge in (before, before + count))
                parts.append(Part(kind, words % {"count": count}, left, right - left))
                before += count
        return parts

    @cached_property
    def needs(self) -> list[Need]:
        return [Need(notice) for notice in said_once(worst_first(self._notices()))]

    @property
    def what_is_needed(self) -> list[tuple[str, str, str]]:
        return [need.notice.in_words for need in self.needs]

    def _notices(self) -> Iterator[Notice]:
        yield from self.status.warnings
        yield from backup_warnings(self.situation.general, self.situation.clock.machine)
        yield from notification_warnings(destinations_in_use(), Watchdog.load())

    @cached_property
    def first_steps(self) -> FirstSteps:
        return first_steps(self.status, terminals=self.terminals)


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "overview.html", {"overview": Overview(CertificateStatus.load(general_of(request)))})


@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """The part of the page that is asked for again and again while the page is open."""
    return render(
        request, "_overview.html", {"overview": Overview(CertificateStatus.load(general_of(request))), "polled": True}
    )
