"""Every generation and every attempt, for reading. Nothing here is edited or deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Prefetch, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.call_proof.models import CallProof, judged
from certificates.call_proof.words import ProofReport
from certificates.downloads import OFFERED, DownloadKind, title, written
from certificates.models import Generation, Switch, Transition
from certificates.pki.describe import BasicFields, basic_fields, describe_extensions
from certificates.status import words
from certificates.status.extension_words import extension_sentences, extension_title
from pbxcerts.system.time import clock_words
from pbxcerts.system.time.clock import ClockState

PROOFS_AT_MOST = 20


@dataclass(frozen=True)
class GenerationAttempt:
    """One attempt and how it came about."""

    generation: Generation

    @property
    def made_by(self) -> str:
        return words.made_by(self.generation)

    @property
    def made_because(self) -> str:
        return words.made_because(self.generation)

    @property
    def proof(self) -> ProofReport | None:
        """The last proof by call of this pair."""
        proof = judged(self.generation.call_proofs.all(), self.generation.host_sha256)
        return ProofReport(proof) if proof is not None else None

    @property
    def failure(self) -> tuple[str, str] | None:
        """Why it failed and what to do."""
        return words.failure(self.generation.failure) if self.generation.failure else None


def attempts(chosen: Mapping[str, str]) -> QuerySet[Generation]:
    """The attempts for the list, the newest first. `chosen`: state, trigger and text, each of which may be empty."""
    proofs = Prefetch("call_proofs", CallProof.objects.defer("steps"))
    listed = Generation.objects.without_files().prefetch_related(proofs).order_by("-number")
    if state := chosen.get("state"):
        listed = listed.filter(state=state)
    if trigger := chosen.get("trigger"):
        listed = listed.filter(trigger=trigger)
    if text := chosen.get("text", "").strip():
        listed = listed.filter(_contains(text))
    return listed


def _contains(text: str) -> Q:
    found = Q(reason__icontains=text) | Q(by__icontains=text)
    found |= Q(dns_names__icontains=text) | Q(ip_addresses__icontains=text)
    fingerprint = text.replace(":", "").replace(" ", "").lower()
    if len(fingerprint) >= 4:
        found |= Q(root_sha256__contains=fingerprint) | Q(host_sha256__contains=fingerprint)
    if text.isascii() and text.isdecimal() and len(text) < 10:
        found |= Q(number=int(text))
    return found


@dataclass(frozen=True)
class StateChange:
    """One change of state in words."""

    transition: Transition

    @property
    def text(self) -> str:
        return words.transition(self.transition)

    @property
    def reason(self) -> str:
        return words.transition_reason(self.transition)


@dataclass(frozen=True)
class PresentedAroundSwitch:
    """What one TLS address presented around a switch; "" where none was seen."""

    address: str
    before: str
    after: str


@dataclass(frozen=True)
class SwitchReport:
    """A switch of the communication server with what was seen before and after it."""

    switch: Switch

    @property
    def failure(self) -> str:
        return words.switch_failure(self.switch)

    @property
    def looks(self) -> list[PresentedAroundSwitch]:
        before, after = self.switch.before, self.switch.after
        return [
            PresentedAroundSwitch(address, before.get(address, ""), after.get(address, ""))
            for address in dict.fromkeys([*before, *after])
        ]


@dataclass(frozen=True)
class ExtensionInWords:
    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ParsedCertificate:
    """A certificate of a pair, parsed."""

    fields: BasicFields
    extensions: list[ExtensionInWords]


@dataclass(frozen=True)
class GenerationDetails(GenerationAttempt):
    """Everything that is known of one attempt."""

    @property
    def clock_state(self) -> str:
        state = self.generation.clock_state
        return str(clock_words.STATES[ClockState(state)]) if state in set(ClockState) else state

    @property
    def clock_offset(self) -> str:
        """How far off the clock was, in words."""
        offset = self.generation.clock_offset
        return "" if offset is None else clock_words.off(offset)

    @cached_property
    def host(self) -> ParsedCertificate | None:
        return _certificate(self.generation, "host")

    @cached_property
    def root(self) -> ParsedCertificate | None:
        return _certificate(self.generation, "root")

    @property
    def downloads(self) -> list[tuple[str, list[tuple[str, str, str]]]]:
        """What there is of this pair alone, and of each of these the address, the title and the format of its files."""
        number, kinds = (
            self.generation.number,
            {
                DownloadKind.HOST: _("Host certificate"),
                DownloadKind.ROOT: _("Root certificate"),
                DownloadKind.CHAIN: _("Chain of host and root"),
            },
        )
        return [
            (
                what,
                [
                    (
                        reverse("certificates:download_generation", args=(number, kind, form)),
                        title(kind, form, [number]),
                        written(form),
                    )
                    for form in OFFERED[kind]
                ],
            )
            for kind, what in kinds.items()
        ]

    @cached_property
    def changes(self) -> list[StateChange]:
        return [StateChange(transition) for transition in self.generation.transitions.all()]

    @cached_property
    def proofs(self) -> list[ProofReport]:
        """The newest first, as many as a page can show."""
        return [ProofReport(proof) for proof in self.generation.call_proofs.all()[:PROOFS_AT_MOST]]

    @cached_property
    def switches(self) -> list[SwitchReport]:
        return [SwitchReport(switch) for switch in self.generation.switches.select_related("to", "away_from")]


def _certificate(generation: Generation, which: str) -> ParsedCertificate | None:
    if not generation.is_pair:
        return None
    certificate = generation.host if which == "host" else generation.root
    extensions = [
        ExtensionInWords(extension_title(extension), extension_sentences(extension))
        for extension in describe_extensions(certificate)
    ]
    return ParsedCertificate(basic_fields(certificate), extensions)
