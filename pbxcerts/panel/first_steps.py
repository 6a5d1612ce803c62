"""What a new installation needs after its first start, in order; each step can be left for later."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.status.page import CertificateStatus
from pbxcerts.panel.first_start import StartStep, next_step


@dataclass(frozen=True)
class FirstStep:
    """`tries`: whether it can be tried at once where a person acts on it."""

    title: str
    why: str
    url: str
    words: str
    tries: bool = False


@dataclass(frozen=True)
class FirstSteps:
    """`start`: the step at which the first start goes on; None where it is done. `left`: what is left after it."""

    start: StartStep | None
    left: list[FirstStep]

    def __bool__(self) -> bool:
        return self.start is not None or bool(self.left)


def first_steps(status: CertificateStatus, *, terminals: int) -> FirstSteps:
    start = next_step(status.settings.general, has_generation=status.newest is not None)
    return FirstSteps(start, [] if start is not None and status.active is None else _left(status, terminals))


def _left(status: CertificateStatus, terminals: int) -> list[FirstStep]:
    left = []
    if not any(sighting.sees for pair in status.pairs for sighting in pair.sightings):
        left.append(
            FirstStep(
                _("Communication server"),
                _("It reads the files, is told to read them again, and shows at its TLS address that it has."),
                reverse("certificates:server"),
                _("Recipe to copy"),
                tries=bool(status.settings.general.tls_addresses),
            )
        )
    if not terminals:
        left.append(
            FirstStep(
                _("Terminals"),
                _("A generation reaches only the telephones that stand in the list."),
                reverse("terminals:import"),
                _("Import a CSV file"),
            )
        )
    return left
