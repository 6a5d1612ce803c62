"""Who asked for files: of a terminal in the list, or in the name of a MAC that is not in it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from terminals.mac_words import with_colons


class Requester(models.Model):
    """One that asked for a terminal's files (rule requesters).

    `source` is what counts as one address: an IPv4 address, or the /64 network of an IPv6 address; `address` is the last one of
    it. `last_at` is by the machine's clock. `took`: the numbers of the generations whose roots were in the trust files that it
    fetched. `accepted_by`: who said that this is the terminal. `first_at`: when it asked first, where that is known.

    `holds`: the generations whose trust anchors it has taken in turn, in this order, since it began anew; `held_at`: when it took the
    last one (rule anchors-in-turn); `held_proved`: whether that was the terminal by path, address or network, None in older rows. `change` is a larger number with each change of that, whoever writes it, so that the listeners
    find those that they do not know yet; 0 where nothing was taken in turn.

    `named`: whose roots are in the trust file that its own configuration names; `named_times`: how often the telephone has taken that
    since `named_since`, and never the trust file (rule unheeded).
    """

    terminal = models.ForeignKey("terminals.Terminal", on_delete=models.CASCADE, related_name="requesters")
    source = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    last_at = models.DateTimeField()
    took = models.JSONField(default=list)
    accepted_by = models.CharField(max_length=150, blank=True)
    first_at = models.DateTimeField(null=True)
    holds = models.JSONField(default=list)
    held_at = models.DateTimeField(null=True)
    held_proved = models.BooleanField(null=True)
    change = models.BigIntegerField(default=0, db_index=True)
    named = models.JSONField(default=list)
    named_since = models.DateTimeField(null=True)
    named_times = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-last_at"]
        verbose_name = _("requester")
        constraints = [
            models.UniqueConstraint(fields=["terminal", "source"], name="one_requester_per_source"),
        ]
        indexes = [
            # Who else asked from there.
            models.Index(fields=["source"], name="requester_by_source"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.source}"


class Discovered(models.Model):
    """A phone that asked for its configuration and is not in the list; one click makes it a terminal.

    Anybody may ask in the name of a MAC: each of the addresses that did has a row of its own (rule discovered). `source` is what
    counts as one address, as with `Requester`; `address` is the last one of it.
    """

    mac = models.CharField("MAC", max_length=12)
    model = models.CharField(_("model"), max_length=32, blank=True)
    firmware = models.CharField(_("firmware"), max_length=64, blank=True)
    source = models.CharField(max_length=64)
    address = models.CharField(_("address"), max_length=64, blank=True)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    requests = models.PositiveIntegerField(_("requests"), default=1)

    class Meta:
        ordering = ["-last_seen"]
        verbose_name = _("discovered phone")
        constraints = [models.UniqueConstraint("mac", "source", name="discovered_once_at_each_address")]

    def __str__(self) -> str:
        return f"{self.model} {self.mac_text}".strip()

    @property
    def mac_text(self) -> str:
        return with_colons(self.mac)
