"""`discard`: the prepared or held pair is never served."""

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from certificates import lifecycle
from certificates.management.orders import OrderCommand, refusals
from certificates.models import Generation
from certificates.situation import Situation
from certificates.status_value import generation_value
from pbxcerts.system import timekeeping
from pbxcerts.system.commands import Report, local, person, utc
from pbxcerts.system.models import General


class Command(OrderCommand):
    help = "Discards the prepared or held pair; a new one is made at the next time of generation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", metavar="TEXT", help="for the history")

    def act(self, general: General, options: dict[str, Any]) -> Report:
        with refusals():
            generation = lifecycle.discard(timekeeping.current_clock(), by=person(), reason=options["reason"])
        self.settle(lambda: True)
        next_at = Situation.load(timekeeping.current_clock()).next_at
        said = _("Generation %(number)s is discarded; the next automatic generation: %(next)s.") % {
            "number": generation.number,
            "next": local(next_at),
        }
        generation = Generation.objects.get(number=generation.number)
        return Report(said, {"generation": generation_value(generation), "next_generation": {"at": utc(next_at)}})
