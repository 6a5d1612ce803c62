"""Who is asked when: waves, when to stop, the hours of restarts, when to ask again
(rules waves, first-wave, stop-rule, restart-window, absent).
"""

from collections import Counter
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.pki.schedule import Schedule
from terminals.models import Installation
from terminals.rollout.waves import (
    Newcomer,
    StopLimits,
    TerminalGroup,
    WaveSizes,
    assign_waves,
    back_off,
    models_to_replace,
    next_restarts,
    open_waves,
    restarts_until,
    stops,
)
from terminals.states import DeliveryState, Wave
from tests.support.generations import DAY, HOUR, SECOND, START, utc

MITEL, AGENT = "mitel_sip", "ip_system"


def newcomers(count, *, model=1, automatic=True, start=0):
    return [Newcomer(start + n, model, automatic=automatic) for n in range(count)]


def groups(*kinds, method=MITEL, model=1):
    return [TerminalGroup(method, model, wave, state, count) for wave, state, count in kinds]


# -- waves -------------------------------------------------------------------------------------------------------------


def test_the_words_of_the_models_are_those_of_the_pure_core():
    assert {state.value for state in DeliveryState} == set(Installation.State.values)
    assert {wave.value for wave in Wave} == set(Installation.Waves.values)


def test_first_one_of_each_model_then_5_percent_then_25_then_the_rest():
    fleet = newcomers(60, model=1) + newcomers(40, model=2, start=60)
    assigned = assign_waves(fleet, WaveSizes())
    assert Counter(assigned.values()) == {Wave.FIRST: 2, Wave.SECOND: 5, Wave.THIRD: 25, Wave.REST: 68}
    assert len({one.model for one in fleet if assigned[one.id] == Wave.FIRST}) == 2


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, {Wave.FIRST: 1}),
        (2, {Wave.FIRST: 1, Wave.SECOND: 1}),
        (3, {Wave.FIRST: 1, Wave.SECOND: 1, Wave.THIRD: 1}),
        (10, {Wave.FIRST: 1, Wave.SECOND: 1, Wave.THIRD: 3, Wave.REST: 5}),
    ],
)
def test_a_small_fleet_has_small_waves(count, sizes):
    assert Counter(assign_waves(newcomers(count), WaveSizes()).values()) == sizes


def test_with_waves_off_there_is_one():
    assert set(assign_waves(newcomers(50), WaveSizes(waves=False)).values()) == {Wave.REST}


def test_terminals_that_need_a_hand_are_in_no_wave():
    assigned = assign_waves(newcomers(3, automatic=False) + newcomers(1, start=10), WaveSizes())
    assert [assigned[n] for n in range(3)] == [Wave.BY_HAND] * 3
    assert assigned[10] == Wave.FIRST


def test_the_first_of_a_model_is_the_one_seen_last():
    fleet = [
        Newcomer(1, 1, automatic=True),
        Newcomer(2, 1, automatic=True, seen=START),
        Newcomer(3, 1, automatic=True, seen=START - DAY),
    ]
    assert assign_waves(fleet, WaveSizes())[2] == Wave.FIRST


def test_a_newcomer_of_a_model_that_was_tried_is_among_the_rest_and_one_of_another_is_tried_first():
    assigned = assign_waves([Newcomer(1, 7, automatic=True), Newcomer(2, 8, automatic=True)], WaveSizes(), known={7})
    assert assigned == {1: Wave.REST, 2: Wave.FIRST}


def test_a_wave_is_no_department():
    second = sorted(
        key for key, wave in assign_waves(newcomers(1000), WaveSizes(), seed=3).items() if wave == Wave.SECOND
    )
    assert second != list(range(second[0], second[0] + len(second)))
    assert second != sorted(
        key for key, wave in assign_waves(newcomers(1000), WaveSizes(), seed=4).items() if wave == Wave.SECOND
    )


# -- which wave is open ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [DeliveryState.WAITING, DeliveryState.ASKED, DeliveryState.HEARD, DeliveryState.FETCHED]
)
def test_a_wave_waits_for_the_one_before(state):
    standing = groups(
        (Wave.FIRST, DeliveryState.CONFIRMED, 1), (Wave.SECOND, state, 1), (Wave.THIRD, DeliveryState.WAITING, 5)
    )
    assert open_waves(standing) == {MITEL: Wave.SECOND}


@pytest.mark.parametrize(
    "state", [DeliveryState.CONFIRMED, DeliveryState.ABSENT, DeliveryState.FAILED, DeliveryState.SKIPPED]
)
def test_it_waits_no_longer_for_who_is_settled_or_absent(state):
    standing = groups(
        (Wave.FIRST, DeliveryState.CONFIRMED, 1), (Wave.SECOND, state, 1), (Wave.THIRD, DeliveryState.WAITING, 5)
    )
    assert open_waves(standing) == {MITEL: Wave.THIRD}


def test_nor_for_one_that_has_come_back_after_it_was_absent():
    back = TerminalGroup(MITEL, 1, Wave.SECOND, DeliveryState.HEARD, 1, postponed=True)
    standing = [*groups((Wave.FIRST, DeliveryState.CONFIRMED, 1), (Wave.THIRD, DeliveryState.WAITING, 5)), back]
    assert open_waves(standing) == {MITEL: Wave.THIRD}


def test_nobody_passes_the_first_before_one_of_them_has_confirmed():
    standing = groups((Wave.FIRST, DeliveryState.ABSENT, 3), (Wave.SECOND, DeliveryState.WAITING, 5))
    assert open_waves(standing) == {MITEL: Wave.FIRST}


def test_unless_a_person_goes_on_in_spite_of_its_failure():
    excused = TerminalGroup(MITEL, 1, Wave.FIRST, DeliveryState.FAILED, 1, excused=True)
    standing = [excused, *groups((Wave.SECOND, DeliveryState.WAITING, 5))]
    assert open_waves(standing) == {MITEL: Wave.SECOND}


def test_a_skipped_first_one_holds_nobody_up():
    standing = groups((Wave.FIRST, DeliveryState.SKIPPED, 1), (Wave.SECOND, DeliveryState.WAITING, 5))
    assert open_waves(standing) == {MITEL: Wave.SECOND}


def test_each_method_goes_its_own_way():
    standing = groups((Wave.FIRST, DeliveryState.WAITING, 1)) + groups(
        (Wave.FIRST, DeliveryState.CONFIRMED, 1), (Wave.REST, DeliveryState.WAITING, 9), method=AGENT, model=2
    )
    assert open_waves(standing) == {MITEL: Wave.FIRST, AGENT: Wave.REST}


def test_nothing_is_open_where_all_is_over():
    assert open_waves(groups((Wave.FIRST, DeliveryState.CONFIRMED, 1), (Wave.BY_HAND, DeliveryState.WAITING, 4))) == {}


# -- the first of a model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [DeliveryState.ABSENT, DeliveryState.SKIPPED])
def test_an_absent_first_one_is_replaced(state):
    assert models_to_replace(groups((Wave.FIRST, state, 1), (Wave.REST, DeliveryState.WAITING, 9))) == {1}


@pytest.mark.parametrize(
    "state",
    [DeliveryState.WAITING, DeliveryState.ASKED, DeliveryState.HEARD, DeliveryState.CONFIRMED, DeliveryState.FAILED],
)
def test_one_that_is_there_is_not(state):
    assert models_to_replace(groups((Wave.FIRST, state, 1), (Wave.REST, DeliveryState.WAITING, 9))) == set()


def test_nor_is_one_replaced_by_another_model_or_by_nobody():
    absent = groups((Wave.FIRST, DeliveryState.ABSENT, 1))
    assert models_to_replace(absent + groups((Wave.REST, DeliveryState.WAITING, 9), model=2)) == set()
    assert models_to_replace(absent + groups((Wave.REST, DeliveryState.CONFIRMED, 9))) == set()


# -- when to stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "stop"),
    [
        ([(Wave.REST, DeliveryState.FAILED, 5), (Wave.REST, DeliveryState.WAITING, 95)], False),
        ([(Wave.REST, DeliveryState.FAILED, 6), (Wave.REST, DeliveryState.WAITING, 94)], True),
        (
            [
                (Wave.REST, DeliveryState.FAILED, 5),
                (Wave.REST, DeliveryState.WAITING, 94),
                (Wave.REST, DeliveryState.SKIPPED, 1),
            ],
            True,
        ),
        ([(Wave.SECOND, DeliveryState.FAILED, 1), (Wave.SECOND, DeliveryState.CONFIRMED, 4)], True),
        ([(Wave.REST, DeliveryState.ABSENT, 100)], False),
        ([(Wave.FIRST, DeliveryState.FAILED, 1), (Wave.FIRST, DeliveryState.CONFIRMED, 9)], False),
        ([(Wave.FIRST, DeliveryState.FAILED, 2), (Wave.FIRST, DeliveryState.CONFIRMED, 9)], True),
        ([(Wave.FIRST, DeliveryState.FAILED, 1), (Wave.FIRST, DeliveryState.WAITING, 1)], False),
        ([(Wave.FIRST, DeliveryState.FAILED, 1)], True),
        ([(Wave.FIRST, DeliveryState.FAILED, 1), (Wave.FIRST, DeliveryState.ABSENT, 3)], True),
        ([(Wave.BY_HAND, DeliveryState.FAILED, 9)], False),
        ([], False),
    ],
)
def test_it_stops_above_5_percent_of_a_wave_or_at_two_of_the_first_or_when_all_first_ones_failed(kinds, stop):
    assert stops(groups(*kinds), StopLimits()) is stop


def test_what_a_person_has_gone_on_in_spite_of_no_longer_counts():
    old = TerminalGroup(MITEL, 1, Wave.REST, DeliveryState.FAILED, 50, excused=True)
    rest = groups((Wave.REST, DeliveryState.WAITING, 50))
    assert not stops([old, *rest], StopLimits())
    assert stops([old, *rest, *groups((Wave.REST, DeliveryState.FAILED, 6))], StopLimits())


# -- when --------------------------------------------------------------------------------------------------------------


def schedule(at="02:00", zone="Europe/Zurich"):
    return Schedule(365, time.fromisoformat(at), 30, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("at", "hours", "moment", "until"),
    [
        ("02:00", 4, "2026-07-01 00:00", "2026-07-01 04:00"),
        ("02:00", 4, "2026-07-01 03:59:59", "2026-07-01 04:00"),
        ("02:00", 4, "2026-07-01 04:00", None),
        ("02:00", 4, "2026-06-30 23:59:59", None),
        ("22:00", 4, "2026-07-01 23:30", "2026-07-02 00:00"),  # across midnight of the wall
        ("22:00", 12, "2026-07-02 07:59", "2026-07-02 08:00"),
        ("22:00", 12, "2026-07-02 08:00", None),
    ],
)
def test_terminals_restart_from_T_for_so_many_hours(at, hours, moment, until):
    assert restarts_until(schedule(at), hours, utc(moment)) == (utc(until) if until else None)


@pytest.mark.parametrize(
    ("at", "day", "opens", "closes"),
    [
        ("02:30", "2026-03-29", "01:00", "05:00"),  # does not exist: the first minute after
        ("02:30", "2026-10-25", "00:30", "04:30"),  # exists twice: the first
        ("01:00", "2026-10-25", "23:00", "03:00"),  # an hour is an hour, whatever the wall says
    ],
)
def test_the_window_is_as_long_where_the_clocks_change(at, day, opens, closes):
    opening = utc(f"{day} {opens}") - (DAY if opens == "23:00" else 0 * DAY)
    closing = utc(f"{day} {closes}")
    assert restarts_until(schedule(at), 4, opening) == closing
    assert restarts_until(schedule(at), 4, opening - SECOND) is None
    assert restarts_until(schedule(at), 4, closing) is None
    assert closing - opening == 4 * HOUR


def test_what_is_left_waits_for_the_next_night():
    assert next_restarts(schedule(), 4, utc("2026-07-01 01:00")) == utc("2026-07-01 01:00")
    assert next_restarts(schedule(), 4, utc("2026-07-01 05:00")) == utc("2026-07-02 00:00")


def test_absent_ones_are_asked_after_1_2_4_and_up_to_60_minutes_then_every_hour():
    waits = [back_off(n) for n in range(1, 10)]
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    assert back_off(10_000) == HOUR
