"""`withdraw`: a pair whose key leaked leaves service and bundle."""

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from certificates import lifecycle
from certificates.management.orders import OrderCommand, outcome_text, pair_numbered, prepared_text, refusals
from certificates.models import Generation, Switch
from certificates.situation import Situation
from certificates.status_value import generation_value, switch_value
from pbxcerts.system import timekeeping
from pbxcerts.system.commands import Failed, Report, person
from pbxcerts.system.models import General

State = Generation.State


class Command(OrderCommand):
    help = "Withdraws a pair whose key has leaked; where it is served or prepared, another takes its place at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("number", type=int, metavar="N", help="the number of the generation")
        parser.add_argument("--reason", default="", metavar="TEXT", help="for the history")

    def act(self, general: General, options: dict[str, Any]) -> Report:
        number = pair_numbered(options["number"]).number
        last = Switch.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        with refusals():
            lifecycle.withdraw(timekeeping.current_clock(), number, by=person(), reason=options["reason"])
        self.settle(_nothing_runs)
        return self._tell(number, Switch.objects.filter(pk__gt=last, away_from=number).first())

    @staticmethod
    def _tell(number: int, switch: Switch | None) -> Report:
        generation = Generation.objects.get(number=number)
        pending = Situation.load(timekeeping.current_clock()).pending
        value = {
            "generation": generation_value(generation),
            "instead": generation_value(pending) if pending else None,
            "switch": switch_value(switch) if switch else None,
        }
        if generation.state == State.ACTIVE:
            raise Failed(
                _(
                    "Generation %(number)s is withdrawn but still served: no other pair could take its place yet."
                    " It is tried again by itself; the history says why."
                )
                % {"number": number},
                code="still_served",
                value=value,
            )
        if switch is not None and switch.outcome == Switch.Outcome.STAYS:
            raise Failed(outcome_text(switch), code=switch.outcome, value=value)
        said = [_("Generation %(number)s is withdrawn.") % {"number": number}]
        if switch is not None:
            said.append(outcome_text(switch))
        if pending is not None:
            said.append(prepared_text(pending))
        return Report(" ".join(said), value)


def _nothing_runs() -> bool:
    return not (Generation.objects.filter(state=State.MAKING).exists() or Switch.objects.filter(running=True).exists())
