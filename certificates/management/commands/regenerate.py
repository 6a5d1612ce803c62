"""`regenerate`: make a new root and a new host certificate now, as the button does."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.utils.translation import gettext as _

from certificates.management.orders import ReasonedCommand, ask_clock, outcome_text, prepared_text, refusals
from certificates.models import Generation, Switch
from certificates.renewal.handover import known_terminals
from certificates.renewal.orders import GenerationOrder, order_generation
from certificates.renewal.situation import load_situation
from certificates.status import words
from certificates.status.as_json import generation_value
from pbxcerts.system.commands import CommandFailed, CommandReport, os_user
from pbxcerts.system.models import General

State = Generation.State


class Command(ReasonedCommand):
    help = "Makes a new root and a new host certificate, hands them over, and waits until that is done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--at-once", action="store_true", help="switch the communication server without a handover")
        parser.add_argument(
            "--restart-now",
            action=BooleanOptionalAction,
            help="when switching at once, restart telephones now and not only at night",
        )
        parser.add_argument(
            "--without-clock",
            action="store_true",
            help="generate although the clock is in doubt; where it is far off, --reason is needed too",
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        # What is known against it, as the page says it before the button; nobody is asked here.
        doubts = [str(doubt) for doubt in known_terminals().doubts(load_situation())]
        generation = self._order(options)
        row, switches = Generation.objects.filter(number=generation.number), Switch.objects.filter(to=generation)
        self.settle(lambda: not (row.being_made().exists() or switches.running().exists()))
        generation = row.get()
        value = {"generation": generation_value(generation), "doubts": doubts}
        if generation.state == State.FAILED:
            failure, hint = words.failure(generation.failure)
            said = " ".join(filter(None, [failure, generation.failure_detail, hint]))
            raise CommandFailed(
                _("Generation %(number)s failed. %(why)s") % {"number": generation.number, "why": said},
                code="generation",
                value=value,
            )
        switch = switches.first()
        if switch is None:
            return CommandReport("\n".join([prepared_text(generation), *doubts]), value | {"switch": None})
        return CommandReport("\n".join([outcome_text(switch), *doubts]), value | self.settle_switch(switch))

    @staticmethod
    def _order(options: dict[str, Any]) -> Generation:
        order = GenerationOrder(
            trigger=Generation.Trigger.COMMAND,
            by=os_user(),
            reason=options["reason"],
            at_once=options["at_once"],
            restart_now=options["restart_now"],
            without_clock=options["without_clock"],
        )
        with refusals():
            return order_generation(ask_clock(), order)
