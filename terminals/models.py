"""Terminals, their types, and what became of each generation on each of them."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from certificates.models import Generation
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.sealing import SealedField, SealedTextField
from pbxcerts.system.time.clock import STILL_NOW
from terminals.batches import one_writer
from terminals.by_hand import models as _by_hand  # noqa: F401 - Django finds models by this module
from terminals.checking import models as _checking  # noqa: F401 - the same
from terminals.directory import models as _directory  # noqa: F401 - the same
from terminals.drivers.base import DeliveryDriver, TrustFormat
from terminals.drivers.registry import driver_of, drivers
from terminals.evidence import models as _evidence  # noqa: F401 - the same
from terminals.mac_words import with_colons
from terminals.past import models as _past  # noqa: F401 - the same
from terminals.states import UNSETTLED, DeliveryState, Wave
from terminals.tally import models as _tallies  # noqa: F401 - the same
from terminals.web import models as _web  # noqa: F401 - the same


def delivery_methods() -> list[tuple[str, Promise]]:
    """The names of all drivers with their words: a callable, so that one more driver needs no migration."""
    return [(name, _(driver.label)) for name, driver in drivers().items()]


class NotifyWays(models.TextChoices):
    """Which way a NOTIFY goes (rule notify-way)."""

    SERVER = "server", _("through the communication server")
    DIRECT = "direct", _("straight to the terminal")


class Transports(models.TextChoices):
    UDP = "udp", "UDP"
    TCP = "tcp", "TCP"
    TLS = "tls", "TLS"


class TrustFormats(models.TextChoices):
    """The values of `terminals.drivers.base.TrustFormat`, in words."""

    PEM = TrustFormat.PEM.value, "PEM"
    DER = TrustFormat.DER.value, "DER"
    P7B = TrustFormat.P7B.value, "PKCS#7"


class TrustContents(models.TextChoices):
    """What a terminal of a type is to trust."""

    BUNDLE = "bundle", _("trust bundle (old and new certificates)")
    ROOT = "root", _("root certificate")
    HOST = "host", _("host certificate")


class DeliverySettings(VersionedSettings):
    """How the rollout goes to the terminals; one row."""

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    proxy_host = models.CharField(_("address of the outbound proxy"), max_length=253, blank=True)
    proxy_port = models.PositiveIntegerField(_("port"), default=5061)
    proxy_transport = models.CharField(_("transport"), max_length=3, choices=Transports, default=Transports.TLS)
    sip_domain = models.CharField(_("SIP domain"), max_length=253, blank=True)
    account_user = models.CharField(_("account"), max_length=128, blank=True)
    account_password = SealedField(null=True)
    window_hours = models.PositiveSmallIntegerField(_("restarts from the time of generation for (hours)"), default=4)
    waves = models.BooleanField(_("waves"), default=True)
    at_once = models.PositiveSmallIntegerField(_("at most at once"), default=20)
    second_wave_percent = models.PositiveSmallIntegerField(_("second wave (%)"), default=5)
    third_wave_percent = models.PositiveSmallIntegerField(_("third wave (%)"), default=25)
    stop_percent = models.PositiveSmallIntegerField(_("stop above failures of a wave (%)"), default=5)
    stop_among_first = models.PositiveSmallIntegerField(_("stop at failures among the first"), default=2)
    telephone_networks = models.JSONField(_("networks of the telephones"), default=list, blank=True)

    class Meta:
        verbose_name = _("Delivery")
        constraints = [
            models.CheckConstraint(condition=Q(singleton=True), name="one_row_of_delivery"),
            models.CheckConstraint(condition=Q(window_hours__range=(1, 12)), name="window_from_1_to_12_hours"),
            models.CheckConstraint(condition=Q(at_once__range=(1, 500)), name="at_once_from_1_to_500"),
            models.CheckConstraint(condition=Q(proxy_port__range=(1, 65535)), name="proxy_port_is_a_port"),
            models.CheckConstraint(
                condition=Q(second_wave_percent__range=(1, 100), third_wave_percent__range=(1, 100)),
                name="waves_are_percentages",
            ),
            models.CheckConstraint(condition=Q(stop_percent__range=(0, 100)), name="stop_is_a_percentage"),
        ]

    def __str__(self) -> str:
        return self.proxy_host or "-"


OTHER = "Other"
"""The one type among those of a new installation that is called by a word and not by a product."""


class TerminalType(models.Model):
    """A kind of telephone, all of it data that an administrator can change (rule types-are-data)."""

    name = models.CharField(_("name"), max_length=64, unique=True)
    manufacturer = models.CharField(_("manufacturer"), max_length=64, blank=True)
    method = models.CharField(_("delivery"), max_length=32, choices=delivery_methods)
    model = models.CharField(_("model as the User-Agent names it"), max_length=32, blank=True)
    event = models.CharField(_("event string of the NOTIFY"), max_length=64, blank=True)
    way = models.CharField(_("way of the NOTIFY"), max_length=6, choices=NotifyWays, default=NotifyWays.SERVER)
    answers_without_qop = models.BooleanField(_("answer old challenges"), default=False)
    wants = models.CharField(_("wants"), max_length=6, choices=TrustContents, default=TrustContents.BUNDLE)
    trust_format = models.CharField(_("format"), max_length=3, choices=TrustFormats, default=TrustFormats.PEM)
    size_limit = models.PositiveIntegerField(_("largest file (bytes)"), null=True, blank=True)
    holds_only_one = models.BooleanField(_("holds only one certificate"), default=False)
    verified = models.BooleanField(_("guide verified on a device"), default=False)
    guide_de = models.TextField(_("guide (German)"), blank=True)
    guide_en = models.TextField(_("guide (English)"), blank=True)
    source = models.CharField(_("source"), max_length=200, blank=True)
    own_lines = models.TextField(_("own lines of the configuration file"), blank=True)
    asks_every_hours = models.PositiveIntegerField(_("asks by itself every (hours)"), null=True, blank=True)
    checks_by_itself = models.BooleanField(_("checks certificates by your own configuration"), default=False)
    turns_checking_on = models.BooleanField(_("turn the check of certificates on"), default=False)
    may_check = models.BooleanField(default=False, editable=False)
    empties_list = models.BooleanField(_("empty the list when it is full"), default=False)
    emptying_seen = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("terminal type")
        constraints = [
            models.CheckConstraint(condition=Q(method__regex=r"^[a-z][a-z0-9_]*$"), name="method_is_a_name"),
            models.CheckConstraint(condition=Q(way__in=NotifyWays.values), name="way_is_known"),
        ]

    def __str__(self) -> str:
        """Its name; that of the catch-all in the reader's language, as long as nobody has given it another one."""
        return pgettext("terminal type", "Other") if self.name == OTHER else self.name

    @property
    def event_restarts(self) -> bool:
        """Whether its NOTIFY makes a telephone restart for which what it has taken counts only then (rule shown-restart)."""
        return self.driver.capabilities.restarts_by in self.driver.event(self.event)

    @property
    def driver(self) -> DeliveryDriver:
        return driver_of(self.method)

    @property
    def largest_file(self) -> int | None:
        """How many bytes a trust file may have; None where nobody knows a limit."""
        limits = [limit for limit in (self.size_limit, self.driver.capabilities.largest_file) if limit is not None]
        return min(limits, default=None)

    @property
    def asks_every(self) -> timedelta | None:
        """How often its terminals ask by themselves; None where they do not, or nobody knows (rule reach)."""
        if self.asks_every_hours is not None:
            return timedelta(hours=self.asks_every_hours)
        return self.driver.capabilities.asks_every

    @property
    def comes_back_within(self) -> timedelta:
        """A telephone that has asked and is well has asked again by then (rule checking)."""
        return 2 * (self.asks_every or timedelta(days=1)) + self.driver.capabilities.answers_within


def new_path_secret() -> str:
    """256 random bits, as a part of a path."""
    return secrets.token_urlsafe(32)


class TerminalQuerySet(models.QuerySet["Terminal"]):
    def enabled(self) -> Self:
        return self.filter(enabled=True)

    def of_methods(self, methods: Collection[str]) -> Self:
        return self.filter(type__method__in=methods)

    def concerned_by(self, generation: Generation) -> Self:
        """The terminals that are to get this generation (rule holds-only-one)."""
        return self.enabled().filter(type__holds_only_one=False) if generation.pending else self.enabled()

    def counting(self, root_sha256: str) -> Self:
        """The terminals that a handover to the generation with this root waits for until they confirm (rule who-counts)."""
        skipped = (
            Installation.objects.with_roots([root_sha256]).in_state(DeliveryState.SKIPPED).filter(confirmed_at=None)
        )
        return self.enabled().filter(type__holds_only_one=False).without(skipped)

    def cut_off_by(self, active: Generation) -> Self:
        """The terminals that trust a pair which was served some day, and not the active one (rule cut-off)."""
        trusted = Installation.objects.trusted()
        served = trusted.filter(generation__activated_at__isnull=False).exclude(generation=active)
        return self.enabled().without(trusted.of(active)).filter(served.of_the_terminal())

    def without(self, installations: InstallationQuerySet) -> Self:
        """The terminals that have none of these installations."""
        return self.exclude(installations.of_the_terminal())


class Terminal(models.Model):
    """One telephone. Its number is its address of record at the communication server.

    `path_secret` is the random part of its own path to its configuration files; `token_sha256` the hash of the token with
    which an IP system phone reports; `sip_password` and `own_lines` are encrypted as host keys are. `replaced_at`, by the machine's clock: what
    was seen before that was another telephone (rule another-telephone).
    """

    number = models.CharField(_("number"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=128, blank=True)
    type = models.ForeignKey(TerminalType, on_delete=models.PROTECT, verbose_name=_("type"), related_name="terminals")
    mac = models.CharField(_("MAC"), max_length=12, null=True, blank=True, unique=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    transport = models.CharField(_("transport"), max_length=3, choices=Transports, default=Transports.UDP)
    way = models.CharField(_("way"), max_length=6, choices=NotifyWays, blank=True)
    sip_user = models.CharField(_("SIP user"), max_length=128, blank=True)
    sip_realm = models.CharField(_("realm of the SIP user"), max_length=253, blank=True)
    sip_password = SealedField(null=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    notes = models.TextField(_("notes"), blank=True)
    own_lines = SealedTextField(_("own lines of the configuration file"), blank=True)
    path_secret = models.CharField(max_length=43, unique=True, default=new_path_secret, editable=False)
    token_sha256 = models.CharField(max_length=64, blank=True)
    firmware = models.CharField(_("firmware"), max_length=64, blank=True)
    last_contact = models.DateTimeField(_("last contact"), null=True)
    last_address = models.CharField(max_length=64, blank=True)
    replaced_at = models.DateTimeField(null=True, editable=False)

    objects = TerminalQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        verbose_name = _("terminal")
        constraints = [
            models.UniqueConstraint(
                fields=["token_sha256"], condition=~Q(token_sha256=""), name="one_terminal_per_token"
            ),
            models.CheckConstraint(condition=Q(transport__in=Transports.values), name="transport_is_known"),
            models.CheckConstraint(condition=Q(way__in=["", *NotifyWays.values]), name="way_of_terminal_is_known"),
            models.CheckConstraint(
                condition=Q(mac=None) | Q(mac__regex=r"^[0-9A-F]{12}$"), name="mac_is_12_hex_digits"
            ),
        ]
        indexes = [
            # The orders of the list beside those of number and MAC, whose constraints have an index.
            models.Index(fields=["name", "number"], name="terminal_by_name"),
            models.Index(fields=["type", "number"], name="terminal_by_type"),
            models.Index(fields=["last_contact", "number"], name="terminal_by_contact"),
            models.Index(fields=["address", "number"], name="terminal_by_address"),
            models.Index(fields=["number"], condition=Q(enabled=False), name="terminal_disabled"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()

    @property
    def mac_text(self) -> str:
        """As people read it; "" where it has none."""
        return with_colons(self.mac or "")


class RolloutQuerySet(models.QuerySet["Rollout"]):
    def in_state(self, *states: Rollout.State) -> Self:
        return self.filter(state__in=states)


class Rollout(models.Model):
    """One generation to all terminals. It ends when the generation is no longer to be handed out, or another takes its place.

    `restart_now`: for this rollout terminals restart outside the window too. `changed_by` is the person who last paused it,
    went on with it, or let it restart terminals.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        STOPPED = "stopped", _("stopped: too many failures")
        ENDED = "ended", _("ended")

    HELD_UP = (State.PAUSED, State.STOPPED)
    """Nobody is asked until a person goes on."""
    OPEN = (State.RUNNING, *HELD_UP)

    class Ended(models.TextChoices):
        REPLACED = "replaced", _("a newer generation took its place")
        DISCARDED = "discarded", _("the generation was discarded")
        WITHDRAWN = "withdrawn", _("the generation was withdrawn")
        OVER = "over", _("the generation is no longer handed out")

    generation = models.OneToOneField(Generation, on_delete=models.PROTECT, primary_key=True, related_name="rollout")
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=9, choices=Ended, blank=True)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(null=True)
    restart_now = models.BooleanField(_("restart outside the window"), default=False)

    objects = RolloutQuerySet.as_manager()

    class Meta:
        ordering = ["-generation_id"]
        verbose_name = _("rollout")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["running", "paused", "stopped", "ended"]), name="rollout_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="ended", ended_at__isnull=False) | (~Q(state="ended") & Q(ended_at=None)),
                name="a_rollout_that_ended_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id}: {self.state}"

    @property
    def is_held_up(self) -> bool:
        return self.state in self.HELD_UP


SOME = 100
"""Of more than so many rows the first that are found are shown in order, not the first of all."""


class InstallationQuerySet(models.QuerySet["Installation"]):
    def update(self, **values: Any) -> int:
        """As Django has it, by one writer at a time (rule one-writer)."""
        with one_writer(savepoint=False):
            return super().update(**values)

    def of(self, generation: Generation | int | None) -> Self:
        return self.filter(generation=generation)

    def with_roots(self, roots: Collection[str]) -> Self:
        """Those of the generations with these roots (SHA-256)."""
        return self.filter(generation__root_sha256__in=roots)

    def of_enabled_terminals(self) -> Self:
        return self.filter(terminal__enabled=True)

    def of_methods(self, methods: Collection[str]) -> Self:
        return self.filter(terminal__type__method__in=methods)

    def by_hand(self) -> Self:
        """Those of the work list."""
        return self.filter(wave=Wave.BY_HAND)

    def in_waves(self) -> Self:
        return self.exclude(wave=Wave.BY_HAND)

    def in_state(self, *states: DeliveryState) -> Self:
        return self.filter(state__in=states)

    def unsettled(self) -> Self:
        """Those where something is left to do at the terminal."""
        return self.filter(state__in=UNSETTLED)

    def trusted(self) -> Self:
        """Those whose terminal trusts the root of the generation, also while it is asked anew (rule ledger)."""
        return self.filter(confirmed_at__isnull=False)

    def beyond_doubt(self, now: datetime, *, within: timedelta) -> Self:
        """Those that are trusted, and no other address can take back any more (rule proved-by-answer). A `doubt_until` further
        ahead than `within` was written by a wrong clock.
        """
        return self.trusted().filter(
            Q(doubt_until=None) | Q(doubt_until__lte=now) | Q(doubt_until__gt=now + within + STILL_NOW)
        )

    def unproved(self) -> Self:
        """Those whose trust file was fetched by nobody knows whom, in whatever state they are meanwhile (rule unproved)."""
        return self.filter(evidence=Installation.Evidence.UNPROVED, confirmed_at=None)

    def taken_before_a_restart(self) -> Self:
        """Those whose terminal has provably taken what counts only from its next restart on (rule shown-restart)."""
        taken = self.filter(evidence=Installation.Evidence.FETCHED, confirmed_at=None)
        return taken.exclude(proof="")

    def due(self, now: datetime, *, at_most: timedelta) -> Self:
        """Those whose `next_at` is not set, or has come, or is further ahead than `at_most`, as nothing sets it: that one is
        from before a clock was set back.
        """
        return self.filter(Q(next_at=None) | Q(next_at__lte=now) | Q(next_at__gt=now + at_most + STILL_NOW))

    def overdue(self, now: datetime) -> Self:
        """Those whose `next_at` has come."""
        return self.filter(next_at__lte=now)

    def too_far_ahead(self, now: datetime, *, at_most: timedelta) -> Self:
        return self.filter(next_at__gt=now + at_most + STILL_NOW)

    def of_the_terminal(self, key: str = "pk") -> Exists:
        """Whether a terminal of the query around this one has one of these; `key` is what that query calls it."""
        return Exists(self.filter(terminal=OuterRef(key)))

    def some(self) -> Self:
        """All of these, or of very many some: to bring all into an order takes too long where only the first are shown."""
        return self.model._default_manager.filter(pk__in=self.order_by().values("pk")[:SOME])  # type: ignore[return-value]

    def take_back(self) -> int:
        """Say that the terminals no longer trust what they had confirmed, and are to be asked again."""
        return self.update(
            state=DeliveryState.WAITING,
            confirmed_at=None,
            confirmed_by="",
            evidence="",
            proof="",
            doubt_until=None,
            registered_at=None,
            registered_since=None,
            next_at=None,
        )


class Installation(models.Model):
    """One generation to one terminal: the whole story, and the ledger of what the terminal trusts (rule ledger).

    A terminal trusts the root of the generation where `confirmed_at` is set. `next_at`: while waiting or absent when it
    is asked again, while in flight when it is given up. `postponed`: how often in a row it was not there or had no time.
    `excused`: a person went on in spite of this failure. `challenge_realm` asked for a user and a password and was not satisfied;
    `challenge_proved`: it asked through the communication server over TLS.

    `notified_at` is `asked_at` by the machine's own clock, by which the listeners see requests. `several_addresses`: since then
    more than one address has asked for the terminal's files. `doubt_until`: until then another address takes the confirmation
    back (rule proved-by-answer).

    `registered_at`: when the communication server said last that its number is registered; `registered_since`: when the TLS connection
    was made that showed it, after the switch (rule ladder).
    """

    class State(models.TextChoices):
        """The values of `terminals.states.DeliveryState`, in words."""

        WAITING = DeliveryState.WAITING.value, _("waiting")
        ASKED = DeliveryState.ASKED.value, _("asked")
        HEARD = DeliveryState.HEARD.value, _("heard, restarting")
        FETCHED = DeliveryState.FETCHED.value, _("fetched")
        UNPROVED = DeliveryState.UNPROVED.value, _("fetched, unproved")
        DOWNLOADED = DeliveryState.DOWNLOADED.value, _("downloaded")
        CONFIRMED = DeliveryState.CONFIRMED.value, _("confirmed")
        ABSENT = DeliveryState.ABSENT.value, _("absent")
        FAILED = DeliveryState.FAILED.value, _("failed")
        SKIPPED = DeliveryState.SKIPPED.value, _("skipped")
        FULL = DeliveryState.FULL.value, _("list is full")

    class Waves(models.IntegerChoices):
        """The values of `terminals.states.Wave`, in words."""

        BY_HAND = Wave.BY_HAND.value, _("by hand")
        FIRST = Wave.FIRST.value, _("first ones")
        SECOND = Wave.SECOND.value, _("second wave")
        THIRD = Wave.THIRD.value, _("third wave")
        REST = Wave.REST.value, _("all others")

    class Evidence(models.TextChoices):
        """What a confirmation rests on. What is not confirmed may have REPORTED, while the proof is still to come, or UNPROVED."""

        FETCHED = "fetched", _("it fetched the trust file")
        UNPROVED = "unproved", _("somebody fetched the trust file")
        REPORTED = "reported", _("it reported the fingerprints")
        PROVED = "proved", _("it connected to the new certificate")
        PERSON = "person", _("a person confirmed it")

    class Proof(models.TextChoices):
        """What shows that it was the terminal who fetched (rule proved-fetch); "" in the rows of before that rule."""

        PATH = "path", _("over its own secret address")
        RECORD = "record", _("from the address in the list")
        NETWORK = "network", _("from a network of the telephones")
        ACCEPTED = "accepted", _("from an address that a person accepted")
        ANSWER = "answer", _("from the only address that asked after it had answered")

    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="installations")
    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="installations")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    wave = models.PositiveSmallIntegerField(_("wave"), choices=Waves, default=Waves.BY_HAND)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    postponed = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(_("next attempt"), null=True)
    asked_at = models.DateTimeField(null=True)
    notified_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    reaction = models.CharField(max_length=16, blank=True)
    challenge_realm = models.CharField(max_length=253, blank=True)
    challenge_proved = models.BooleanField(default=False)
    fetched_at = models.DateTimeField(null=True)
    fetched_file = models.CharField(max_length=128, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)
    address_differs = models.BooleanField(default=False)
    several_addresses = models.BooleanField(default=False)
    confirmed_at = models.DateTimeField(null=True)
    evidence = models.CharField(max_length=8, choices=Evidence, blank=True)
    proof = models.CharField(max_length=8, choices=Proof, blank=True)
    doubt_until = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=150, blank=True)
    registered_at = models.DateTimeField(null=True)
    registered_since = models.DateTimeField(null=True)
    failure = models.CharField(max_length=16, blank=True)
    failed_at = models.DateTimeField(null=True)
    excused = models.BooleanField(default=False)

    objects = InstallationQuerySet.as_manager()

    class Meta:
        verbose_name = _("installation")
        constraints = [
            models.UniqueConstraint(fields=["generation", "terminal"], name="one_installation_per_generation"),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.CONFIRMED.value) | Q(confirmed_at__isnull=False),
                name="confirmed_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.UNPROVED.value) | Q(confirmed_at=None),
                name="unproved_is_not_confirmed",
            ),
        ]
        indexes = [
            # The rollout's next batch, and who is in a state.
            models.Index(fields=["generation", "state", "wave", "next_at"], name="installation_by_turn"),
            # The few among many: whom the handover waits for, and what is told of them in every round.
            models.Index(
                fields=["generation", "terminal"], condition=Q(confirmed_at=None), name="installation_untrusted"
            ),
            models.Index(
                fields=["generation", "doubt_until"],
                condition=Q(doubt_until__isnull=False),
                name="installation_in_doubt",
            ),
            models.Index(
                fields=["generation", "terminal"],
                condition=Q(evidence="unproved", confirmed_at=None),
                name="installation_unproved",
            ),
            models.Index(
                fields=["generation", "terminal"], condition=Q(address_differs=True), name="installation_differs"
            ),
            models.Index(
                fields=["generation", "terminal"], condition=Q(several_addresses=True), name="installation_several"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.generation_id} {self.state}"
