"""What the page "Self-signed certificates" shows: one reading, at most twelve queries with the frame around it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property

from django.urls import reverse
from django.utils.translation import gettext as _

from certificates import downloads
from certificates.downloads import DownloadFormat, DownloadKind
from certificates.models import Generation, Settings, Switch
from certificates.pki import formats, lifetime
from certificates.pki.describe import BasicFields, basic_fields
from certificates.renewal.handover import Readiness, Terminals, known_terminals
from certificates.renewal.orders import PairOrderRefused, is_at_once, pair_to_discard, roll_back_target
from certificates.renewal.rounds import readiness_of_pending
from certificates.renewal.situation import Situation
from certificates.status import words
from certificates.status.assurance import Assurance
from certificates.status.awaited_switch import AwaitedSwitch
from certificates.status.history import GenerationAttempt
from certificates.status.next_generation import NextGeneration
from certificates.status.observing import observe
from certificates.status.warning_kinds import NO_GENERATION
from certificates.status.warnings import HEARTBEAT_LATE, certificate_warnings, worst_first
from pbxcerts.system.events import Notice, said_once
from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import General, Heartbeat, Severity
from pbxcerts.system.time import clock_words, time_words, timekeeping
from pbxcerts.system.time.clock import Clock, ClockState
from pbxcerts.system.time.timekeeping import current_clock

State = Generation.State

DAY = timedelta(days=1)


@dataclass(frozen=True)
class TlsSighting:
    """What a TLS address presented when it was last looked at; `sees` is None where it presented nothing or was not looked at.
    `reached`: whether it took a connection.
    """

    address: str
    sees: bool | None
    error: str
    at: datetime | None
    reached: bool = False


@dataclass(frozen=True)
class PairStatus(GenerationAttempt):
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
    def why_nothing_is_left(self) -> str:
        """Why the pair carries no calls by the time that counts; "" where it does."""
        if self.has_ended:
            return _("Ended")
        if self.situation.ended_by_best(self.generation):
            return _("Ended by the corrected clock")
        return _("Not valid yet") if self.situation.begins_later(self.generation) else ""

    @property
    def left(self) -> timedelta:
        return max(self.generation.plan.end - self.situation.clock.best, timedelta(0))

    @property
    def left_text(self) -> str:
        return time_words.span(self.left)

    @property
    def percent_left(self) -> int:
        """How much of its whole validity the pair has left."""
        plan = self.generation.plan
        return min(100, max(0, round(100 * self.left / (plan.end - plan.not_before))))

    @property
    def severity(self) -> str:
        """How near the end is, by the steps of the warnings: "", serious or critical."""
        plan = self.generation.plan
        if self.why_nothing_is_left or self.left < min(DAY, lifetime.last_hours(self.generation.overlap)):
            return "critical"
        step = lifetime.ends_in_step(
            now=self.situation.clock.best,
            end=plan.end,
            overlap_made_with=self.generation.overlap,
            overdue=self.situation.failures > 0,
        )
        return "serious" if step is not None else ""

    @property
    def sightings(self) -> list[TlsSighting]:
        return [self._sighting(address) for address in self.situation.general.tls_addresses]

    def _sighting(self, address: str) -> TlsSighting:
        seen = self.heartbeat.presented.get(address)
        if not seen:
            return TlsSighting(address, sees=None, error="", at=None)
        sha256 = seen.get("sha256", "")
        return TlsSighting(
            address,
            sees=sha256 == self.generation.host_sha256 if sha256 else None,
            error=seen.get("error", ""),
            at=datetime.fromisoformat(seen["at"]),
            reached=seen.get("reached", False),
        )


@dataclass(frozen=True)
class CertificateStatus:
    situation: Situation
    heartbeat: Heartbeat

    @classmethod
    def load(cls, general: General | None = None) -> CertificateStatus:
        """`general`: where the request has read it already."""
        settings = Settings.load(general)
        heartbeat = Heartbeat.load()
        clock = current_clock(general=settings.general, heartbeat=heartbeat)
        if other_machines.publishes_elsewhere() is not None:
            heartbeat = Heartbeat.of_publisher()
        return cls(Situation.load(clock, settings=settings), heartbeat)

    @property
    def clock(self) -> Clock:
        return self.situation.clock

    @property
    def settings(self) -> Settings:
        return self.situation.settings

    @property
    def newest(self) -> Generation | None:
        """The attempt with the highest number, whatever became of it; None before the first."""
        return self.situation.newest

    @cached_property
    def _terminals(self) -> Terminals:
        return known_terminals()

    @cached_property
    def readiness(self) -> Readiness:
        return readiness_of_pending(self.situation, self._terminals)

    @cached_property
    def warnings(self) -> list[Notice]:
        of_certificates = certificate_warnings(
            self.situation, observe(self.situation, self.heartbeat, ready=self.readiness)
        )
        told = worst_first([*of_certificates, *self._terminals.warnings(self.situation)])
        # The first pair is ordered: nobody is to order it once more.
        return said_once(warning for warning in told if not (self.busy and warning.id == NO_GENERATION.id))

    @property
    def what_is_warned_of(self) -> list[tuple[str, str, str]]:
        return [warning.in_words for warning in self.warnings]

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

    @cached_property
    def awaited_switch(self) -> AwaitedSwitch | None:
        """The switch to the prepared or held pair; None where there is no such pair."""
        pending = self.situation.pending
        return AwaitedSwitch(self.situation, self.readiness, pending) if pending is not None else None

    @property
    def pairs(self) -> list[PairStatus]:
        return [pair for pair in (self.active, self.pending) if pair is not None]

    @property
    def to_download(self) -> PairStatus | None:
        return self._pair(downloads.pair_to_download(self.situation))

    @property
    def bundle(self) -> list[PairStatus]:
        """The pairs whose root certificates are in the trust bundle."""
        return [PairStatus(pair, self.situation, self.heartbeat) for pair in self.situation.in_bundle]

    @property
    def bundle_numbers(self) -> str:
        return ", ".join(str(pair.number) for pair in self.situation.in_bundle)

    @property
    def what_is_downloaded(self) -> list[str]:
        """Differs where what there is to download differs: the pair, those in the trust bundle, and the state of each."""
        to_download = downloads.pair_to_download(self.situation)
        pairs = [] if to_download is None else [to_download, *self.situation.in_bundle]
        return [f"{pair.number} {pair.state} {pair.host_sha256}" for pair in pairs]

    @property
    def download_menu(self) -> list[tuple[str, str]]:
        """The address and the title of each file. Where a format holds one certificate, each root has a file of its own."""
        menu = []
        for kind, form, url in _download_urls():
            numbers = [pair.number for pair in downloads.generations_in(self.situation, kind, form)]
            menu.append((url, downloads.title(kind, form, numbers)))
            if (kind, form) == (DownloadKind.ROOT, DownloadFormat.DER):
                menu += [
                    (
                        reverse("certificates:download_generation", args=(pair.number, kind, form)),
                        downloads.title(kind, form, [pair.number]),
                    )
                    for pair in self.situation.in_bundle
                    if pair.number not in numbers
                ]
        return menu

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
        states = ["done"] * position + ["now"] + ["later"] * (len(sentences) - position - 1)
        # A switch to a pair that was there before begins with the files.
        first = 2 if switch is not None and switch.why != Switch.Why.AT_ONCE else 0
        return list(zip(states[first:], sentences[first:], strict=True))

    @property
    def last_failed(self) -> tuple[str, str] | None:
        """Why the newest attempt failed and what to do about it; None where it has not failed."""
        if self.newest is None or self.newest.state != State.FAILED:
            return None
        return words.failure(self.newest.failure)

    @property
    def announcement(self) -> str:
        """What a screen reader says when it changes."""
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
        return NextGeneration.of(self.situation)

    @cached_property
    def assurance(self) -> Assurance:
        """Whether calls are secured; first, for whom they are not, though the pair itself carries calls."""
        said = Assurance.of(self.situation, self.awaited_switch, self.next_generation, works=self.works)
        lost = [warning.headline for warning in self.warnings if warning.headline]
        return replace(said, severity=Severity.CRITICAL, text=" ".join([*lost, said.text])) if lost else said

    @property
    def works(self) -> bool:
        """Whether the heartbeat has been seen lately: without it nothing happens by itself."""
        if (publisher := other_machines.publishes_elsewhere()) is not None:
            return not publisher.is_silent
        silent_for = timekeeping.since_heartbeat(self.heartbeat, timekeeping.read_machine())
        return silent_for is not None and silent_for <= HEARTBEAT_LATE

    @property
    def clock_text(self) -> str:
        """What the clock says to an automatic generation."""
        state = str(clock_words.STATES[self.clock.state])
        if self.clock.state is ClockState.RIGHT:
            return state
        if not self.situation.clock_allows:
            return " ".join(filter(None, [state, self._last_chance_text]))
        return _("%(clock)s Done all the same, because the active pair ends soon.") % {"clock": state}

    @property
    def _last_chance_text(self) -> str:
        """From when on a clock in doubt no longer stands against a generation; "" where that is no matter."""
        last_chance = self.situation.last_chance
        if last_chance is None or last_chance <= self.clock.best:
            return ""
        at = {"at": time_words.moment(last_chance)}
        if self.clock.state is ClockState.FAR_OFF:
            return _("From %(at)s on a pair that is due is made all the same if two NTP servers agree.") % at
        return _("From %(at)s on a pair that is due is made all the same.") % at

    @property
    def clock_severity(self) -> str:
        return clock_words.SEVERITIES[self.clock.state] or ""

    # -- what can be done ---------------------------------------------------------------------------------------------

    @property
    def can_roll_back_to(self) -> Generation | None:
        with suppress(PairOrderRefused):
            return None if self.busy else roll_back_target(self.situation)
        return None

    @property
    def can_discard(self) -> bool:
        with suppress(PairOrderRefused):
            return not self.busy and pair_to_discard(self.situation) is not None
        return False


@cache
def _download_urls() -> list[tuple[DownloadKind, DownloadFormat, str]]:
    """The addresses never change, and to work them out costs more than to show them."""
    return [
        (kind, form, reverse("certificates:download", args=(kind, form)))
        for kind, forms in downloads.OFFERED.items()
        for form in forms
    ]
