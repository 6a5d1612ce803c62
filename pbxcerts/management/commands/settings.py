"""`settings`: show the parameters of both pages, or set them by the pages' own rules."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.forms.settings import SettingsForm
from certificates.models import Settings
from certificates.renewal.handover import known_terminals
from certificates.renewal.situation import Situation
from certificates.settings_changes import SettingsChange, apply_settings
from pbxcerts.panel.saving import apply_general
from pbxcerts.system.commands import CommandReport, NotNow, OperatorCommand, WrongUse
from pbxcerts.system.database.versioned import InvalidValues, SettingsOvertaken
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from terminals.directory import kept_passwords

NAMES = (
    *("interval_days", "generation_time", "overlap_days", "handover_counts", "key_type", "addresses_as_dns"),
    *("site_name", "system_id", "fqdn", "dns_names", "ip_addresses", "on_this_machine", "tls_addresses"),
    *("own_names", "own_addresses", "time_zone", "ntp_enabled", "ntp_servers"),
    *("redirect_to_https", "logout_after_minutes", "language", "swiss_spelling"),
    *("backup_enabled", "backup_days", "backup_time", "backup_keep", "backup_recipients"),
)


class Command(OperatorCommand):
    help = "Shows all settings, or sets some: all of them or, where one is wrong, none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "assignments",
            nargs="*",
            metavar="NAME=VALUE",
            help=f"lists with commas; the names: {', '.join(NAMES)}",
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        if not options["assignments"]:
            value = values(Settings.load())
            return CommandReport("\n".join(f"{name}={shown(one)}" for name, one in value.items()), {"settings": value})
        changes = parsed(options["assignments"])
        clock = timekeeping.current_clock(general=general)
        before, passwords = Situation.load(clock), kept_passwords.number()
        changed = apply(changes, before.settings, now=clock.best)
        after = Settings.load()
        consequences = SettingsChange(
            before, {name: getattr(after, name) for name in SettingsForm.names()}, known_terminals()
        ).consequences()
        if lost := passwords - kept_passwords.number():
            consequences.append(
                ngettext(
                    "%(count)s stored SIP password was deleted, because its answers would go elsewhere.",
                    "%(count)s stored SIP passwords were deleted, because their answers would go elsewhere.",
                    lost,
                )
                % {"count": lost}
            )
        said = [f"{name}={shown(one)}" for name, one in values(after).items() if name in changed]
        return CommandReport(
            "\n".join([*said, *consequences]) if changed else _("Nothing has changed."),
            {
                "changed": [name for name in NAMES if name in changed],
                "consequences": consequences,
                "settings": values(after),
            },
        )


def values(settings: Settings) -> dict[str, Any]:
    """Every setting as a script wants it: numbers, switches and lists as what they are, the time as text."""
    found = {name: getattr(settings if name in SettingsForm.names() else settings.general, name) for name in NAMES}
    return {name: f"{one:%H:%M}" if isinstance(one, time) else one for name, one in found.items()}


def shown(value: Any) -> str:
    """A value in the notation in which the command takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)


def parsed(assignments: list[str]) -> dict[str, str]:
    """Name and value of each assignment. Raises WrongUse."""
    changes: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise WrongUse(_("“%(argument)s” is not of the form NAME=VALUE.") % {"argument": assignment}, code="usage")
        if name not in NAMES:
            raise WrongUse(
                _("There is no setting “%(name)s”; there are: %(names)s.") % {"name": name, "names": ", ".join(NAMES)},
                code="value",
            )
        if name in changes:
            raise WrongUse(_("“%(name)s” is set twice.") % {"name": name}, code="usage")
        changes[name] = value
    return changes


def apply(changes: Mapping[str, str], settings: Settings, *, now: datetime) -> frozenset[str]:
    """Set the parameters of both pages in one transaction; returns the names of those that changed. Raises WrongUse
    with every value that a page would refuse, or NotNow where somebody else saved first; then nothing has changed.
    """
    changed: set[str] = set()
    errors: dict[str, list[str]] = {}
    pages: list[tuple[Callable[..., frozenset[str]], tuple[str, ...], int]] = [
        (apply_settings, SettingsForm.names(), settings.version),
        (apply_general, GeneralForm.names(), settings.general.version),
    ]
    try:
        with transaction.atomic():
            for save, names, version in pages:
                try:
                    mine = {name: value for name, value in changes.items() if name in names}
                    changed |= save(mine, expected_version=version, now=now) if mine else set()
                except InvalidValues as invalid:
                    errors |= invalid.errors
            if errors:
                raise InvalidValues(errors)
    except InvalidValues as invalid:
        said = [f"{name}: {' '.join(sentences)}" for name, sentences in invalid.errors.items()]
        raise WrongUse("\n".join(said), code="value", value={"errors": invalid.errors}) from invalid
    except SettingsOvertaken as overtaken:
        raise NotNow(
            _("Somebody else has changed the settings at this moment. Nothing of yours was applied: try again."),
            code="overtaken",
        ) from overtaken
    return frozenset(changed)
