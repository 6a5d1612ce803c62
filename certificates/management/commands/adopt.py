"""`adopt`: take what is served, and what this database does not know, into the history."""

from typing import Any

from django.utils.translation import gettext as _

from certificates.management.orders import ReasonedCommand, refusals
from certificates.models import StoreDecision
from certificates.renewal import deciding
from certificates.renewal.situation import load_situation
from certificates.status.as_json import generation_value
from pbxcerts.system.commands import CommandFailed, CommandReport, os_user
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping


class Command(ReasonedCommand):
    help = "Takes the pair that is served, where this database does not know it, into the history; it stays in service."

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        with refusals():
            order = deciding.order_decision(
                timekeeping.current_clock(), StoreDecision.Decision.ADOPT, by=os_user(), reason=options["reason"]
            )
        self.settle(lambda: not StoreDecision.objects.filter(ordered_at=order.ordered_at).exists())
        situation = load_situation()
        if situation.standing.rests or situation.active is None:
            raise CommandFailed(
                _("What is served could not be adopted: it has changed meanwhile. Try again."), code="changed"
            )
        said = _("Generation %(number)s is in the history and stays in service.") % {"number": situation.active.number}
        return CommandReport(said, {"generation": generation_value(situation.active)})
