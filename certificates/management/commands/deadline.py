"""`deadline`: set when the communication server is switched to the prepared pair at the latest."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from certificates.management.orders import OrderCommand, prepared_text, refusals
from certificates.renewal import orders
from certificates.status.as_json import generation_value
from pbxcerts.system.commands import CommandReport, WrongUse, os_user
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping


class Command(OrderCommand):
    help = "Moves the deadline of the handover that is under way."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "time",
            metavar="TIME",
            help="ISO 8601, in the time zone that is set (2026-12-01T02:00) or with an offset (2026-12-01T02:00+01:00)",
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        at = instant(options["time"], general.zone)
        with refusals():
            generation = orders.move_deadline(timekeeping.current_clock(), at, by=os_user())
        return CommandReport(prepared_text(generation), {"generation": generation_value(generation)})


def instant(text: str, zone: ZoneInfo) -> datetime:
    """The instant that an ISO 8601 text names, in this zone where no offset stands; where the clocks show a time twice,
    the first of the two. Raises WrongUse.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or ":" not in text:
        raise WrongUse(
            _("“%(value)s” is no date with a time: write it as in 2026-12-01T02:00 or 2026-12-01T02:00+01:00.")
            % {"value": text},
            code="value",
        )
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    wall = at.replace(tzinfo=zone).astimezone(UTC)
    if wall.astimezone(zone).replace(tzinfo=None) != at:
        raise WrongUse(
            _("“%(value)s” does not exist in %(zone)s: the clocks are put forward then.")
            % {"value": text, "zone": zone.key},
            code="value",
        )
    return wall
