"""`machines`: the machines of this installation, and which one publishes."""

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from pbxcerts.system.commands import CommandReport, NotNow, OperatorCommand, WrongUse, aligned, local
from pbxcerts.system.machines import publisher
from pbxcerts.system.machines.machine_state import MachineState, states
from pbxcerts.system.machines.publisher import TakeOverRefused
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc


class Command(OperatorCommand):
    help = "Shows the machines of this installation; lets one publish in the place of one that is silent; forgets one that is gone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        orders = parser.add_subparsers(dest="order", required=True, metavar="ORDER")
        listing = orders.add_parser("list", help="all of them, and how they are")
        taking_over = orders.add_parser("take-over", help="let one publish from now on")
        removing = orders.add_parser("remove", help="forget one that is gone for good")
        for one in (taking_over, removing):
            one.add_argument("machine", help="its name, or the beginning of its key")
        for one in (listing, taking_over, removing):
            one.add_argument("--json", action="store_true", dest="json_behind", help="one JSON object on stdout")

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        options["as_json"] = options["as_json"] or options.get("json_behind", False)
        found = Machines.load(timekeeping.read_machine())
        if options["order"] == "list":
            return CommandReport(as_text(states(found)), {"machines": as_json(states(found))})
        chosen = _chosen(options["machine"], states(found))
        try:
            if options["order"] == "take-over":
                publisher.take_over(chosen.key, found)
                said = _("%(machine)s publishes from its next heartbeat on, within a minute.")
            else:
                publisher.forget(chosen.key, found)
                said = _("%(machine)s has been removed.")
        except TakeOverRefused as refusal:
            raise NotNow(str(refusal), code="machine") from refusal
        return CommandReport(said % {"machine": chosen.label}, {"machine": chosen.key})


def _chosen(text: str, known: list[MachineState]) -> MachineState:
    """Raises WrongUse where it is none, or several."""
    fitting = [one for one in known if text in {one.label, one.label.partition(" ")[0]} or one.key.startswith(text)]
    if len(fitting) != 1:
        raise WrongUse(
            _("There is no machine “%(text)s”, or more than one: see “machines list”.") % {"text": text}, code="value"
        )
    return fitting[0]


def as_json(known: list[MachineState]) -> list[dict[str, Any]]:
    """For `status` too."""
    return [
        {
            "key": one.key,
            "name": one.label,
            "version": one.version,
            "this_machine": one.is_own,
            "worker": one.works,
            "web": one.serves,
            "publishes": one.publishes,
            "last_heartbeat": utc(one.last_run),
            "silent_for_seconds": None if one.silence is None else round(one.silence.total_seconds()),
            "warnings": [{"id": warning.id, "severity": warning.severity.value} for warning in one.warnings],
        }
        for one in known
    ]


def as_text(known: list[MachineState]) -> str:
    header = (_("Machine"), _("Runs"), _("Version"), _("Last heartbeat"), _("State"))
    return aligned(
        [header, *((one.label, one.roles, one.version, local(one.last_run), _in_words(one)) for one in known)]
    )


def _in_words(one: MachineState) -> str:
    words = [
        *([_("publishes")] if one.publishes else []),
        *([_("this machine")] if one.is_own else []),
        *([_("silent for %(span)s") % {"span": one.silence_text}] if one.is_silent else []),
        *(warning.text for warning in one.warnings),
    ]
    return "; ".join(words)
