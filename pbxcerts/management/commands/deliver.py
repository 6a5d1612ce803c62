"""`deliver`: send what is due to the destinations now, and end. The worker starts it where something is due."""

from typing import Any

from django.utils.translation import ngettext

import pbxcerts.event_kinds  # noqa: F401 - their texts are sent
from pbxcerts.system.commands import CommandReport, OperatorCommand
from pbxcerts.system.models import General
from pbxcerts.system.notifications import sending


class Command(OperatorCommand):
    help = "Sends what is due to the destinations of event messages. The worker does it by itself."
    writes = False

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        count = sending.deliver_due()
        said = ngettext("%(count)s message was delivered.", "%(count)s messages were delivered.", count)
        return CommandReport(said % {"count": count}, {"delivered": count})
