"""`heartbeat`: one round of reconciling, as the worker does it every minute."""

from typing import Any

from django.utils.translation import gettext as _

from certificates.models import Switch, Transition
from certificates.status import words
from certificates.status.as_json import switch_value
from pbxcerts.heartbeat import beat
from pbxcerts.system.commands import CommandFailed, CommandReport, OperatorCommand
from pbxcerts.system.models import General
from pbxcerts.system.time.time_words import utc


class Command(OperatorCommand):
    help = "One round of “is anything due?”: clock, generation, handover, rollout, warnings. Tells what was done."

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        last_transition, last_switch = Transition.objects.newest_pk(), Switch.objects.newest_pk()
        outcome = beat()
        changes = list(Transition.objects.since(last_transition))
        switches = list(Switch.objects.since(last_switch))
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
            raise CommandFailed(
                _(
                    "The certificates can't be put on the file system; it is tried again every minute. The system's words: “%(error)s”"
                )
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
        return CommandReport("\n".join(said), value)
