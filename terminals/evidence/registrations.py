"""What the communication server says of each number, as a proof by call has asked it (rule ladder)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pbxcerts.system.time.clock import Clock
from terminals.batches import execute, in_batches, updates
from terminals.models import Installation

SHOWN_STANDS = "(t.registered_since IS NULL OR v.registered_since IS NOT NULL)"
WHOLE_SECONDS = timedelta(seconds=1)
"""As it tells its times."""


def registered(since: Mapping[str, datetime | None], generation: int, clock: Clock, now: datetime) -> None:
    """These numbers were registered `now`. `since`: when the TLS connection was made, None where it shows nothing of this
    generation. What was shown once stands, whatever is said later.

    A connection of the telephone that had this place before shows nothing (rule another-telephone); a row of it that is forgotten
    meanwhile is another one when it is made anew.
    """
    ahead = clock.best - clock.machine
    for numbers in in_batches(sorted(since)):
        rows = Installation.objects.of(generation).filter(terminal__number__in=numbers).order_by("pk")
        said = [
            {"id": key, "registered_at": now, "registered_since": made}
            for key, number, replaced_at in rows.values_list("pk", "terminal__number", "terminal__replaced_at")
            if (made := since[number]) is None or replaced_at is None or made - ahead >= replaced_at + WHOLE_SECONDS
        ]
        execute(updates(Installation, said, match=["id"], where=SHOWN_STANDS))
