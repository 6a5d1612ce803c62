from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbxcerts.system.time.clock import (
    Clock,
    ClockAnchor,
    ClockState,
    ClockVerdict,
    Measurement,
    automatic,
    judge_clock,
    manual,
    next_clock_anchor,
)
from tests.support.machine import Machine

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOTHING = timedelta()
SERVERS = ["ntp1.example", "ntp2.example"]
END = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.fixture
def machine():
    return Machine()


def measure(machine, offset=NOTHING, *, agreed=False, disagreed=False, server=SERVERS[0]):
    return Measurement(machine.wall, machine.boottime, machine.boot_id, offset, server, 2, agreed, disagreed)


def anchor_at(machine, offset=None):
    return ClockAnchor(machine.wall, machine.boottime, machine.boot_id, offset)


def judge_now(machine, last=None, anchor=None, *, servers=SERVERS, ntp_enabled=True):
    return judge_clock(machine.read(), ntp_enabled=ntp_enabled, servers=servers, last=last, anchor=anchor)


def clock_off_by(offset, *, now, agreed=False):
    """A clock just measured."""
    machine = Machine(wall=now)
    return judge_now(machine, measure(machine, offset, agreed=agreed))


class TestState:
    @pytest.mark.parametrize(
        ("offset", "state", "warns"),
        [
            (NOTHING, ClockState.RIGHT, False),
            (SECOND, ClockState.RIGHT, False),
            (-SECOND - timedelta.resolution, ClockState.RIGHT, True),
            (5 * SECOND, ClockState.RIGHT, True),
            (5 * SECOND + timedelta.resolution, ClockState.WRONG, True),
            (-12 * HOUR, ClockState.WRONG, True),
            (-12 * HOUR - timedelta.resolution, ClockState.FAR_OFF, True),
            (400 * DAY, ClockState.FAR_OFF, True),
        ],
    )
    def test_it_follows_the_offset(self, machine, offset, state, warns):
        clock = judge_now(machine, measure(machine, offset))
        assert (clock.state, clock.warns) == (state, warns)

    @pytest.mark.parametrize(("ntp_enabled", "servers"), [(False, SERVERS), (True, []), (False, [])])
    def test_it_is_off_without_the_service_or_a_server(self, machine, ntp_enabled, servers):
        clock = judge_now(machine, measure(machine), ntp_enabled=ntp_enabled, servers=servers)
        assert clock.state is ClockState.OFF
        assert not clock.warns

    def test_it_is_unanswered_where_nobody_ever_answered(self, machine):
        assert judge_now(machine).state is ClockState.UNANSWERED

    def test_it_warns_where_two_servers_differ(self, machine):
        assert judge_now(machine, measure(machine, disagreed=True)).warns

    def test_an_answer_counts_for_thirty_minutes(self, machine):
        last = measure(machine, agreed=True, disagreed=True)
        machine.run(30 * MINUTE)
        assert judge_now(machine, last).state is ClockState.RIGHT
        machine.run(SECOND)
        clock = judge_now(machine, last)
        assert clock.state is ClockState.UNANSWERED
        assert clock.measurement == last, "it is shown all the same"
        assert not clock.agreed
        assert not clock.warns

    def test_setting_the_clock_back_does_not_refresh_an_answer(self, machine):
        last = measure(machine)
        machine.run(31 * MINUTE)
        machine.set_clock(by=-31 * MINUTE)
        assert judge_now(machine, last).state is ClockState.UNANSWERED

    def test_an_answer_from_before_a_restart_does_not_count(self, machine):
        last = measure(machine)
        machine.restart(clock_moves=MINUTE)
        assert judge_now(machine, last).state is ClockState.UNANSWERED

    def test_a_server_that_was_taken_from_the_list_has_nothing_more_to_say(self, machine):
        last = measure(machine, 400 * DAY, server="liar.example")
        assert judge_now(machine, last, servers=["liar.example"]).state is ClockState.FAR_OFF
        clock = judge_now(machine, last)
        assert clock.state is ClockState.UNANSWERED
        assert clock.corrected == clock.machine
        assert clock.measurement is None

    def test_a_service_that_was_turned_off_has_nothing_more_to_say(self, machine):
        clock = judge_now(machine, measure(machine, 400 * DAY), ntp_enabled=False)
        assert clock.corrected == clock.best == clock.machine


class TestCorrected:
    def test_it_is_the_machines_clock_where_nothing_is_known(self, machine):
        clock = judge_now(machine)
        assert clock.machine == clock.corrected == clock.best == machine.wall

    @pytest.mark.parametrize("offset", [400 * DAY, -400 * DAY, 6 * SECOND])
    def test_it_is_the_machines_clock_corrected_with_the_last_measured_offset(self, machine, offset):
        last = measure(machine, offset)
        machine.run(20 * MINUTE)
        clock = judge_now(machine, last)
        assert clock.corrected == clock.best == machine.wall + offset

    def test_dates_are_taken_from_the_machines_clock_where_that_is_not_wrong(self, machine):
        clock = judge_now(machine, measure(machine, 5 * SECOND))
        assert clock.corrected == machine.wall + 5 * SECOND
        assert clock.best == machine.wall

    @pytest.mark.parametrize("span", [2 * HOUR, 30 * DAY])
    def test_it_keeps_an_offset_that_is_too_old_to_count(self, machine, span):
        last = measure(machine, -400 * DAY, agreed=True)
        machine.run(span)
        clock = judge_now(machine, last)
        assert clock.state is ClockState.UNANSWERED
        assert clock.best == machine.wall - 400 * DAY

    def test_it_keeps_the_offset_over_a_restart_until_a_server_answers(self, machine):
        last = measure(machine, -400 * DAY)
        machine.restart(clock_moves=MINUTE)
        assert judge_now(machine, last).corrected == machine.wall - 400 * DAY


class TestJump:
    @pytest.mark.parametrize("jump", [61 * SECOND, -61 * SECOND, 400 * DAY, -400 * DAY])
    def test_after_it_the_time_known_before_goes_on(self, machine, jump):
        last = measure(machine, 3 * SECOND, agreed=True)
        machine.run(5 * MINUTE)
        anchor = anchor_at(machine, 3 * SECOND)
        true = machine.wall + 3 * SECOND
        machine.set_clock(by=jump)
        machine.run(7 * MINUTE)
        clock = judge_now(machine, last, anchor)
        assert clock.jumped == jump
        assert clock.state is ClockState.UNANSWERED
        assert clock.corrected == clock.best == true + 7 * MINUTE
        assert not clock.agreed

    @pytest.mark.parametrize("step", [60 * SECOND, -60 * SECOND, NOTHING])
    def test_a_minute_is_none(self, machine, step):
        anchor = anchor_at(machine)
        machine.run(HOUR)
        machine.set_clock(by=step)
        clock = judge_now(machine, anchor=anchor)
        assert clock.jumped is None
        assert clock.corrected == clock.machine

    def test_a_machine_that_slept_has_not_jumped(self, machine):
        last, anchor = measure(machine), anchor_at(machine)
        machine.run(9 * HOUR)
        clock = judge_now(machine, last, anchor)
        assert clock.jumped is None
        assert clock.state is ClockState.UNANSWERED

    def test_it_is_over_when_a_server_has_answered(self, machine):
        anchor = anchor_at(machine)
        machine.set_clock(by=400 * DAY)
        machine.run(MINUTE)
        assert judge_now(machine, None, anchor).jumped == 400 * DAY
        last = measure(machine, -400 * DAY)
        machine.run(MINUTE)
        clock = judge_now(machine, last, anchor)
        assert clock.jumped is None
        assert clock.state is ClockState.FAR_OFF
        assert clock.corrected == machine.wall - 400 * DAY

    def test_an_answer_from_before_it_does_not_end_it(self, machine):
        anchor = anchor_at(machine)
        machine.run(MINUTE)
        last = measure(machine)
        machine.run(MINUTE)
        machine.set_clock(by=HOUR)
        assert judge_now(machine, last, anchor).jumped == HOUR

    def test_it_is_seen_against_an_answer_alone(self, machine):
        last = measure(machine)
        machine.run(MINUTE)
        machine.set_clock(by=-HOUR)
        clock = judge_now(machine, last)
        assert clock.jumped == -HOUR
        assert clock.corrected == machine.wall + HOUR

    def test_it_is_seen_where_no_server_is_set(self, machine):
        anchor = anchor_at(machine)
        machine.set_clock(by=400 * DAY)
        clock = judge_now(machine, anchor=anchor, servers=[])
        assert (clock.state, clock.jumped) == (ClockState.OFF, 400 * DAY)
        assert not clock.has_passed(anchor.wall + DAY)

    def test_a_restart_ends_it_for_nothing_is_known_then(self, machine):
        anchor = anchor_at(machine)
        machine.set_clock(by=400 * DAY)
        machine.restart()
        clock = judge_now(machine, anchor=anchor)
        assert clock.jumped is None
        assert clock.corrected == clock.machine

    def test_a_restored_machine_whose_boottime_ran_backwards_knows_nothing(self, machine):
        last, anchor = measure(machine), anchor_at(machine)
        machine.boottime -= 1000
        clock = judge_now(machine, last, anchor)
        assert clock.jumped is None
        assert clock.state is ClockState.UNANSWERED

    def test_setting_a_wrong_clock_right_leaves_the_corrected_one_where_it_was(self, machine):
        last = measure(machine, 3 * HOUR)
        machine.run(MINUTE)
        machine.set_clock(by=3 * HOUR)
        clock = judge_now(machine, last)
        assert clock.jumped == 3 * HOUR
        assert clock.corrected == clock.machine


class TestNextAnchor:
    def test_it_moves_along_while_clock_and_boottime_agree(self, machine):
        anchor = anchor_at(machine)
        last = measure(machine, 2 * SECOND)
        machine.run(15 * MINUTE)
        clock = judge_now(machine, last, anchor)
        assert next_clock_anchor(machine.read(), clock, anchor) == anchor_at(machine, 2 * SECOND)

    def test_the_first_one_is_here(self, machine):
        assert next_clock_anchor(machine.read(), judge_now(machine), None) == anchor_at(machine)

    def test_it_stays_before_a_jump_until_a_server_has_answered(self, machine):
        anchor = anchor_at(machine)
        machine.set_clock(by=400 * DAY)
        for _ in range(3):
            machine.run(MINUTE)
            clock = judge_now(machine, anchor=anchor)
            assert next_clock_anchor(machine.read(), clock, anchor) == anchor
        last = measure(machine, -400 * DAY)
        clock = judge_now(machine, last, anchor)
        assert next_clock_anchor(machine.read(), clock, anchor) == anchor_at(machine, -400 * DAY)

    def test_a_jump_seen_against_an_answer_alone_is_not_forgotten(self, machine):
        last = measure(machine, SECOND)
        before = anchor_at(machine, SECOND)
        machine.set_clock(by=HOUR)
        assert next_clock_anchor(machine.read(), judge_now(machine, last), None) == before

    def test_it_is_set_anew_after_a_restart(self, machine):
        old = anchor_at(machine)
        machine.restart(clock_moves=-DAY)
        assert next_clock_anchor(machine.read(), judge_now(machine, anchor=old), old) == anchor_at(machine)

    def test_a_clock_that_creeps_is_followed(self, machine):
        anchor = anchor_at(machine)
        for _ in range(10):
            machine.run(15 * MINUTE)
            machine.set_clock(by=40 * SECOND)
            clock = judge_now(machine, anchor=anchor)
            assert clock.jumped is None
            anchor = next_clock_anchor(machine.read(), clock, anchor)


class TestHasPassed:
    @pytest.mark.parametrize("offset", [-400 * DAY, -HOUR, NOTHING, HOUR, 400 * DAY])
    def test_only_when_it_has_by_both_clocks(self, offset):
        clock = clock_off_by(offset, now=END)
        both = min(END, END + offset)
        assert clock.has_passed(both)
        assert clock.has_passed(both, active_end=END)
        assert not clock.has_passed(both + timedelta.resolution)

    @pytest.mark.parametrize("offset", [-400 * DAY, 400 * DAY])
    def test_from_a_day_before_the_end_two_servers_that_agree_decide_alone(self, offset):
        deadline = END - 30 * HOUR
        day_before = END - DAY
        agreed = clock_off_by(offset, now=day_before - offset, agreed=True)
        assert agreed.has_passed(deadline, active_end=END)
        assert not agreed.has_passed(day_before + SECOND, active_end=END)
        alone = clock_off_by(offset, now=day_before - offset, agreed=False)
        assert alone.has_passed(deadline, active_end=END) is (offset < NOTHING)

    def test_before_that_day_they_do_not(self):
        clock = clock_off_by(400 * DAY, now=END - DAY - SECOND - 400 * DAY, agreed=True)
        assert not clock.has_passed(END - 30 * HOUR, active_end=END)

    def test_nor_where_no_end_is_given(self):
        clock = clock_off_by(400 * DAY, now=END - 400 * DAY, agreed=True)
        assert not clock.has_passed(END - 30 * HOUR)
        assert clock.has_passed(END - 30 * HOUR, active_end=END)

    def test_nor_by_an_old_agreement(self):
        machine = Machine(wall=END - 400 * DAY)
        last = measure(machine, 400 * DAY, agreed=True)
        machine.run(31 * MINUTE)
        assert not judge_now(machine, last).has_passed(END - 30 * HOUR, active_end=END)

    @given(
        offset=st.timedeltas(-500 * DAY, 500 * DAY),
        now=st.timedeltas(-500 * DAY, 500 * DAY),
        deadline=st.timedeltas(-90 * DAY, NOTHING),
        agreed=st.booleans(),
    )
    def test_never_before_its_time_by_the_clock_that_is_right(self, offset, now, deadline, agreed):
        clock = clock_off_by(offset, now=END + now, agreed=agreed)
        if clock.has_passed(END + deadline, active_end=END):
            assert clock.corrected >= END + deadline


class TestWithin:
    @pytest.mark.parametrize("offset", [-400 * DAY, 400 * DAY])
    def test_by_either_clock(self, offset):
        clock = clock_off_by(offset, now=END)
        assert clock.within(END - HOUR, END + HOUR)
        assert clock.within(END + offset - HOUR, END + offset + HOUR)
        assert not clock.within(END + HOUR, END + 2 * HOUR)

    def test_from_its_beginning_to_just_before_its_end(self):
        clock = clock_off_by(NOTHING, now=END)
        assert clock.within(END, END + SECOND)
        assert not clock.within(END - SECOND, END)


def clocks_of_every_state(now):
    """The clocks of the table, each at the true time `now`."""
    old = Machine(wall=now - 31 * MINUTE)
    last = measure(old)
    old.run(31 * MINUTE)
    return {
        "off": judge_now(Machine(wall=now), servers=[]),
        "unanswered": judge_now(Machine(wall=now)),
        "too old": judge_now(old, last),
        "wrong": clock_off_by(2 * HOUR, now=now - 2 * HOUR),
        "far off": clock_off_by(-400 * DAY, now=now + 400 * DAY),
        "far off, agreed": clock_off_by(-400 * DAY, now=now + 400 * DAY, agreed=True),
        "right": clock_off_by(NOTHING, now=now),
    }


class TestAutomatic:
    LAST_CHANCE = END - 15 * DAY

    @pytest.mark.parametrize(
        ("state", "before", "at_last"),
        [
            ("off", ClockVerdict.SUSPEND, ClockVerdict.DO_WITH_EVENT),
            ("unanswered", ClockVerdict.POSTPONE, ClockVerdict.DO),
            ("too old", ClockVerdict.POSTPONE, ClockVerdict.DO),
            ("wrong", ClockVerdict.POSTPONE, ClockVerdict.DO),
            ("far off", ClockVerdict.SUSPEND, ClockVerdict.SUSPEND),
            ("far off, agreed", ClockVerdict.SUSPEND, ClockVerdict.DO),
            ("right", ClockVerdict.DO, ClockVerdict.DO),
        ],
    )
    def test_each_state_before_and_at_the_last_chance(self, state, before, at_last):
        def verdict(true_time):
            return automatic(clocks_of_every_state(true_time)[state], last_chance=self.LAST_CHANCE, active_end=END)

        assert verdict(self.LAST_CHANCE - SECOND) is before
        assert verdict(self.LAST_CHANCE + 2 * HOUR) is at_last
        assert verdict(END + DAY) is at_last

    @pytest.mark.parametrize("state", ["off", "unanswered", "wrong", "far off, agreed"])
    def test_without_an_active_pair_there_is_no_last_chance(self, state):
        verdict = automatic(clocks_of_every_state(END)[state], last_chance=None, active_end=None)
        assert verdict in {ClockVerdict.SUSPEND, ClockVerdict.POSTPONE}

    def test_the_dates_at_the_last_chance_come_from_the_corrected_clock(self):
        clock = clocks_of_every_state(self.LAST_CHANCE)["far off, agreed"]
        assert automatic(clock, last_chance=self.LAST_CHANCE, active_end=END) is ClockVerdict.DO
        assert clock.best == self.LAST_CHANCE

    def test_a_clock_400_days_behind_gets_it_a_day_before_the_end_from_two_servers_that_agree(self):
        def verdict(true_time, agreed):
            clock = clock_off_by(400 * DAY, now=true_time - 400 * DAY, agreed=agreed)
            return automatic(clock, last_chance=self.LAST_CHANCE, active_end=END)

        assert verdict(END - DAY - SECOND, agreed=True) is ClockVerdict.SUSPEND
        assert verdict(END - DAY, agreed=True) is ClockVerdict.DO
        assert verdict(END - DAY, agreed=False) is ClockVerdict.SUSPEND

    def test_a_jump_of_400_days_does_not_bring_the_last_chance(self):
        machine = Machine(wall=self.LAST_CHANCE - DAY)
        last = measure(machine, agreed=True)
        machine.set_clock(by=400 * DAY)
        clock = judge_now(machine, last)
        assert automatic(clock, last_chance=self.LAST_CHANCE, active_end=END) is ClockVerdict.POSTPONE


class TestManual:
    @pytest.mark.parametrize(
        ("state", "verdict"),
        [
            ("off", ClockVerdict.REQUIRES_TICK),
            ("unanswered", ClockVerdict.REQUIRES_TICK),
            ("too old", ClockVerdict.REQUIRES_TICK),
            ("wrong", ClockVerdict.REQUIRES_TICK),
            ("far off", ClockVerdict.REFUSE_UNLESS_REASON),
            ("far off, agreed", ClockVerdict.REFUSE_UNLESS_REASON),
            ("right", ClockVerdict.DO),
        ],
    )
    def test_each_state(self, state, verdict):
        assert manual(clocks_of_every_state(END)[state]) is verdict


@st.composite
def histories(draw):
    """What happens to a machine: it runs, its clock is set, it starts anew, servers answer or do not."""
    events = st.one_of(
        st.tuples(st.just("run"), st.timedeltas(NOTHING, 40 * DAY)),
        st.tuples(st.just("set"), st.timedeltas(-500 * DAY, 500 * DAY)),
        st.tuples(st.just("restart"), st.timedeltas(-500 * DAY, 500 * DAY)),
        st.tuples(st.just("answer"), st.just(NOTHING)),
        st.tuples(st.just("beat"), st.just(NOTHING)),
    )
    return draw(st.lists(events, max_size=25))


@given(histories())
def test_once_a_server_has_answered_the_corrected_clock_is_true_until_the_machine_is_restarted(history):
    machine = Machine()
    true_offset = NOTHING
    last = anchor = None
    known = False
    for event, span in history:
        if event == "run":
            machine.run(span)
        elif event == "set":
            machine.set_clock(by=span)
            true_offset -= span
        elif event == "restart":
            machine.restart(clock_moves=span)
            true_offset, known = true_offset - span, False
        elif event == "answer":
            last, known = measure(machine, true_offset), True
        clock: Clock = judge_now(machine, last, anchor)
        anchor = next_clock_anchor(machine.read(), clock, anchor)
        if known:
            unseen = len(history) * MINUTE  # each step of the clock may be one too small to be seen
            assert abs(clock.corrected - (machine.wall + true_offset)) <= unseen
        if clock.state is ClockState.RIGHT:
            assert known
