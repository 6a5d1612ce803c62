"""What the page "Self-signed certificates" shows: one reading, at most twelve queries with the frame around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from certificates import downloads, words
from certificates.handover import Readiness, Terminals, terminals
from certificates.history import Attempt
from certificates.lifecycle import Refused, is_at_once, may_discard, roll_back_target
from certificates.models import Generation, Settings
from certificates.observing import observe
from certificates.pki import formats, lifetime
from certificates.pki.describe import BasicFields, basic_fields
from certificates.pki.lifetime import DueBecause
from certificates.reconciling import readiness
from certificates.situation import Situation
from certificates.warnings import warnings, worst_first
from pbxcerts.system import clock_words
from pbxcerts.system.clock import Clock, ClockState, ClockVerdict
from pbxcerts.system.events import Notice
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.timekeeping import current_clock

State = Generation.State

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Sighting:
    """What a TLS address presented when it was last looked at; `sees` is None where it was not reached or not looked at."""

    address: str
    sees: bool | None
    error: str
    at: datetime | None


@dataclass(frozen=True)
class PairStatus(Attempt):
    """A pair that is active, prepared or held."""

    situation: Situation
    heartbeat: Heartbeat

    @cached_property
    def host(self) -> BasicFields:
        return basic_fields(self.generation.host)

    @cached_property
    def root_sha256(self) -> str:
        return formats.sha256_fingerprint(self.generation.root)

    @property
    def names(self) -> list[str]:
        return [*self.generation.dns_names, *self.generation.ip_addresses]

    @property
    def has_ended(self) -> bool:
        return self.situation.has_ended(self.generation)

    @property
    def left(self) -> timedelta:
        assert self.generation.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
        return max(self.generation.end - self.situation.clock.best, timedelta(0))

    @property
    def left_text(self) -> str:
        return pgettext("validity", "ended") if self.has_ended else words.span(self.left)

    @property
    def percent_left(self) -> int:
        """Of the whole validity."""
        assert self.generation.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert self.generation.not_before is not None  # noqa: S101 - the same
        return min(100, max(0, round(100 * self.left / (self.generation.end - self.generation.not_before))))

    @property
    def severity(self) -> str:
        """How near the end is, by the steps of the warnings: "", serious or critical."""
        assert self.generation.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
        if self.has_ended or self.left < DAY:
            return "critical"
        step = lifetime.ends_in_step(
            now=self.situation.clock.best,
            end=self.generation.end,
            overlap_made_with=self.generation.overlap,
            overdue=self.situation.failures > 0,
        )
        return "serious" if step is not None else ""

    @property
    def sightings(self) -> list[Sighting]:
        return [self._sighting(address) for address in self.situation.general.tls_addresses]

    def _sighting(self, address: str) -> Sighting:
        seen = self.heartbeat.presented.get(address)
        if not seen:
            return Sighting(address, sees=None, error="", at=None)
        sha256 = seen.get("sha256", "")
        return Sighting(
            address,
            sees=sha256 == self.generation.host_sha256 if sha256 else None,
            error=seen.get("error", ""),
            at=datetime.fromisoformat(seen["at"]),
        )


@dataclass(frozen=True)
class NextGeneration:
    """When the next pair is made by itself, and why then. `at` is None where nothing is due."""

    at: datetime | None
    why: str


@dataclass(frozen=True)
class Status:
    """`newest`: the attempt with the highest number, whatever became of it; None before the first."""

    situation: Situation
    heartbeat: Heartbeat
    newest: Generation | None

    @classmethod
    def load(cls) -> Status:
        settings = Settings.load()
        heartbeat = Heartbeat.load()
        clock = current_clock(general=settings.general, heartbeat=heartbeat)
        situation = Situation.load(clock, settings=settings)
        return cls(situation=situation, heartbeat=heartbeat, newest=newest_attempt())

    @property
    def clock(self) -> Clock:
        return self.situation.clock

    @property
    def settings(self) -> Settings:
        return self.situation.settings

    @cached_property
    def _terminals(self) -> Terminals:
        return terminals()

    @cached_property
    def readiness(self) -> Readiness:
        return readiness(self.situation, self._terminals)

    @cached_property
    def warnings(self) -> list[Notice]:
        of_certificates = warnings(self.situation, observe(self.situation, self.heartbeat, ready=self.readiness))
        return worst_first([*of_certificates, *self._terminals.warnings(self.situation)])

    @property
    def zone(self) -> str:
        return self.settings.general.time_zone

    # -- the pairs ----------------------------------------------------------------------------------------------------

    def _pair(self, generation: Generation | None) -> PairStatus | None:
        return None if generation is None else PairStatus(generation, self.situation, self.heartbeat)

    @cached_property
    def active(self) -> PairStatus | None:
        return self._pair(self.situation.active)

    @cached_property
    def pending(self) -> PairStatus | None:
        return self._pair(self.situation.pending)

    @property
    def pairs(self) -> list[PairStatus]:
        return [pair for pair in (self.active, self.pending) if pair is not None]

    @property
    def handed_out(self) -> PairStatus | None:
        """The pair whose certificates are downloaded."""
        pair = downloads.handed_out(self.situation)
        return self.pending if pair is self.situation.pending and pair is not None else self.active

    @property
    def bundle(self) -> list[PairStatus]:
        """The pairs whose root certificates are in the trust bundle."""
        return [PairStatus(pair, self.situation, self.heartbeat) for pair in self.situation.in_bundle]

    @property
    def download_menu(self) -> list[tuple[str, Promise]]:
        return _download_menu()

    # -- what is going on ---------------------------------------------------------------------------------------------

    @property
    def making(self) -> Generation | None:
        return self.situation.making[0] if self.situation.making else None

    @property
    def busy(self) -> bool:
        return self.making is not None or self.situation.switch is not None

    @property
    def steps(self) -> list[tuple[str, str]]:
        """What is being made or switched, as (state, sentence); state is "done", "now" or "later"."""
        making, switch = self.making, self.situation.switch
        if making is None and switch is None:
            return []
        if switch is None and making is not None:
            position = 0 if making.started_at is None else 1
        else:
            position = 2 if switch is not None and switch.switched_at is None else 3
        number = making.number if making is not None else switch.to_id if switch is not None else 0
        sentences = [
            _("Generation %(number)s is ordered; the worker takes it up") % {"number": number},
            _("Keys and certificates are made and verified"),
            _("The files are put on the file system and the communication server is switched"),
            _("The reload command runs, and the server is looked at"),
        ]
        at_once = making is None or making.at_once or is_at_once(self.situation)
        if not at_once:
            sentences[2:] = [_("The files are put on the file system beside the active ones; the handover begins")]
        return [
            ("done" if place < position else "now" if place == position else "later", sentence)
            for place, sentence in enumerate(sentences)
        ]

    @property
    def last_failed(self) -> tuple[str, str] | None:
        """Why the newest attempt failed and what to do, unless another has been made since."""
        if self.newest is None or self.newest.state != State.FAILED:
            return None
        return words.failure(self.newest.failure)

    @property
    def announcement(self) -> str:
        """What a screen reader is told when it changes."""
        if steps := [sentence for state, sentence in self.steps if state == "now"]:
            return steps[0]
        if self.last_failed is not None:
            return self.last_failed[0]
        if self.active is None:
            return ""
        return _("Generation %(number)s is active.") % {"number": self.active.generation.number}

    # -- what comes next ----------------------------------------------------------------------------------------------

    @cached_property
    def next_generation(self) -> NextGeneration:
        situation = self.situation
        if situation.active is None:
            return NextGeneration(None, _("The first pair is made by you; from then on it is renewed by itself."))
        if situation.pending is not None:
            return NextGeneration(None, _("A handover is under way; the next date is known when it is over."))
        due, at = situation.due, situation.next_at
        if due is None or at is None:
            return NextGeneration(None, "")
        return NextGeneration(at, self._why(due.at, due.because, at))

    def _why(self, due_at: datetime, because: DueBecause, at: datetime) -> str:
        settings, now = self.settings, self.clock.now
        if at > now and at < due_at:
            return _("The last hours of the active pair begin then: it is replaced at any hour.")
        why = words.due_because(because, interval_days=settings.interval_days, overlap_days=settings.overlap_days)
        if due_at >= now:
            return why
        if at <= now and self._clock_allows:
            return _("It has been due since %(due)s and is made now.") % {"due": words.moment(due_at)}
        return _("It has been due since %(due)s; what was missed waits for the next set time.") % {
            "due": words.moment(due_at)
        }

    @property
    def _clock_allows(self) -> bool:
        return self.situation.clock_verdict in {ClockVerdict.DO, ClockVerdict.DO_WITH_EVENT}

    @property
    def clock_text(self) -> str:
        """What the clock says to an automatic generation."""
        state = str(clock_words.STATES[self.clock.state])
        if self.clock.state is ClockState.RIGHT or not self._clock_allows:
            return state
        return _("%(clock)s Done all the same, because the active pair ends soon.") % {"clock": state}

    @property
    def clock_severity(self) -> str:
        return clock_words.SEVERITIES[self.clock.state] or ""

    # -- what can be done ---------------------------------------------------------------------------------------------

    @property
    def can_roll_back_to(self) -> Generation | None:
        if self.busy:
            return None
        try:
            return roll_back_target(self.situation)
        except Refused:
            return None

    @property
    def can_discard(self) -> bool:
        if self.busy:
            return False
        try:
            may_discard(self.situation)
        except Refused:
            return False
        return True


@cache
def _download_menu() -> list[tuple[str, Promise]]:
    """Address and title of each file. The addresses never change, and to work them out costs more than to show them."""
    return [(reverse("certificates:download", args=wanted), title) for wanted, title in downloads.TITLES.items()]


def newest_attempt() -> Generation | None:
    return Generation.objects.only("number", "state", "failure", "failed_at", "by").order_by("-number").first()


def load_situation() -> Situation:
    """How things stand by the clock as it is now."""
    settings = Settings.load()
    clock = current_clock(general=settings.general, heartbeat=Heartbeat.load())
    return Situation.load(clock, settings=settings)
