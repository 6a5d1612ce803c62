"""What a new installation needs, in order; each step can be left for later."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.status.page import CertificateStatus


@dataclass(frozen=True)
class Step:
    title: str
    why: str
    url: str
    words: str
    is_done: bool


def first_steps(status: CertificateStatus, *, terminals: int) -> list[Step]:
    """None of them where all are done."""
    general = status.settings.general
    server_is_seen = any(sighting.sees for pair in status.pairs for sighting in pair.sightings)
    steps = [
        Step(
            _("Names and addresses"),
            _("They go into the host certificate: telephones refuse a server that they reach under another name."),
            reverse("system:general") + "#div_id_fqdn",
            _("Enter them"),
            bool(general.identity),
        ),
        Step(
            _("Clock"),
            _("One to four NTP servers: without a right clock nothing is renewed by itself."),
            reverse("system:general") + "#div_id_ntp_enabled",
            _("Set the NTP service"),
            general.ntp_enabled and bool(general.ntp_servers),
        ),
        Step(
            _("First generation"),
            _("Root and host certificate; they are served at once."),
            reverse("certificates:generate"),
            _("Generate now"),
            status.active is not None,
        ),
        Step(
            _("Communication server"),
            _("It reads the files, is told to read them again, and shows at its TLS address that it has."),
            reverse("certificates:server"),
            _("See how"),
            server_is_seen,
        ),
        Step(
            _("Terminals"),
            _("A generation reaches only the telephones that stand in the list."),
            reverse("terminals:import"),
            _("Import a CSV file"),
            terminals > 0,
        ),
    ]
    return [] if all(step.is_done for step in steps) else steps
