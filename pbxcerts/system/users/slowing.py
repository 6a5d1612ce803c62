"""How often a password may be tried: slower after failures, and never locked (rule slowed-never-locked).

It stands in the memory of the web process, of which there is one: so strangers write nothing into the database, and no
clock that somebody sets makes a wait longer or shorter.
"""

import logging
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import ngettext_lazy

WITHIN = 15 * 60
FREE = {"account": 10, "browser": 10, "address": 20}
"""How many failures within that time cost no wait."""
LONGEST_WAIT = 30
KEPT = 60
"""Seconds that a turn is kept for whoever was told to wait for it."""
MOST_IN_LINE = 20
MOST_REMEMBERED = 4096

logger = logging.getLogger(__name__)


class Slowed(ValidationError):
    """The password was not looked at: it may be tried again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            ngettext_lazy(
                "Too many passwords have been tried, so this one was not looked at. Try again in %(seconds)s second.",
                "Too many passwords have been tried, so this one was not looked at. Try again in %(seconds)s seconds.",
                "seconds",
            ),
            code="slowed",
            params={"seconds": seconds},
        )
        self.seconds = seconds


class Subject(NamedTuple):
    """Whose failures are counted: an `account` by its name, a known `browser`, an `address` or its network."""

    kind: str
    key: str


class _Tries:
    """The tries of one subject that failed, or whose end is not known yet."""

    def __init__(self, free: int) -> None:
        self._free = free
        # More would make no wait longer.
        self._at: deque[float] = deque(maxlen=free + LONGEST_WAIT.bit_length() + 1)
        self._turns: dict[str, float] = {}

    def wait(self, visitor: str, now: float) -> float:
        """Seconds until this visitor's turn, which is kept for them from now on; 0 or less if it has come."""
        while self._at and self._at[0] <= now - WITHIN:
            self._at.popleft()
        self._turns = {who: turn for who, turn in self._turns.items() if now < turn + KEPT}
        if len(self._at) < self._free:
            return 0
        if visitor not in self._turns:
            last = max([self._at[-1], *self._turns.values()])
            turn = last + min(2 ** (len(self._at) - self._free), LONGEST_WAIT)
            if turn <= now:
                return 0
            if len(self._turns) >= MOST_IN_LINE:
                return min(self._turns.values()) + KEPT - now
            self._turns[visitor] = turn
        return self._turns[visitor] - now

    def count(self, visitor: str, now: float) -> None:
        self._turns.pop(visitor, None)
        self._at.append(now)

    def take_back(self) -> None:
        if self._at:
            self._at.pop()

    @property
    def have_just_become_too_many(self) -> bool:
        return len(self._at) == self._free


class Throttle:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tries: OrderedDict[Subject, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def begin(self, subjects: Sequence[Subject], *, visitor: str, now: float) -> None:
        """Count a try at each of `subjects`, before it is known how it ends: else many at once would be free. `now` is of a
        clock that nobody sets. Raises Slowed, and then nothing is counted.
        """
        with self._lock:
            wait = max(self._tries[one].wait(visitor, now) if one in self._tries else 0 for one in subjects)
            if wait > 0:
                raise Slowed(math.ceil(wait))
            for one in subjects:
                self._of(one).count(visitor, now)

    def succeeded(self, subjects: Sequence[Subject]) -> None:
        """The password was right: an account or a browser begins anew, and an address keeps what failed there before."""
        with self._lock:
            for subject in subjects:
                if subject.kind == "address":
                    self._of(subject).take_back()
                else:
                    self._tries.pop(subject, None)

    def failed(self, subjects: Sequence[Subject]) -> None:
        with self._lock:
            slowed = [subject for subject in subjects if self._of(subject).have_just_become_too_many]
        for kind, key in slowed:
            logger.warning(
                "%s passwords for the %s %r were wrong within %s minutes: it is slowed from now on.",
                *(FREE[kind], kind, key, WITHIN // 60),
            )

    def forget(self, subject: Subject) -> None:
        with self._lock:
            self._tries.pop(subject, None)

    def _of(self, subject: Subject) -> _Tries:
        """Its tries, newly begun where there are none: then those that were counted longest ago go. One that is refused
        makes none, so that nobody is pushed out without a password being looked at.
        """
        tries = self._tries.setdefault(subject, _Tries(FREE[subject.kind]))
        self._tries.move_to_end(subject)
        if len(self._tries) > MOST_REMEMBERED:
            self._tries.popitem(last=False)
        return tries
