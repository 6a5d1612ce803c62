"""Terminals, their types, and what became of each generation on each of them."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from certificates.models import Generation
from pbxcerts.system.versioned import VersionedSettings
from terminals.waves import State, Wave


class Methods(models.TextChoices):
    """The values of `terminals.drivers.base.Method`, in words."""

    IP_SYSTEM = "ip_system", _("IP system phone")
    MITEL_SIP = "mitel_sip", _("Mitel SIP phone")
    SIP_STANDARD = "sip_standard", _("SIP standard terminal")


class Ways(models.TextChoices):
    """Which way a NOTIFY goes (DESIGN 3.7)."""

    SERVER = "server", _("through the communication server")
    DIRECT = "direct", _("straight to the terminal")


class Transports(models.TextChoices):
    UDP = "udp", "UDP"
    TCP = "tcp", "TCP"
    TLS = "tls", "TLS"


class TrustFormats(models.TextChoices):
    PEM = "pem", "PEM"
    DER = "der", "DER"
    P7B = "p7b", "PKCS#7"


class Wants(models.TextChoices):
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
    account_password = models.BinaryField(null=True)  # encrypted
    window_hours = models.PositiveSmallIntegerField(_("restarts from the time of generation for (hours)"), default=4)
    waves = models.BooleanField(_("waves"), default=True)
    at_once = models.PositiveSmallIntegerField(_("at most at once"), default=20)
    second_wave_percent = models.PositiveSmallIntegerField(_("second wave (%)"), default=5)
    third_wave_percent = models.PositiveSmallIntegerField(_("third wave (%)"), default=25)
    stop_percent = models.PositiveSmallIntegerField(_("stop above failures of a wave (%)"), default=5)
    stop_among_first = models.PositiveSmallIntegerField(_("stop at failures among the first"), default=2)

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
    """A kind of telephone, all of it data that an administrator can change (DESIGN 3.7)."""

    name = models.CharField(_("name"), max_length=64, unique=True)
    manufacturer = models.CharField(_("manufacturer"), max_length=64, blank=True)
    method = models.CharField(_("delivery"), max_length=12, choices=Methods)
    model = models.CharField(_("model as the User-Agent names it"), max_length=32, blank=True)
    event = models.CharField(_("event string of the NOTIFY"), max_length=64, blank=True)
    way = models.CharField(_("way of the NOTIFY"), max_length=6, choices=Ways, default=Ways.SERVER)
    wants = models.CharField(_("wants"), max_length=6, choices=Wants, default=Wants.BUNDLE)
    trust_format = models.CharField(_("format"), max_length=3, choices=TrustFormats, default=TrustFormats.PEM)
    size_limit = models.PositiveIntegerField(_("largest file (bytes)"), null=True, blank=True)
    holds_only_one = models.BooleanField(_("holds only one certificate"), default=False)
    waits_for_idle = models.BooleanField(_("waits until idle before a restart"), default=True)
    verified = models.BooleanField(_("guide verified on a device"), default=False)
    guide_de = models.TextField(_("guide (German)"), blank=True)
    guide_en = models.TextField(_("guide (English)"), blank=True)
    source = models.CharField(_("source"), max_length=200, blank=True)
    own_lines = models.TextField(_("own lines of the configuration file"), blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("terminal type")
        constraints = [
            models.CheckConstraint(condition=Q(method__in=Methods.values), name="method_is_known"),
            models.CheckConstraint(condition=Q(way__in=Ways.values), name="way_is_known"),
        ]

    def __str__(self) -> str:
        """Its name; that of the catch-all in the reader's language, as long as nobody has given it another one."""
        return pgettext("terminal type", "Other") if self.name == OTHER else self.name


def new_path_secret() -> str:
    """256 random bits, as a part of a path."""
    return secrets.token_urlsafe(32)


class Terminal(models.Model):
    """One telephone. Its number is its address of record at the communication server.

    `path_secret` is the random part of its own path to its configuration files; `token_sha256` the hash of the token with
    which an IP system phone reports; `sip_password` is encrypted as host keys are.
    """

    number = models.CharField(_("number"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=128, blank=True)
    type = models.ForeignKey(TerminalType, on_delete=models.PROTECT, verbose_name=_("type"), related_name="terminals")
    mac = models.CharField(_("MAC"), max_length=12, null=True, blank=True, unique=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    transport = models.CharField(_("transport"), max_length=3, choices=Transports, default=Transports.UDP)
    way = models.CharField(_("way"), max_length=6, choices=Ways, blank=True)
    sip_user = models.CharField(_("SIP user"), max_length=128, blank=True)
    sip_realm = models.CharField(_("realm of the SIP user"), max_length=253, blank=True)
    sip_password = models.BinaryField(null=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    notes = models.TextField(_("notes"), blank=True)
    own_lines = models.TextField(_("own lines of the configuration file"), blank=True)
    path_secret = models.CharField(max_length=43, unique=True, default=new_path_secret, editable=False)
    token_sha256 = models.CharField(max_length=64, blank=True)
    firmware = models.CharField(_("firmware"), max_length=64, blank=True)
    last_contact = models.DateTimeField(_("last contact"), null=True)
    last_address = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("terminal")
        constraints = [
            models.UniqueConstraint(
                fields=["token_sha256"], condition=~Q(token_sha256=""), name="one_terminal_per_token"
            ),
            models.CheckConstraint(condition=Q(transport__in=Transports.values), name="transport_is_known"),
            models.CheckConstraint(condition=Q(way__in=["", *Ways.values]), name="way_of_terminal_is_known"),
            models.CheckConstraint(
                condition=Q(mac=None) | Q(mac__regex=r"^[0-9A-F]{12}$"), name="mac_is_12_hex_digits"
            ),
        ]
        indexes = [
            # The orders of the list beside those of number and MAC, whose constraints have an index.
            models.Index(fields=["name", "number"], name="terminal_by_name"),
            models.Index(fields=["type", "number"], name="terminal_by_type"),
            models.Index(fields=["last_contact", "number"], name="terminal_by_contact"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()


class Discovered(models.Model):
    """A phone that asked for its configuration and is not in the list; one click makes it a terminal."""

    mac = models.CharField("MAC", max_length=12, unique=True)
    model = models.CharField(_("model"), max_length=32, blank=True)
    firmware = models.CharField(_("firmware"), max_length=64, blank=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    requests = models.PositiveIntegerField(_("requests"), default=1)

    class Meta:
        ordering = ["-last_seen"]
        verbose_name = _("discovered phone")

    def __str__(self) -> str:
        return f"{self.model} {self.mac}".strip()


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


class Installation(models.Model):
    """One generation to one terminal: the whole story, and the ledger of what the terminal trusts.

    A terminal trusts the root of the generation where `confirmed_at` is set. `state` says where the delivery stands
    (`terminals.waves.State`). `next_at`: while waiting or absent when it is asked again, while in flight when it is given up.
    `postponed`: how often in a row it was not there or had no time. `excused`: a person went on in spite of this failure.
    """

    class State(models.TextChoices):
        """The values of `terminals.waves.State`, in words."""

        WAITING = State.WAITING.value, _("waiting")
        ASKED = State.ASKED.value, _("asked")
        HEARD = State.HEARD.value, _("heard, restarting")
        FETCHED = State.FETCHED.value, _("fetched")
        DOWNLOADED = State.DOWNLOADED.value, _("downloaded")
        CONFIRMED = State.CONFIRMED.value, _("confirmed")
        ABSENT = State.ABSENT.value, _("absent")
        FAILED = State.FAILED.value, _("failed")
        SKIPPED = State.SKIPPED.value, _("skipped")

    class Waves(models.IntegerChoices):
        """The values of `terminals.waves.Wave`, in words."""

        BY_HAND = Wave.BY_HAND.value, _("by hand")
        FIRST = Wave.FIRST.value, _("first ones")
        SECOND = Wave.SECOND.value, _("second wave")
        THIRD = Wave.THIRD.value, _("third wave")
        REST = Wave.REST.value, _("all others")

    class Evidence(models.TextChoices):
        """What a confirmation rests on; REPORTED is what a fetch rests on while the proof is still to come."""

        FETCHED = "fetched", _("it fetched the trust file")
        REPORTED = "reported", _("it reported the fingerprints")
        PROVED = "proved", _("it connected to the new certificate")
        PERSON = "person", _("a person confirmed it")

    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="installations")
    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="installations")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    wave = models.PositiveSmallIntegerField(_("wave"), choices=Waves, default=Waves.BY_HAND)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    postponed = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(_("next attempt"), null=True)
    asked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    reaction = models.CharField(max_length=16, blank=True)
    fetched_at = models.DateTimeField(null=True)
    fetched_file = models.CharField(max_length=128, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)
    address_differs = models.BooleanField(default=False)
    confirmed_at = models.DateTimeField(null=True)
    evidence = models.CharField(max_length=8, choices=Evidence, blank=True)
    confirmed_by = models.CharField(max_length=150, blank=True)
    failure = models.CharField(max_length=16, blank=True)
    failed_at = models.DateTimeField(null=True)
    excused = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("installation")
        constraints = [
            models.UniqueConstraint(fields=["generation", "terminal"], name="one_installation_per_generation"),
            models.CheckConstraint(
                condition=~Q(state="confirmed") | Q(confirmed_at__isnull=False), name="confirmed_says_when"
            ),
        ]
        indexes = [
            # The rollout's next batch, the progress per state, and the handover's question who is missing.
            models.Index(fields=["generation", "state", "next_at"], name="installation_next"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.generation_id} {self.state}"


class Link(models.Model):
    """The personal link to one terminal's file for the technician at the desk: 128 random bits, kept as a hash."""

    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="links")
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="+")
    token_sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150, blank=True)
    revoked_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("personal link")

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.generation_id}"


class BootstrapWindow(models.Model):
    """For some minutes named terminals may fetch their files over plain HTTP; logged, closes by itself."""

    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    opened_by = models.CharField(max_length=150)
    all_terminals = models.BooleanField(default=False)
    terminals = models.ManyToManyField(Terminal, related_name="+")

    class Meta:
        ordering = ["-opened_at"]
        verbose_name = _("bootstrap window")

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M} to {self.closes_at:%H:%M}"


class ImportFile(models.Model):
    """A CSV file between its preview and its import: one for each person, replaced by the next (`terminals.imports`)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    content = models.BinaryField()  # encrypted: it may hold SIP passwords
    uploaded_at = models.DateTimeField()

    class Meta:
        verbose_name = _("file to be imported")

    def __str__(self) -> str:
        return f"{self.user_id} {self.uploaded_at:%Y-%m-%d %H:%M}"
