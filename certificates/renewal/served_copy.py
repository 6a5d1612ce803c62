"""The pairs for the listeners of a machine that has no store, because another one publishes (rule served-copy)."""

import shutil
from pathlib import Path

from django.conf import settings

from certificates.communication_server.store import Store
from certificates.renewal.situation import load_situation
from pbxcerts.system.machines import other_machines


def served_from() -> Path:
    """The directory whose links the listeners of this machine follow: the store, or our own copy of what it holds."""
    return settings.STORE if other_machines.publishes_elsewhere() is None else _copy()


def keep_served_copy() -> None:
    """Make the copy as the database says, which both machines share; where this one publishes there is none. Raises StoreError,
    SealingError or DatabaseError.
    """
    if other_machines.publishes_elsewhere() is None:
        shutil.rmtree(_copy(), ignore_errors=True)
        return
    if other_machines.refuses_us():
        return
    situation = load_situation()
    if situation.standing.rests:
        return
    wanted = situation.publication()
    if wanted.pairs:
        copy = Store(_copy())
        with copy.locked():
            copy.publish(wanted)


def _copy() -> Path:
    return Path(settings.DATA) / "run" / "served"
