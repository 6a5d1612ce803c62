"""The client's side of a transaction that is no INVITE (RFC 3261 section 17.1.2). Pure: the time, in seconds, is an argument
(rule notify-transaction).
"""

import enum

T1 = 0.5
T2 = 4.0
T4 = 5.0
TIMER_F = 64 * T1


class TransactionState(enum.Enum):
    TRYING = enum.auto()
    PROCEEDING = enum.auto()
    COMPLETED = enum.auto()
    """A final response has come; its retransmissions are absorbed."""
    TERMINATED = enum.auto()


class TransactionAction(enum.Enum):
    """What an event asks of the owner of the transaction."""

    NOTHING = enum.auto()
    SEND_AGAIN = enum.auto()
    TAKE_RESPONSE = enum.auto()
    GIVE_UP = enum.auto()
    """Timer F: no final response within 32 s."""


class ClientTransaction:
    """Begins with the request being sent at `now`. `due` is when `wake` is to be called next; None after the end.
    `is_open`: a final response may still come.

    `reliable`: TCP and TLS, which repeat by themselves: timer E never runs and timer K is zero. `given_up_at`: when timer F of an
    earlier transaction for the same request fires, whose place this one takes.
    """

    __slots__ = ("_interval", "_reliable", "due", "given_up_at", "is_open", "state")

    def __init__(self, now: float, *, reliable: bool, given_up_at: float | None = None) -> None:
        self._reliable = reliable
        self.given_up_at = now + TIMER_F if given_up_at is None else given_up_at
        self._interval = T1
        self.state = TransactionState.TRYING
        self.is_open = True
        self.due: float | None = self.given_up_at if reliable else now + T1

    def wake(self, now: float) -> TransactionAction:
        if self.due is None or now < self.due:
            return TransactionAction.NOTHING
        if self.state is TransactionState.COMPLETED:
            self.end()
            return TransactionAction.NOTHING
        if now >= self.given_up_at:
            self.end()
            return TransactionAction.GIVE_UP
        self._interval = T2 if self.state is TransactionState.PROCEEDING else min(2 * self._interval, T2)
        self.due = min(now + self._interval, self.given_up_at)
        return TransactionAction.SEND_AGAIN

    def receive(self, status: int, now: float) -> TransactionAction:
        if not self.is_open:
            return TransactionAction.NOTHING
        if status < 200:
            self.state = TransactionState.PROCEEDING
            return TransactionAction.NOTHING
        if self._reliable:
            self.end()
        else:
            self.state, self.is_open, self.due = TransactionState.COMPLETED, False, now + T4  # timer K
        return TransactionAction.TAKE_RESPONSE

    def end(self) -> None:
        """No response is awaited any more: the transport has failed, or the transaction is over."""
        self.state, self.is_open, self.due = TransactionState.TERMINATED, False, None
