"""`publish`: write once more to the file system what the database holds."""

import time
from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from certificates.communication_server.errors import StoreBusy, StoreError
from certificates.management.orders import OrderCommand, publishes_here, refusals
from certificates.models import StoreDecision
from certificates.renewal import deciding, rounds
from certificates.renewal.situation import Situation, load_situation
from certificates.status.as_json import published_value
from certificates.status.observing import communication_server, observe
from pbxcerts.system.commands import CommandFailed, CommandReport, NotNow, os_user
from pbxcerts.system.models import General, Heartbeat
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping


class Command(OrderCommand):
    help = "Puts on the file system once more what the database holds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from-database",
            action="store_true",
            help="also where this database does not know what is served: replace it, and delete what is known nowhere else",
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        if not publishes_here():
            raise NotNow(_("Another machine publishes: run this command there."), code="elsewhere")
        server = communication_server()
        lost = self._replace() if options["from_database"] else []
        try:
            with refusals():
                situation = self._publish()
        except (StoreError, SealingError) as error:
            raise CommandFailed(
                _("The certificates can't be put on the file system. The system's words: “%(error)s”")
                % {"error": error},
                code="publishing",
            ) from error
        seen = observe(situation, Heartbeat.load())
        value = {"published": published_value(situation, seen, served=server.store.current), "lost": lost}
        if seen.lost_keys:
            raise CommandFailed(
                _(
                    "The host key of generation %(numbers)s can't be decrypted, so nobody knows whether its files are as they should be: "
                    "a key is missing in the key list. What is published was left as it is."
                )
                % {"numbers": ", ".join(map(str, seen.lost_keys))},
                code="key_lost",
                value=value,
            )
        said = [_("Lost for good are the host keys of: %(lost)s.") % {"lost": ", ".join(lost)}] if lost else []
        if situation.active is None and situation.pending is None:
            said.append(_("There is no pair yet, so there is nothing to publish."))
        else:
            said.append(
                _("The files in %(directory)s are as the database says; generation %(number)s is served.")
                % {"directory": server.store.path, "number": server.store.current}
            )
        return CommandReport(" ".join(said), value)

    def _replace(self) -> list[str]:
        """Replace what this database does not know. Returns the directories whose host keys are deleted by that."""
        situation = load_situation()
        if not situation.standing.rests:
            return []
        lost = deciding.lost_by_publishing(situation) if situation.active is not None else []
        with refusals():
            deciding.order_decision(timekeeping.current_clock(), StoreDecision.Decision.FROM_DATABASE, by=os_user())
        self.settle(lambda: not load_situation().standing.rests)
        return lost

    def _publish(self) -> Situation:
        until = time.monotonic() + self.patience.total_seconds()
        while True:
            try:
                return rounds.publish(timekeeping.current_clock(), communication_server())
            except StoreBusy:
                if time.monotonic() >= until:
                    raise
            time.sleep(self.pause.total_seconds())
