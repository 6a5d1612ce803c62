"""What a transport is given of a destination: values, no row, so that it runs in a thread without a database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pbxcerts.system.notifications.faults import Fault, NotificationError
from pbxcerts.system.notifications.models import Destination
from pbxcerts.system.sealing import SealedText


@dataclass(frozen=True)
class Target:
    """`limit`: seconds that one step of the network may take."""

    options: Mapping[str, Any]
    url: str
    secret: str
    limit: float

    @classmethod
    def of(cls, destination: Destination, *, limit: float) -> "Target":
        """Raises NotificationError where its credentials can't be decrypted."""
        for sealed in (destination.url, destination.secret):
            if isinstance(sealed, SealedText) and sealed.is_lost:
                raise NotificationError(Fault.KEY_LOST)
        return cls(destination.options, str(destination.url), str(destination.secret), limit)
