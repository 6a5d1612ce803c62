"""When the next round is."""

from hypothesis import given
from hypothesis import strategies as st

from terminals.agent import schedule

CHANCE = st.floats(0, 1, exclude_max=True)


@given(CHANCE)
def test_telephones_that_started_together_drift_apart_within_six_minutes_an_hour(chance):
    assert 3600 <= schedule.after_success(chance) < 3961


@given(CHANCE, st.integers(1, 10_000))
def test_after_failures_it_waits_between_half_and_all_of_the_time_and_never_more_than_an_hour(
    failures_chance, failures
):
    wait = schedule.after_failures(failures, failures_chance)
    longest = min(3600, 30 * 2 ** (failures - 1))
    assert longest / 2 <= wait <= longest


def test_it_never_waits_longer_than_between_rounds_that_went_well():
    assert schedule.after_failures(20, 0.99, every=60) <= 60
