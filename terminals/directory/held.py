"""What a telephone that takes its trust anchors in turn has taken, and for how many more it has room (rule anchors-in-turn)."""

from collections.abc import Sequence
from dataclasses import dataclass

from terminals.models import Requester, Terminal


@dataclass(frozen=True)
class Held:
    """`numbers`: the generations whose trust anchors it has taken since it began anew, in this order; `most`: how many it can hold."""

    numbers: Sequence[int]
    most: int

    @property
    def left(self) -> int:
        """How many renewals it has room for. What a person has put in beside them is not known here."""
        return max(self.most - len(self.numbers), 0)


def held_by(terminal: Terminal) -> Held | None:
    """By what took the last one in its name, or began anew; None where nothing was taken in turn, or no limit is known."""
    most = terminal.type.driver.capabilities.holds
    last = Requester.objects.filter(terminal=terminal, change__gt=0).order_by("-change").first()
    return Held(last.holds, most) if last is not None and most is not None else None
