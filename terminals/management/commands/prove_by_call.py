"""`prove_by_call`: telephone as a terminal would, and say what became of it."""

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from certificates.call_proof import orders, words
from certificates.models import Generation
from pbxcerts.system.commands import CommandFailed, CommandReport, NotNow, OperatorCommand, os_user
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from terminals.call_proof.process import end_in_time
from terminals.call_proof.proving import prove_ordered


class Command(OperatorCommand):
    help = (
        "Proves by a call what a telephone sees of the communication server now. The worker does it after each switch."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--ordered", action="store_true", help="only what is ordered already; the worker does it by itself"
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        end_in_time()
        if not options["ordered"]:
            _order(general)
        proof = prove_ordered()
        if proof is None:
            return CommandReport(_("Nothing is ordered, or another process is at it."), {"proof": None})
        value = {"proof": {"generation": proof.generation_id, "outcome": proof.outcome, "steps": proof.steps}}
        text = "\n".join([words.outcome(proof), *(f"{line.title}: {line.sentence}" for line in words.lines(proof))])
        if proof.has_failed and not options["ordered"]:
            raise CommandFailed(text, code=proof.outcome, value=value)
        return CommandReport(text, value)


def _order(general: General) -> None:
    """Raises NotNow."""
    active = Generation.objects.active_to_read()
    if active is None or not general.tls_addresses:
        raise NotNow(words.why_not(has_pair=active is not None), code="nothing_to_prove")
    orders.order_by_person(active.number, timekeeping.now(), by=os_user())
