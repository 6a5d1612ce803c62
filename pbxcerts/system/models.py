"""System / General: the installation, its names, its clock, its users and its event messages."""

from __future__ import annotations

import uuid
from datetime import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import connection, models, transaction
from django.utils.crypto import salted_hmac
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from certificates.pki.identity import Identity
from pbxcerts.system.database.prepared import prepared
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.languages import SWISS
from pbxcerts.system.network.endpoint import bracketed
from pbxcerts.system.session_store import SessionStore


class Role(models.TextChoices):
    """What a person may do. Each role includes those above it."""

    VIEW = "view", _("View")
    OPERATE = "operate", _("Operate")
    ADMINISTER = "administer", _("Administer")

    def holds(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Users(UserManager["User"]):
    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **extra: Any
    ) -> User:
        """The first administrator, also of `manage.py createsuperuser`: a superuser is always one who administers."""
        return super().create_superuser(username, email, password, **{"role": Role.ADMINISTER, **extra})

    def administrators(self) -> models.QuerySet[User]:
        return self.filter(role=Role.ADMINISTER, is_active=True)


class Theme(models.TextChoices):
    SYSTEM = "", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class User(AbstractUser):
    """`sessions_proof` is mixed into the proof that each session of this account holds: with another one they are over.

    `language`, `theme`: what the person chose, "" for as the system has it; None until then, while this browser's cookies count.
    """

    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.VIEW)
    sessions_proof = models.CharField(max_length=32, blank=True, editable=False)
    language = models.CharField(max_length=16, null=True, blank=True, editable=False)  # noqa: DJ001 - see above
    theme = models.CharField(max_length=8, null=True, blank=True, editable=False)  # noqa: DJ001 - see above

    objects: ClassVar[Users] = Users()

    class Meta:
        ordering = ["username"]
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known"),
            models.CheckConstraint(condition=models.Q(theme__in=Theme.values), name="user_theme_is_known"),
        ]

    def may(self, needed: Role) -> bool:
        return Role(self.role).holds(needed)

    def get_session_auth_hash(self) -> str:
        """What a session must hold to be this account's: Django's own of the password, until the account is deactivated once."""
        of_the_password = super().get_session_auth_hash()
        if not self.sessions_proof:
            return of_the_password
        return salted_hmac(
            "pbxcerts.system.User", f"{of_the_password}{self.sessions_proof}", algorithm="sha256"
        ).hexdigest()


class Session(AbstractBaseSession):
    """One browser that is, or was, logged in. `user` is None until somebody is, and in a row of before until it is next written."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore


def operating_system_zone() -> str:
    """The IANA name of this machine's zone; UTC where the operating system does not tell one."""
    zones = available_timezones()
    link = Path("/etc/localtime")
    if link.is_symlink():
        name = "/".join(str(link.readlink()).split("zoneinfo/")[-1:])
        if name in zones and not name.startswith("Etc/"):
            return name
    try:
        name = Path("/etc/timezone").read_text().strip()
    except OSError:
        return "UTC"
    return name if name in zones and not name.startswith("Etc/") else "UTC"


def languages() -> list[tuple[str, str | Promise]]:
    """A choice of any model; another catalogue needs no migration."""
    return list(settings.LANGUAGES)


def new_installation() -> str:
    """A random name for a new installation."""
    return uuid.uuid4().hex


LOGOUT_AFTER_MINUTES = (5, 1440)
BACKUP_DAYS = (1, 31)
BACKUP_KEEP = (1, 1000)


class General(VersionedSettings):
    """The one row of System / General."""

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    site_name = models.CharField(_("site name"), max_length=64, blank=True)
    system_id = models.CharField(_("system ID"), max_length=64, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default=operating_system_zone)
    ntp_enabled = models.BooleanField(_("NTP service"), default=False)
    ntp_servers = models.JSONField(_("NTP servers"), default=list, blank=True)
    fqdn = models.CharField(_("name of the communication server (FQDN)"), max_length=253, blank=True)
    dns_names = models.JSONField(_("further DNS names"), default=list, blank=True)
    ip_addresses = models.JSONField(_("IP addresses"), default=list, blank=True)
    on_this_machine = models.BooleanField(_("the communication server is this machine"), default=True)
    tls_addresses = models.JSONField(_("TLS addresses to look at"), default=list, blank=True)
    own_names = models.JSONField(_("names under which terminals reach pbxcerts"), default=list, blank=True)
    own_addresses = models.JSONField(_("addresses under which terminals reach pbxcerts"), default=list, blank=True)
    language = models.CharField(_("system language"), max_length=16, choices=languages, default="de")
    swiss_spelling = models.BooleanField(_("Swiss spelling"), default=False)
    redirect_to_https = models.BooleanField(_("redirect to HTTPS"), default=False)
    # Made once; the store names it, so that no other installation takes the store for its own (rule store-mark).
    installation = models.CharField(max_length=32, default=new_installation, editable=False)
    backup_enabled = models.BooleanField(_("make backups by itself"), default=False)
    backup_days = models.PositiveSmallIntegerField(_("backup every (days)"), default=1)
    backup_time = models.TimeField(_("backup at (time)"), default=time(3, 30))
    backup_keep = models.PositiveSmallIntegerField(_("backups to keep"), default=14)
    backup_recipients = models.JSONField(_("public keys for backups"), default=list, blank=True)
    logout_after_minutes = models.PositiveSmallIntegerField(_("log out after minutes without use"), default=480)

    class Meta:
        verbose_name = _("System / General")
        constraints = [
            models.CheckConstraint(condition=models.Q(singleton=True), name="one_row_of_general"),
            models.CheckConstraint(
                condition=models.Q(logout_after_minutes__range=LOGOUT_AFTER_MINUTES),
                name="logout_after_5_to_1440_minutes",
            ),
            models.CheckConstraint(
                condition=models.Q(backup_days__range=BACKUP_DAYS, backup_keep__range=BACKUP_KEEP),
                name="backup_every_1_to_31_days_and_1_to_1000_kept",
            ),
        ]

    def __str__(self) -> str:
        return self.site_name or self.fqdn or "pbxcerts"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def spelt(self, language: str) -> str:
        """What is activated for a language: German as it is spelt here (rule swiss-spelling)."""
        return SWISS if language == "de" and self.swiss_spelling else language

    @property
    def server_identity(self) -> Identity:
        """The names and addresses of the communication server."""
        return self._identity([self.fqdn, *self.dns_names], self.ip_addresses)

    @property
    def identity(self) -> Identity:
        """What a host certificate must hold: the server's names and those under which terminals reach pbxcerts itself."""
        return self.server_identity.merged_with(self._identity(self.own_names, self.own_addresses))

    @property
    def own_host(self) -> str:
        """Where terminals reach pbxcerts, as a URL has it. A name is preferred to an address, because addresses change."""
        candidates = [*self.own_names, *self.own_addresses]
        if not candidates and self.on_this_machine:
            candidates = [name for name in [self.fqdn, *self.dns_names, *self.ip_addresses] if name]
        return bracketed(candidates[0]) if candidates else ""

    @staticmethod
    def _identity(names: list[str], addresses: list[str]) -> Identity:
        return Identity(
            dns_names=tuple(dict.fromkeys(name for name in names if name)),
            addresses=tuple(dict.fromkeys(ip_address(address) for address in addresses)),
        )


class ClockCheck(models.Model):
    """One round of asking the NTP servers; kept for 90 days and stored with each generation. `machine`: the key of the one whose
    clock it is about (`Heartbeat.key`).
    """

    machine = models.CharField(max_length=32, blank=True)
    checked_at = models.DateTimeField(_("checked at"))
    boottime = models.FloatField()
    boot_id = models.CharField(max_length=36)
    offset = models.DurationField(_("offset"), null=True)
    server = models.CharField(_("server"), max_length=255, blank=True)
    stratum = models.PositiveSmallIntegerField(_("stratum"), null=True)
    agreed = models.BooleanField(default=False)
    disagreed = models.BooleanField(default=False)
    answers = models.JSONField(default=list)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("clock check")

    def __str__(self) -> str:
        return f"{self.checked_at:%Y-%m-%d %H:%M:%S} {self.offset}"


class Heartbeat(models.Model):
    """What one machine says of itself with each heartbeat: a row for each data directory that `up` has run on (rule machines).
    Its own clock's anchor (`pbxcerts.system.time.clock.ClockAnchor`) is among it.

    `key` names the machine (`pbxcerts.system.machines.machine_key`); "" in the row of a version that knew one machine only, until the
    next start takes it over. `works`, `serves`: whether it runs a worker and a web process. `publishes`: whether it is the one
    that writes the store and reloads the communication server (rule one-publishes); `names_store`: whether its environment names
    a store.

    `accepted_at`: when a person last accepted the machine's clock (rule clock-accepted), by that clock; of the answers of
    NTP servers those up to the check `void_until` have no say since.

    `beats` counts runs, so that a supervisor, and another machine, sees life without comparing clocks; `ran_boottime` and
    `ran_boot_id` say by CLOCK_BOOTTIME when the last one was. `seen`: the beats of the other machines, and since when by our own
    CLOCK_BOOTTIME they stand: {key: [beats, boottime]}. `database_ahead`, `database_ahead_of_machine`: seconds, the
    database's clock minus our best one, and minus the machine's; None with SQLite.

    `presented` holds what each TLS address showed when it was last looked at: {address: {"sha256": ..., "error": ...,
    "reached": ..., "at": ISO time}}; `publish_failure` why the file system refused in the last run, "" where it did not;
    `store_mark` and `store_standing` what the store says of itself (`certificates.renewal.standing`), for the machines that have
    none. `starts`: which beat was the last (`pbxcerts.system.machines.clones`). `failing`: its processes and listeners that fail
    (`pbxcerts.system.run_files`). `secrets`: fingerprints (`pbxcerts.system.machines.shared_secrets`).
    """

    key = models.CharField(primary_key=True, max_length=32, blank=True)
    name = models.CharField(max_length=253, blank=True)
    version = models.CharField(max_length=32, blank=True)
    works = models.BooleanField(default=False)
    serves = models.BooleanField(default=False)
    names_store = models.BooleanField(default=False)
    publishes = models.BooleanField(default=False)
    last_run = models.DateTimeField(null=True)
    ran_boottime = models.FloatField(null=True)
    ran_boot_id = models.CharField(max_length=36, blank=True)
    beats = models.PositiveBigIntegerField(default=0)
    seen = models.JSONField(default=dict)
    database_ahead = models.FloatField(null=True)
    database_ahead_of_machine = models.FloatField(null=True)
    wall = models.DateTimeField(null=True)
    boottime = models.FloatField(null=True)
    boot_id = models.CharField(max_length=36, blank=True)
    offset = models.DurationField(null=True)
    accepted_at = models.DateTimeField(null=True)
    void_until = models.PositiveBigIntegerField(default=0)
    last_check = models.ForeignKey(ClockCheck, on_delete=models.SET_NULL, null=True, related_name="+")
    presented = models.JSONField(default=dict)
    publish_failure = models.TextField(blank=True)
    store_mark = models.TextField(blank=True)
    store_standing = models.CharField(max_length=16, blank=True)
    starts = models.JSONField(default=dict)
    failing = models.JSONField(default=dict)
    secrets = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["publishes"], condition=models.Q(publishes=True), name="at_most_one_machine_publishes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.key}: {self.beats} beats, last {self.last_run}"

    @classmethod
    def own(cls) -> models.QuerySet[Heartbeat]:
        """The row of this machine, to be changed."""
        return cls.objects.filter(key=settings.MACHINE)

    @classmethod
    def load(cls) -> Heartbeat:
        """The row of this machine."""
        return next(iter(_heartbeat_of(settings.MACHINE)), None) or cls._begin()

    @classmethod
    def of_publisher(cls) -> Heartbeat:
        """The row of the machine that publishes; our own where none does."""
        rows = cls.objects.filter(models.Q(publishes=True) | models.Q(key=settings.MACHINE)).select_related(
            "last_check"
        )
        return rows.order_by("-publishes").first() or cls._begin()

    @classmethod
    def _begin(cls) -> Heartbeat:
        """The first row of this machine: that of a version that knew one machine only; and a database in a file is always the
        one of the machine that it lies on.
        """
        with transaction.atomic():
            if connection.vendor == "sqlite":
                left = cls.objects.all()
            elif settings.NAMES_STORE or not cls.objects.exclude(key="").filter(works=True).exists():
                left = cls.objects.filter(key="")
            else:
                # Another machine may be the one that goes on with what published.
                left = cls.objects.none()
            before = left.order_by("-publishes", "-beats").values_list("key", flat=True).first()
            # What a command has left that ran without the data directory of a machine.
            cls.objects.filter(works=False, serves=False, publishes=False).exclude(key__in=["", before or ""]).delete()
            if before is not None and cls.objects.filter(key=before).update(key=settings.MACHINE):
                ClockCheck.objects.filter(machine=before).update(machine=settings.MACHINE)
            return cls.objects.select_related("last_check").get_or_create(key=settings.MACHINE)[0]


@prepared
def _heartbeat_of(machine: str) -> models.QuerySet[Heartbeat]:
    # There is one row at most, and none needs to be sorted.
    return Heartbeat.objects.filter(key=machine).order_by().select_related("last_check")


class Severity(models.TextChoices):
    NORMAL = "normal", _("Normal")
    SERIOUS = "serious", _("Serious")
    CRITICAL = "critical", _("Critical")


class EventMessage(models.Model):
    """An event message: sent once per kind and subject while it is open; a later positive one clears it (`with match`).

    `raise_noted`, `clear_noted`: whether the destinations' queue has it already, and its positive counterpart.
    """

    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=128, blank=True)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    params = models.JSONField(default=dict)
    with_match = models.BooleanField(default=True)
    raised_at = models.DateTimeField(_("raised at"))
    cleared_at = models.DateTimeField(_("cleared at"), null=True)
    confirmed_by = models.CharField(_("confirmed by"), max_length=150, blank=True)
    raise_noted = models.BooleanField(default=False)
    clear_noted = models.BooleanField(default=False)

    class Meta:
        ordering = ["-raised_at", "-pk"]
        verbose_name = _("event message")
        indexes = [
            models.Index(fields=["kind", "subject"], name="messages_of_a_kind_and_subject"),
            models.Index(
                fields=["id"],
                condition=models.Q(raise_noted=False) | models.Q(clear_noted=False, cleared_at__isnull=False),
                name="messages_to_be_noted",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(cleared_at=None),
                name="one_open_message_of_a_kind_and_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()
