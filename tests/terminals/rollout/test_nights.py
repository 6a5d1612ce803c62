"""How many telephones restart in which night, before they do."""

from datetime import timedelta

import pytest

from terminals.models import DeliverySettings
from terminals.rollout.nights import NIGHTS_AT_MOST, nights_of_restarts
from tests.certificates.conftest import running, world

__all__ = ["running", "world"]


@pytest.fixture
def nights(running):
    """The windows open at 02:00 for four hours; 80 rounds of three minutes fit in one, of 20 telephones each."""
    situation = running.situation
    begin = situation.settings.schedule.first_from(situation.clock.best)

    def nights(count, **settings):
        DeliverySettings.load()
        DeliverySettings.objects.update(**{"window_hours": 4, "at_once": 20, "waves": True} | settings)
        return begin, nights_of_restarts(situation, count, begin=begin)

    return nights


def test_where_no_telephone_restarts_there_is_no_night(nights):
    assert nights(0)[1] == ()


def test_what_fits_in_one_night_is_told_with_its_beginning(nights):
    begin, found = nights(50)
    assert found == ((begin, 50),)


def test_what_does_not_fit_goes_on_in_the_next_night(nights):
    """The first three waves take a round each of the first night."""
    begin, found = nights(2000)
    assert [count for _at, count in found] == [77 * 20, 2000 - 77 * 20]
    assert found[1][0] - begin == timedelta(days=1)


def test_without_waves_the_first_night_has_room_for_more(nights):
    assert [count for _at, count in nights(1600, waves=False)[1]] == [1600]


def test_none_is_left_out_however_many_there_are(nights):
    _begin, found = nights(100_000, at_once=1, window_hours=1)
    assert sum(count for _at, count in found) == 100_000
    assert len(found) == NIGHTS_AT_MOST
