"""What the first heartbeat after a restore tells (rule restore-told)."""

import json
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from certificates.renewal import deciding
from certificates.renewal.situation import Situation
from pbxcerts.system import events
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity

NOTE = "restored.json"

RESTORED = EventKind(
    "restored",
    Severity.SERIOUS,
    _(
        "This installation was restored on %(restored_at)s from its backup of %(made_at)s. What happened in between is lost: settings,"
        " users, terminals, confirmations, event messages."
    ),
    hint=_(
        "Check System / General, the users and the terminals. Whether the communication server still serves what this database"
        " knows, the page “Self-signed certificates” says."
    ),
    cause=_("A person has restored a backup."),
    consequence=_(
        "Calls go on. What was changed since the backup is missing, and terminals that were added get no new certificates."
    ),
    instants=("restored_at", "made_at"),
)


def is_to_be_told() -> bool:
    """Whether there was a restore that no heartbeat has told yet."""
    return _note().exists()


def _note() -> Path:
    return Path(settings.DATA) / "run" / NOTE


def tell_once(situation: Situation) -> None:
    """Tell that there was a restore; where the store was put back by it, also whether the communication server presents what the
    database does not know: then there may be a newer backup.
    """
    note = _note()
    try:
        content = note.read_bytes()
    except OSError:
        return
    try:
        values = json.loads(content)
        params = {name: datetime.fromisoformat(values[name]).isoformat() for name in ("restored_at", "made_at")}
        put_back = bool(values["store"])
    except (ValueError, KeyError, TypeError):
        note.unlink(missing_ok=True)
        return
    events.tell(Notice(RESTORED, subject=params["restored_at"], params=params), now=situation.clock.machine)
    if put_back:
        deciding.tell_of_unknown_certificates(situation)
    note.unlink(missing_ok=True)
