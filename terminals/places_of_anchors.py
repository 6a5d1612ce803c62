"""Which of its numbered places a telephone keeps a pair's trust anchor in (rule places-of-anchors)."""

from collections.abc import Collection


def place_of(number: int, served: Collection[int], count: int) -> int:
    """From 0 on, of so many places. `served`: the numbers of all pairs that ever were."""
    return sum(one < number for one in served) % count
