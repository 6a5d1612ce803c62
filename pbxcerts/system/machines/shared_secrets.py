"""What every machine of an installation must have alike: the secret key and the key list (rule same-secrets).

Fingerprints of them stand in the database, never they themselves: HMAC-SHA-256 (RFC 2104) of a fixed text, keyed by the secret, from
which a random key can't be worked out.
"""

import enum
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from pbxcerts.system import sealing
from pbxcerts.system.sealing import SealingError


class Difference(enum.StrEnum):
    """What one machine has otherwise than the one that publishes."""

    SECRET_KEY = "secret_key"  # noqa: S105 - which one it is
    KEY_LIST = "key_list"
    """It shares no key, so neither can read what the other seals."""
    KEY_MISSING = "key_missing"
    """It lacks the key that the publisher seals with: a new one that has not come here yet."""
    KEY_UNKNOWN = "key_unknown"
    """It seals with a key that the publisher lacks."""

    @property
    def refuses(self) -> bool:
        """Whether the machine may not work. While a new key is brought to one machine after another, those that share one do."""
        return self in {Difference.SECRET_KEY, Difference.KEY_LIST}


def fingerprints() -> dict[str, Any]:
    """Of this process. `keys`: of the list, in its order; empty where it can't be read."""
    try:
        keys = sealing.key_fingerprints(_fingerprint)
    except SealingError:
        keys = []
    return {"secret_key": _fingerprint(settings.SECRET_KEY.encode()), "keys": keys}


def difference(own: Mapping[str, Any], publisher: Mapping[str, Any]) -> Difference | None:
    """What `own` has otherwise; None where nothing is, or where nothing is known of the publisher's."""
    if not publisher:
        return None
    if own["secret_key"] != publisher["secret_key"]:
        return Difference.SECRET_KEY
    ours, theirs = own["keys"], publisher["keys"]
    if not theirs:
        # It can't read its list now, which it says itself.
        return None
    if not {*ours} & {*theirs}:
        return Difference.KEY_LIST
    if theirs[0] not in ours:
        return Difference.KEY_MISSING
    return Difference.KEY_UNKNOWN if ours[0] not in theirs else None


def _fingerprint(secret: bytes) -> str:
    return hmac.new(secret, b"pbxcerts: the same on every machine", hashlib.sha256).hexdigest()
