"""When the next round is. Pure: chance is an argument, a number in [0, 1)."""

EVERY = 3600.0
"""Seconds between two rounds that nobody asked for."""
JITTER = 0.1
"""The part of that time by which rounds of telephones that started together drift apart."""
FIRST_BACK_OFF = 30.0
MOST_BACK_OFF = 3600.0
MOST_REGISTRATION_BACK_OFF = 1800.0
DRIFT = 10.0
"""Seconds within which telephones come back that lost their connections in the same moment."""
BETWEEN_ASKED = 10.0
"""Seconds between two rounds that NOTIFYs ask for: a flood of them costs no more than this."""


def after_success(chance: float, every: float = EVERY) -> float:
    """Seconds to wait."""
    return every * (1 + JITTER * chance)


def after_failures(failures: int, chance: float, every: float = EVERY) -> float:
    """Seconds to wait after so many failures in a row: between half and all of 30 s, doubled each time (RFC 5626 section 4.5)."""
    longest = min(MOST_BACK_OFF, every, FIRST_BACK_OFF * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + 0.5 * chance)


def until_registering(failures: int, chance: float) -> float:
    """Seconds to wait after a registration that was lost, or that could not be made after so many failures in a row.

    The first is tried again soon, then as RFC 5626 section 4.5 has it: between half and all of 60 s, doubled each time.
    """
    if not failures:
        return DRIFT * chance
    return min(MOST_REGISTRATION_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(failures, 16)) * (0.5 + 0.5 * chance)
