"""`withdraw`: take a pair whose key has leaked out of service and out of the trust bundle."""

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from certificates.management.orders import (
    ReasonedCommand,
    ask_clock,
    outcome_text,
    pair_numbered,
    prepared_text,
    refusals,
)
from certificates.models import Generation, Switch
from certificates.renewal import orders
from certificates.renewal.situation import load_situation
from certificates.status.as_json import generation_value, switch_value
from pbxcerts.system.commands import CommandFailed, CommandReport, os_user
from pbxcerts.system.models import General

State = Generation.State


class Command(ReasonedCommand):
    help = "Withdraws a pair whose key has leaked; where it is served or prepared, another takes its place at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--without-clock",
            action="store_true",
            help="make the new pair although one time server alone says that the clock is far off; --reason is needed too",
        )
        parser.add_argument("number", type=int, metavar="N", help="the number of the generation")

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        number = pair_numbered(options["number"]).number
        last = Switch.objects.newest_pk()
        with refusals():
            orders.withdraw(
                ask_clock(),
                number,
                by=os_user(),
                reason=options["reason"],
                without_clock=options["without_clock"],
            )
        self.settle(_nothing_runs)
        return self._tell(number, Switch.objects.since(last).filter(away_from=number).last())

    @staticmethod
    def _tell(number: int, switch: Switch | None) -> CommandReport:
        generation = Generation.objects.get(number=number)
        pending = load_situation().pending
        value = {
            "generation": generation_value(generation),
            "instead": generation_value(pending) if pending else None,
            "switch": switch_value(switch) if switch else None,
        }
        if generation.state == State.ACTIVE:
            raise CommandFailed(
                _(
                    "Generation %(number)s is withdrawn but still served: no other pair could take its place yet."
                    " It is tried again by itself; the history says why."
                )
                % {"number": number},
                code="still_served",
                value=value,
            )
        if switch is not None and switch.outcome == Switch.Outcome.STAYS:
            raise CommandFailed(outcome_text(switch), code=switch.outcome, value=value)
        said = [_("Generation %(number)s is withdrawn.") % {"number": number}]
        if switch is not None:
            said.append(outcome_text(switch))
        if pending is not None:
            said.append(prepared_text(pending))
        return CommandReport(" ".join(said), value)


def _nothing_runs() -> bool:
    return not (Generation.objects.being_made().exists() or Switch.objects.running().exists())
