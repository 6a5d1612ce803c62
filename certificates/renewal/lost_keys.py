"""A pair whose host key no key of the list decrypts: mended from the file system, or given up in time (rule key-lost)."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from certificates.communication_server.store import Store
from certificates.models import Generation, Switch
from certificates.pki import lifetime
from certificates.pki.errors import UnreadableError
from certificates.pki.keys import SecretPem, host_key_pem, load_host_key
from certificates.renewal import orders, states
from certificates.renewal.situation import Situation
from pbxcerts.system import sealing

Why = Switch.Why

LARGEST_KEY_FILE = 64 * 1024


def mend(situation: Situation, store: Store) -> bool:
    """Seal the lost host keys anew that still stand on the file system. Returns whether there was one. The caller holds the
    lock of the store. Raises SealingError where the list of keys can't be used.
    """
    mended = [pair for pair in situation.lost_pairs if _is_mended(pair, situation, store)]
    return bool(mended)


def _is_mended(pair: Generation, situation: Situation, store: Store) -> bool:
    key = _fitting_key(pair, store.path / f"generations/{pair.number:04d}" / "host.key")
    if key is None:
        return False
    as_found = Generation.objects.filter(number=pair.number, host_key=pair.host_key)
    if not as_found.update(host_key=sealing.seal(key.reveal())):
        return False
    states.remark(pair, now=situation.clock.best, by="", why="key_mended", reason="")
    return True


def _fitting_key(pair: Generation, place: Path) -> SecretPem | None:
    """The private key in this file, if it is that of the pair's host certificate."""
    with suppress(OSError, UnreadableError):
        # Whoever may write there is not to make us read another file, or wait for one.
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            key = load_host_key(SecretPem(file.read(LARGEST_KEY_FILE)))
        if key.public_key() == pair.host.public_key():
            return host_key_pem(key)
    return None


def give_up_if_in_the_way(pair: Generation, situation: Situation, why: Why | None) -> bool:
    """Discard the prepared or held pair whose key is lost, as soon as a switch to it could wait no longer, at the latest in
    the last hours of the active pair: the schedule then makes another. Returns whether it was discarded.

    `why`: why the server would be switched to it now. That all terminals have confirmed is no hurry: until the deadline the
    key may come back.
    """
    active = situation.active
    in_last_hours = active is not None and situation.clock.best >= active.plan.end - lifetime.last_hours(active.overlap)
    if why in {None, Why.CONFIRMED} and not in_last_hours:
        return False
    orders.discard_pair(pair, situation.clock, why="key_lost")
    return True
