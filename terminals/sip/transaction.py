"""The client's side of a transaction that is no INVITE (RFC 3261 section 17.1.2). Pure: the time is an argument, in seconds."""

from __future__ import annotations

import enum

T1 = 0.5
T2 = 4.0
T4 = 5.0
TIMER_F = 64 * T1


class State(enum.Enum):
    TRYING = enum.auto()
    PROCEEDING = enum.auto()
    COMPLETED = enum.auto()
    """A final answer has come; its repetitions are absorbed."""
    TERMINATED = enum.auto()


class Do(enum.Enum):
    """What an event asks of the owner of the transaction."""

    NOTHING = enum.auto()
    SEND_AGAIN = enum.auto()
    TAKE_ANSWER = enum.auto()
    GIVE_UP = enum.auto()
    """Timer F: no final answer within 32 s."""


class Transaction:
    """Begins with the request being sent at `now`. `due` is when `wake` is to be called next; None after the end.
    `is_open`: a final answer may still come.

    `reliable`: TCP and TLS, which repeat by themselves: timer E never runs and timer K is zero.
    """

    __slots__ = ("_given_up_at", "_interval", "_reliable", "due", "is_open", "state")

    def __init__(self, now: float, *, reliable: bool) -> None:
        self._reliable = reliable
        self._given_up_at = now + TIMER_F
        self._interval = T1
        self.state = State.TRYING
        self.is_open = True
        self.due: float | None = self._given_up_at if reliable else now + T1

    def wake(self, now: float) -> Do:
        if self.due is None or now < self.due:
            return Do.NOTHING
        if self.state is State.COMPLETED:
            self.end()
            return Do.NOTHING
        if now >= self._given_up_at:
            self.end()
            return Do.GIVE_UP
        self._interval = T2 if self.state is State.PROCEEDING else min(2 * self._interval, T2)
        self.due = min(now + self._interval, self._given_up_at)
        return Do.SEND_AGAIN

    def receive(self, status: int, now: float) -> Do:
        if not self.is_open:
            return Do.NOTHING
        if status < 200:
            self.state = State.PROCEEDING
            return Do.NOTHING
        if self._reliable:
            self.end()
        else:
            self.state, self.is_open, self.due = State.COMPLETED, False, now + T4  # timer K
        return Do.TAKE_ANSWER

    def end(self) -> None:
        """No answer is awaited any more: the transport has failed, or it is over."""
        self.state, self.is_open, self.due = State.TERMINATED, False, None
