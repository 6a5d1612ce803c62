"""Calls that are tried one after the other while something else goes on, and what became of them."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, permutations

from tests.support.telephony.programs import DEADLINE, LAST_WORDS

RINGS_FOR = 10
BETWEEN_CALLS = 0.1


@dataclass
class Calls:
    """`telephones` by number call each other in turn; `talking` are two in a call that is to stay.

    `made` and `failed` are the pairs of numbers of the calls that were tried. `apart` are those that failed while one of the two
    restarted itself, each with when it began and ended by the monotonic clock. `dropped`: when the call that was to stay was
    found to be over. `logs`: how the logs of the two ended when a call had failed.
    """

    telephones: dict
    talking: tuple
    made: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    apart: list = field(default_factory=list)
    dropped: list = field(default_factory=list)
    logs: list = field(default_factory=list)

    def __post_init__(self):
        self._turns = cycle(list(permutations(self.telephones, 2)))

    def until(self, condition, *, what):
        """Try calls until the condition is true, at least one; returns its value."""
        end = time.monotonic() + DEADLINE
        while True:
            self.one()
            if value := condition():
                return value
            assert time.monotonic() < end, f"not in {DEADLINE} s: {what}; failed: {self.failed}"

    def everybody(self):
        """Try each pair once."""
        for _pair in permutations(self.telephones, 2):
            self.one()

    def one(self):
        if not all(telephone.in_call() for telephone in self.talking):
            self.dropped.append(time.monotonic())
        began = time.monotonic()
        pair = next(self._turns)
        caller, called = (self.telephones[number] for number in pair)
        before = [(one.is_restarting, one.restarts) for one in (caller, called)]
        arrived = self._connected(caller, called, pair[1])
        restarted = before != [(False, one.restarts) for one in (caller, called)]
        if arrived:
            self.made.append(pair)
        elif restarted:
            self.apart.append((pair, began, time.monotonic()))
        else:
            self.failed.append(pair)
            self.logs += [f"{one} at {time.strftime('%T')}: {one.log()[-LAST_WORDS:]}" for one in (caller, called)]
        time.sleep(BETWEEN_CALLS)

    def _connected(self, caller, called, number):
        """A telephone whose program is not there refuses the connection over which it is asked."""
        try:
            caller.dial(number)
            arrived = _within(lambda: (caller.in_call() and called.in_call()) or caller.is_idle()) and called.in_call()
        except OSError as error:
            self.logs.append(f"{time.strftime('%T')} {number}: {error}")
            arrived = False
        for telephone in (caller, called):
            with suppress(OSError):
                if not telephone.is_idle():
                    telephone.hang_up()
                _within(telephone.is_idle)
        return arrived


def _within(condition):
    end = time.monotonic() + RINGS_FOR
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value
