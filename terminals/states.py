"""Where the delivery of one generation to one terminal stands, and whose turn it is: the words of the whole app."""

import enum


class DeliveryState(enum.StrEnum):
    """Where the delivery of one generation to one terminal stands."""

    WAITING = "waiting"
    """Nothing is under way: not asked yet, or asked again at a set time."""
    ASKED = "asked"
    """Claimed; a NOTIFY is under way."""
    HEARD = "heard"
    """It answered 200; that it has done anything is not known."""
    FETCHED = "fetched"
    """It took its configuration after it was asked, or has reported and not proved yet."""
    UNPROVED = "unproved"
    """Its trust file was fetched, and nothing shows that it was the terminal who did; it is asked in its turn (rule unproved)."""
    DOWNLOADED = "downloaded"
    """A person opened its personal link."""
    CONFIRMED = "confirmed"
    ABSENT = "absent"
    FAILED = "failed"
    SKIPPED = "skipped"
    FULL = "full"
    """It is told no further trust anchor, as its list is full or nobody has seen that it is emptied (rules full-list, emptied-list)."""


CLAIMABLE = frozenset({DeliveryState.WAITING, DeliveryState.ABSENT, DeliveryState.UNPROVED})
"""The terminal may be asked."""
NOT_ASKED_YET = frozenset({DeliveryState.WAITING, DeliveryState.UNPROVED})
"""Of one that was never put off: it was not asked yet."""
IN_FLIGHT = frozenset({DeliveryState.ASKED, DeliveryState.HEARD, DeliveryState.FETCHED})
"""The terminal was asked, and has neither confirmed nor failed yet."""
UNDER_WAY = IN_FLIGHT | NOT_ASKED_YET
PASSED_OVER = frozenset({DeliveryState.SKIPPED, DeliveryState.FULL})
"""The rollout asks them nothing, so they say nothing of how it goes."""
SETTLED = frozenset({DeliveryState.CONFIRMED, DeliveryState.SKIPPED})
"""Nothing is left to do at the terminal."""
UNSETTLED = frozenset(DeliveryState) - SETTLED


class Wave(enum.IntEnum):
    """Whose turn it is in a rollout."""

    BY_HAND = 0
    """The work list; no wave at all."""
    FIRST = 1
    """One terminal of each model."""
    SECOND = 2
    THIRD = 3
    REST = 4
    """Everybody else; with waves off everybody."""
