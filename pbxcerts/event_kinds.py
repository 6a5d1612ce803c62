"""Every kind of event message. Each has its texts beside the code that tells it; whoever shows messages imports this module, or an
administrator would read the id of one in place of its text.
"""

from certificates.renewal import adoption, deciding, lateness, switching
from certificates.status import warning_kinds
from pbxcerts.backup import restored
from pbxcerts.backup import warnings as backup_warnings
from pbxcerts.health import disk_warnings
from pbxcerts.panel import process_warnings
from pbxcerts.system import clock_acceptance
from pbxcerts.system.events import EventKind
from pbxcerts.system.machines import machine_warnings
from pbxcerts.system.models import Severity
from pbxcerts.system.notifications import warnings as notification_warnings
from terminals.checking import warnings as checking_warnings
from terminals.rollout import preflight
from terminals.rollout import warnings as rollout_warnings
from terminals.web import bootstrap, configuration_folder, provisioning

TOLD_BY = (
    *(adoption, deciding, lateness, switching, warning_kinds),
    *(preflight, rollout_warnings, checking_warnings, bootstrap, configuration_folder, provisioning),
    *(backup_warnings, restored, clock_acceptance, notification_warnings, process_warnings),
    *(disk_warnings, machine_warnings),
)
"""The modules that tell of something, in the order in which a reader looks for it."""


def every_kind() -> list[EventKind]:
    """The worst first, and of these in the order of `TOLD_BY`."""
    order = [Severity.CRITICAL, Severity.SERIOUS, Severity.NORMAL]
    return sorted(EventKind.known.values(), key=lambda kind: order.index(kind.severity))
