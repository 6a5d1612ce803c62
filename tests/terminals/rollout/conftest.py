"""A rollout begins with a renewal, and its pauses cost no time."""

from datetime import timedelta
from functools import partial

import pytest

from tests.support.generations import DAY


@pytest.fixture(autouse=True)
def _looks_seldom(seldom_looks):
    """Every simulated round does."""


@pytest.fixture
def renew(fleet, world):
    """A day later at T, 02:00 in Zurich, a new pair is prepared: `renew()`; or at another time of that day."""

    def renewed(at=timedelta(), **options):
        world.once(f"renewed {at} {options}", partial(world.after(DAY + at).generate, **options))
        return fleet.beat()

    return renewed
