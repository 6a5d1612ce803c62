"""`regenerate`: a new root and a new host certificate now, as the button does."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.utils.translation import gettext as _

from certificates import lifecycle, words
from certificates.management.orders import OrderCommand, ask_clock, outcome_text, prepared_text, refusals
from certificates.models import Generation, Switch
from certificates.status_value import generation_value
from pbxcerts.system.commands import Failed, NotNow, Report, person
from pbxcerts.system.models import General

State = Generation.State


class Command(OrderCommand):
    help = "Makes a new root and a new host certificate, hands them over, and waits until that is done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--at-once", action="store_true", help="switch the communication server without a handover")
        parser.add_argument(
            "--restart-now",
            action=BooleanOptionalAction,
            help="when switching at once, restart telephones now and not only at night",
        )
        parser.add_argument("--reason", default="", metavar="TEXT", help="for the history")
        parser.add_argument(
            "--without-clock",
            action="store_true",
            help="generate although the clock is in doubt; where it is far off, --reason is needed too",
        )

    def act(self, general: General, options: dict[str, Any]) -> Report:
        generation = self._order(options)
        switches = Switch.objects.filter(to=generation)
        self.settle(
            lambda: (
                not (
                    Generation.objects.filter(number=generation.number, state=State.MAKING).exists()
                    or switches.filter(running=True).exists()
                )
            )
        )
        generation = Generation.objects.get(number=generation.number)
        value = {"generation": generation_value(generation)}
        if generation.state == State.FAILED:
            failure, hint = words.failure(generation.failure)
            said = " ".join(filter(None, [failure, generation.failure_detail, hint]))
            raise Failed(
                _("Generation %(number)s failed. %(why)s") % {"number": generation.number, "why": said},
                code="generation",
                value=value,
            )
        switch = switches.first()
        if switch is None:
            return Report(prepared_text(generation), value | {"switch": None})
        return Report(outcome_text(switch), value | self.settle_switch(switch))

    @staticmethod
    def _order(options: dict[str, Any]) -> Generation:
        try:
            with refusals():
                return lifecycle.order_generation(
                    ask_clock(),
                    trigger=Generation.Trigger.COMMAND,
                    by=person(),
                    reason=options["reason"],
                    at_once=options["at_once"],
                    restart_now=options["restart_now"],
                    without_clock=options["without_clock"],
                )
        except NotNow as refused:
            if refused.code != "clock":
                raise
            how = _("With --without-clock (and --reason TEXT where it is far off) it is generated all the same.")
            raise NotNow(f"{refused} {how}", code="clock") from refused
