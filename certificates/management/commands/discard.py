"""`discard`: give up the prepared or held pair, so that it is never served."""

from typing import Any

from django.utils.translation import gettext as _

from certificates.management.orders import ReasonedCommand, refusals
from certificates.models import Generation
from certificates.renewal import orders
from certificates.renewal.situation import load_situation
from certificates.status.as_json import generation_value
from pbxcerts.system.commands import CommandReport, local, os_user
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc


class Command(ReasonedCommand):
    help = "Discards the prepared or held pair; where a new one was due, it is made at the next time of generation."

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        with refusals():
            generation = orders.discard(timekeeping.current_clock(), by=os_user(), reason=options["reason"])
        self.settle(lambda: True)
        next_at = load_situation().next_at
        said = _("Generation %(number)s is discarded; the next automatic generation: %(next)s.") % {
            "number": generation.number,
            "next": local(next_at),
        }
        generation = Generation.objects.get(number=generation.number)
        return CommandReport(
            said, {"generation": generation_value(generation), "next_generation": {"at": utc(next_at)}}
        )
