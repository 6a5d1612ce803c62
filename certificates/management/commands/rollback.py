"""`rollback`: back to the pair that the active one took over from."""

from argparse import ArgumentParser
from typing import Any

from certificates import lifecycle
from certificates.management.orders import OrderCommand, outcome_text, refusals
from pbxcerts.system import timekeeping
from pbxcerts.system.commands import Report, person
from pbxcerts.system.models import General


class Command(OrderCommand):
    help = "Switches the communication server back to the pair served before, and tells the outcome."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", metavar="TEXT", help="for the history")

    def act(self, general: General, options: dict[str, Any]) -> Report:
        with refusals():
            switch = lifecycle.roll_back(timekeeping.current_clock(), by=person(), reason=options["reason"])
        value = self.settle_switch(switch)
        return Report(outcome_text(switch), value)
