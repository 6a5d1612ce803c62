"""System / General: the installation, its names, its clock, its users and its event messages."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from certificates.pki.identity import Identity
from pbxcerts.system.versioned import VersionedSettings


class Role(models.TextChoices):
    """Each role holds what stands above it."""

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


class User(AbstractUser):
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.VIEW)

    objects: ClassVar[Users] = Users()

    class Meta:
        ordering = ["username"]
        constraints = [models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known")]

    def may(self, needed: Role) -> bool:
        return Role(self.role).holds(needed)


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
    language = models.CharField(
        _("system language"), max_length=5, choices=[("de", _("German")), ("en", _("English"))], default="de"
    )
    redirect_to_https = models.BooleanField(_("redirect to HTTPS"), default=False)

    class Meta:
        verbose_name = _("System / General")
        constraints = [models.CheckConstraint(condition=models.Q(singleton=True), name="one_row_of_general")]

    def __str__(self) -> str:
        return self.site_name or self.fqdn or "pbxcerts"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def server_identity(self) -> Identity:
        """The names and addresses of the communication server."""
        return self._identity([self.fqdn, *self.dns_names], self.ip_addresses)

    @property
    def identity(self) -> Identity:
        """What a host certificate must hold: the server's names and those under which terminals reach pbxcerts itself."""
        return self.server_identity.merged_with(self._identity(self.own_names, self.own_addresses))

    @staticmethod
    def _identity(names: list[str], addresses: list[str]) -> Identity:
        return Identity(
            dns_names=tuple(dict.fromkeys(name for name in names if name)),
            addresses=tuple(dict.fromkeys(ip_address(address) for address in addresses)),
        )


class ClockCheck(models.Model):
    """One round of asking the NTP servers; kept for 90 days and stored with each generation."""

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
    """The one row that says when the heartbeat last ran, and holds the clock's anchor (`pbxcerts.system.clock.Anchor`).

    `beats` counts runs, so that a supervisor sees life without comparing clocks. `presented` holds what each TLS address
    showed when it was last looked at: {address: {"sha256": ..., "error": ..., "at": ISO time}}; `publish_failure` why the
    file system refused in the last run, "" where it did not.
    """

    singleton = models.BooleanField(primary_key=True, default=True)
    last_run = models.DateTimeField(null=True)
    beats = models.PositiveBigIntegerField(default=0)
    wall = models.DateTimeField(null=True)
    boottime = models.FloatField(null=True)
    boot_id = models.CharField(max_length=36, blank=True)
    offset = models.DurationField(null=True)
    last_check = models.ForeignKey(ClockCheck, on_delete=models.SET_NULL, null=True, related_name="+")
    presented = models.JSONField(default=dict)
    publish_failure = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(singleton=True), name="one_row_of_heartbeat")]

    def __str__(self) -> str:
        return f"{self.beats} beats, last {self.last_run}"

    @classmethod
    def load(cls) -> Heartbeat:
        row = cls.objects.select_related("last_check").filter(singleton=True).first()
        return row or cls.objects.get_or_create(singleton=True)[0]


class Severity(models.TextChoices):
    NORMAL = "normal", _("Normal")
    SERIOUS = "serious", _("Serious")
    CRITICAL = "critical", _("Critical")


class EventMessage(models.Model):
    """An event message: sent once per kind and subject while it is open; a later positive one clears it (`with match`)."""

    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=128, blank=True)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    params = models.JSONField(default=dict)
    with_match = models.BooleanField(default=True)
    raised_at = models.DateTimeField(_("raised at"))
    cleared_at = models.DateTimeField(_("cleared at"), null=True)
    confirmed_by = models.CharField(_("confirmed by"), max_length=150, blank=True)

    class Meta:
        ordering = ["-raised_at", "-pk"]
        verbose_name = _("event message")
        indexes = [models.Index(fields=["kind", "subject"], name="messages_of_a_kind_and_subject")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(cleared_at=None),
                name="one_open_message_of_a_kind_and_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()
