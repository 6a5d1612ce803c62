"""Every generation and every attempt, for reading. Nothing here is edited or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Q, QuerySet

from certificates import words
from certificates.extension_words import sentences, title
from certificates.models import Generation, Switch, Transition
from certificates.pki.describe import BasicFields, basic_fields, describe
from pbxcerts.system import clock_words
from pbxcerts.system.clock import ClockState


@dataclass(frozen=True)
class Attempt:
    """One attempt and how it came about."""

    generation: Generation

    @property
    def made_by(self) -> str:
        return words.made_by(self.generation)

    @property
    def made_because(self) -> str:
        return words.made_because(self.generation)

    @property
    def failure(self) -> tuple[str, str] | None:
        """Why it failed and what to do."""
        return words.failure(self.generation.failure) if self.generation.failure else None


def attempts(chosen: Mapping[str, str]) -> QuerySet[Generation]:
    """The newest first, without what is long or secret. `chosen`: state, trigger and text, each may be empty."""
    listed = Generation.objects.defer("host_key", "root_pem", "host_pem").order_by("-number")
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
class Change:
    """One change of state in words."""

    transition: Transition

    @property
    def text(self) -> str:
        return words.transition(self.transition)

    @property
    def reason(self) -> str:
        return words.transition_reason(self.transition)


@dataclass(frozen=True)
class Look:
    """What one TLS address presented around a switch; "" where it was not reached."""

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
    def looks(self) -> list[Look]:
        before, after = self.switch.before, self.switch.after
        return [
            Look(address, before.get(address, ""), after.get(address, ""))
            for address in dict.fromkeys([*before, *after])
        ]


@dataclass(frozen=True)
class Extension:
    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """A certificate of a pair, parsed."""

    fields: BasicFields
    extensions: list[Extension]


@dataclass(frozen=True)
class Details(Attempt):
    """Everything that is known of one attempt."""

    @property
    def clock_state(self) -> str:
        state = self.generation.clock_state
        return str(clock_words.STATES[ClockState(state)]) if state in set(ClockState) else state

    @property
    def clock_offset(self) -> str:
        """In seconds, with its sign."""
        offset = self.generation.clock_offset
        return "" if offset is None else clock_words.signed_seconds(offset)

    @cached_property
    def host(self) -> Certificate | None:
        return _certificate(self.generation, "host")

    @cached_property
    def root(self) -> Certificate | None:
        return _certificate(self.generation, "root")

    @cached_property
    def changes(self) -> list[Change]:
        return [Change(transition) for transition in self.generation.transitions.all()]

    @cached_property
    def switches(self) -> list[SwitchReport]:
        return [SwitchReport(switch) for switch in self.generation.switches.select_related("to", "away_from")]


def _certificate(generation: Generation, which: str) -> Certificate | None:
    if not generation.is_pair:
        return None
    certificate = generation.host if which == "host" else generation.root
    extensions = [Extension(title(extension), sentences(extension)) for extension in describe(certificate)]
    return Certificate(basic_fields(certificate), extensions)
