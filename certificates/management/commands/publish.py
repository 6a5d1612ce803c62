"""`publish`: put on the file system once more what the database holds."""

import time
from typing import Any

from django.utils.translation import gettext as _

from certificates import reconciling
from certificates.host_keys import HostKeyError
from certificates.management.orders import OrderCommand
from certificates.observing import communication_server, observe
from certificates.publishing import StoreBusy, StoreError
from certificates.situation import Situation
from certificates.status_value import published_value
from pbxcerts.system import timekeeping
from pbxcerts.system.commands import Failed, Report
from pbxcerts.system.models import General, Heartbeat


class Command(OrderCommand):
    help = "Puts on the file system once more what the database holds."

    def act(self, general: General, options: dict[str, Any]) -> Report:
        server = communication_server()
        try:
            situation = self._publish()
        except (StoreError, HostKeyError) as error:
            raise Failed(
                _("The certificates can't be put on the file system: %(error)s.") % {"error": error}, code="publishing"
            ) from error
        seen = observe(situation, Heartbeat.load())
        value = {"published": published_value(seen, served=server.store.current)}
        if situation.active is None and situation.pending is None:
            return Report(_("There is no pair yet, so there is nothing to publish."), value)
        return Report(
            _("The files in %(directory)s are as the database says; generation %(number)s is served.")
            % {"directory": server.store.path, "number": server.store.current},
            value,
        )

    def _publish(self) -> Situation:
        until = time.monotonic() + self.patience.total_seconds()
        while True:
            try:
                return reconciling.publish(timekeeping.current_clock(), communication_server())
            except StoreBusy:
                if time.monotonic() >= until:
                    raise
            time.sleep(self.pause.total_seconds())
