"""What a final status means for the rollout (rule reactions)."""

import re
from datetime import timedelta

from terminals.drivers.base import Reaction

REACTION_BY_STATUS = {
    200: Reaction.HEARD,
    202: Reaction.HEARD,
    401: Reaction.CREDENTIALS,
    403: Reaction.REFUSED,
    404: Reaction.ABSENT,
    405: Reaction.NOT_SUPPORTED,
    407: Reaction.CREDENTIALS,
    408: Reaction.ABSENT,
    410: Reaction.ABSENT,
    430: Reaction.ABSENT,  # RFC 5626 section 11.5: the connection to the phone has failed
    477: Reaction.ABSENT,  # Kamailio's number for the same
    480: Reaction.ABSENT,
    481: Reaction.NOT_SUPPORTED,
    482: Reaction.NOT_SUPPORTED,
    486: Reaction.BUSY,
    489: Reaction.NOT_SUPPORTED,
    491: Reaction.BUSY,
    500: Reaction.OVERLOADED,
    501: Reaction.NOT_SUPPORTED,
    503: Reaction.OVERLOADED,
    600: Reaction.BUSY,
    603: Reaction.REFUSED,
}
"""481, 482 and 489 are what RFC 6665 asks of a phone that knows no NOTIFY without a subscription.

401 and 407 mean this only if they come again after their challenge was answered.
"""

LONGEST_RETRY = timedelta(days=1)

_SECONDS = re.compile(r"\s*([0-9]{1,10})(?![0-9])")


def reaction_to(status: int) -> Reaction:
    return REACTION_BY_STATUS.get(status, Reaction.OTHER)


def read_retry_after(value: str) -> timedelta | None:
    """RFC 3261 section 20.33: seconds, and perhaps a comment or parameters after them. At most a day."""
    seconds = _SECONDS.match(value)
    return min(timedelta(seconds=int(seconds[1])), LONGEST_RETRY) if seconds else None
