"""`heartbeat`: one round of reconciling, as the worker does it every minute."""

from typing import Any

from django.utils.translation import gettext as _

from certificates import words
from certificates.models import Switch, Transition
from certificates.status_value import switch_value
from pbxcerts.heartbeat import beat
from pbxcerts.system.commands import Failed, OperatorCommand, Report, utc
from pbxcerts.system.models import General


class Command(OperatorCommand):
    help = "One round of “is anything due?”: clock, generation, handover, warnings. Tells what was done."

    def act(self, general: General, options: dict[str, Any]) -> Report:
        last_transition = Transition.objects.order_by("pk").values_list("pk", flat=True).last() or 0
        last_switch = Switch.objects.order_by("pk").values_list("pk", flat=True).last() or 0
        outcome = beat()
        changes = list(Transition.objects.filter(pk__gt=last_transition).order_by("pk"))
        switches = list(Switch.objects.filter(pk__gt=last_switch).order_by("pk"))
        value = {
            "did": outcome.did,
            "changes": [
                {
                    "generation": change.generation_id,
                    "from": change.from_state or None,
                    "to": change.to_state,
                    "at": utc(change.at),
                    "why": change.why,
                }
                for change in changes
            ],
            "switches": [switch_value(switch) for switch in switches],
        }
        if outcome.publish_failure:
            raise Failed(
                _("The certificates can't be put on the file system: %(error)s. It is tried again every minute.")
                % {"error": outcome.publish_failure},
                code="publishing",
                value=value,
            )
        said = [
            _("Generation %(number)s: %(state)s. %(why)s")
            % {
                "number": change.generation_id,
                "state": change.get_to_state_display(),
                "why": words.transition(change),
            }
            for change in changes
        ]
        if not said:
            said = [_("The published files were put right.") if outcome.did else _("Nothing was due.")]
        return Report("\n".join(said), value)
