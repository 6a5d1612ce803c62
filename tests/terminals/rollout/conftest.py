"""A rollout begins with a renewal."""

from datetime import timedelta

import pytest

from tests.support.generations import DAY


@pytest.fixture
def renew(fleet, world):
    """A day later at T, 02:00 in Zurich, a new pair is prepared: `renew()`; or at another time of that day."""

    def renewed(at=timedelta(), **options):
        world.after(DAY + at).generate(**options)
        return fleet.beat()

    return renewed
