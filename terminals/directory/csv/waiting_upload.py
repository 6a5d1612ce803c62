"""The CSV file between its preview and its import.

It stays here, one for each person, at most as large as `csv_files` allows, for an hour. A form that had it uploaded twice
would need a person to choose the same file again, which no browser does for them; in a session every page would load it;
in a hidden field its passwords would lie in the page. It is encrypted with the key list, because it may hold SIP
passwords, and deleted when it is imported or given up; what is too old, at the next look at any.
"""

from datetime import datetime, timedelta

from pbxcerts.system import sealing
from pbxcerts.system.models import User
from pbxcerts.system.sealing import SealingKeyLost
from pbxcerts.system.time.clock import STILL_NOW
from terminals.directory.models import ImportFile

KEPT_FOR = timedelta(hours=1)


def keep(user: User, content: bytes, *, now: datetime) -> None:
    """Keep the file of a user, in place of the one before. Raises SealingError."""
    sealed = sealing.seal(content)
    _drop_old(now)
    ImportFile.objects.update_or_create(user=user, defaults={"content": sealed, "uploaded_at": now})


def kept(user: User, *, now: datetime) -> bytes | None:
    """The file that is kept for a user; None where there is none any more. Raises SealingError."""
    _drop_old(now)
    row = ImportFile.objects.filter(user=user).first()
    try:
        return sealing.unseal(row.content, sealing.cipher()) if row else None
    except SealingKeyLost:
        # The key list was replaced in this hour: choose the file again.
        return None


def _drop_old(now: datetime) -> None:
    """Delete the files that are too old, of every user: some never come back to theirs. So is one from a time that lies ahead,
    or a clock that ran ahead would keep it for years (rule written-ahead).
    """
    ImportFile.objects.exclude(uploaded_at__range=(now - KEPT_FOR, now + STILL_NOW)).delete()


def give_up(user: User) -> None:
    ImportFile.objects.filter(user=user).delete()
