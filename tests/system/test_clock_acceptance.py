"""A clock that was set by hand where no server can be asked: the old time must not count for ever (rule clock-accepted)."""

from datetime import timedelta

import pytest

from pbxcerts.system import clock_acceptance
from pbxcerts.system.clock_acceptance import AcceptanceRefused
from pbxcerts.system.models import ClockCheck, EventMessage, General, Heartbeat
from pbxcerts.system.time.clock import ClockState
from pbxcerts.system.time.timekeeping import check_clock, check_if_due, current_clock
from tests.support.machine import Machine
from tests.system.time.test_timekeeping import SERVERS, Servers

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOBODY = Servers(None, None)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def asks():
    General.load()
    General.objects.update(ntp_enabled=True, ntp_servers=SERVERS)


def clock_of(machine):
    return current_clock(reading=machine.read())


def beats(machine, servers, *, for_: timedelta):
    for _ in range(for_ // MINUTE):
        machine.run(MINUTE)
        check_if_due(ask=servers, read=machine.read)


def offered(machine):
    return clock_acceptance.is_possible(General.load(), Heartbeat.load(), machine.read())


def accept(machine, servers=NOBODY, *, by="anna"):
    clock_acceptance.accept(by=by, ask=servers, read=machine.read)


class TestServiceOff:
    @pytest.fixture(autouse=True)
    def set_by_hand(self, machine):
        check_if_due(ask=Servers(), read=machine.read)
        machine.set_clock(by=400 * DAY)

    def test_the_old_time_counts_until_a_person_accepts_the_machines_clock(self, machine):
        beats(machine, Servers(), for_=3 * HOUR)
        assert clock_of(machine).best == machine.wall - 400 * DAY
        accept(machine)
        clock = clock_of(machine)
        assert (clock.state, clock.jumped) == (ClockState.OFF, None)
        assert clock.machine == clock.corrected == clock.best == machine.wall

    def test_it_stays_accepted(self, machine):
        accept(machine)
        beats(machine, Servers(), for_=HOUR)
        assert clock_of(machine).best == machine.wall
        assert not offered(machine)

    def test_a_later_jump_is_a_new_one(self, machine):
        accept(machine)
        true = machine.wall
        machine.set_clock(by=-2 * HOUR)
        assert clock_of(machine).best == true
        assert offered(machine)

    def test_who_accepted_which_time_stays_on_record(self, machine):
        accept(machine, by="anna")
        told = EventMessage.objects.get(kind="clock_accepted")
        assert told.params == {
            "by": "anna",
            "machine": machine.wall.isoformat(),
            "counted": (machine.wall - 400 * DAY).isoformat(),
        }

    def test_a_heartbeat_that_began_before_does_not_undo_it(self, machine):
        """The worker waits for the network while the person ticks."""
        row, general = Heartbeat.load(), General.load()
        accept(machine)
        check_clock(general=general, heartbeat=row, ask=Servers(), read=machine.read)
        assert clock_of(machine).best == machine.wall
        assert (row.wall, row.accepted_at) == (machine.wall, machine.wall)

    def test_where_the_clock_is_not_in_doubt_nothing_is_accepted(self, machine):
        machine.set_clock(by=-400 * DAY)
        assert not offered(machine)
        with pytest.raises(AcceptanceRefused):
            accept(machine)
        assert not EventMessage.objects.exists()


@pytest.mark.usefixtures("asks")
class TestServersSilent:
    def test_for_an_hour_since_the_jump_they_come_first(self, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.set_clock(by=400 * DAY)
        beats(machine, NOBODY, for_=HOUR)
        assert not offered(machine)
        with pytest.raises(AcceptanceRefused):
            accept(machine)
        assert clock_of(machine).best == machine.wall - 400 * DAY
        beats(machine, NOBODY, for_=MINUTE)
        assert offered(machine)
        accept(machine)
        clock = clock_of(machine)
        assert (clock.state, clock.jumped, clock.best) == (ClockState.UNANSWERED, None, machine.wall)

    def test_an_hour_in_which_nobody_asked_does_not_count(self, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.run(10 * HOUR)
        machine.set_clock(by=400 * DAY)
        assert not offered(machine)

    def test_they_are_asked_once_more_and_who_answers_is_right(self, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.set_clock(by=400 * DAY)
        beats(machine, NOBODY, for_=2 * HOUR)
        back = Servers(-400 * 86_400.0, -400 * 86_400.0)
        with pytest.raises(AcceptanceRefused):
            accept(machine, back)
        assert back.rounds == 1
        assert clock_of(machine).state is ClockState.FAR_OFF

    def test_what_they_measured_before_counts_no_more_even_after_a_start(self, machine):
        """The machine was 400 days behind, somebody set it right, and the network went away."""
        check_if_due(ask=Servers(400 * 86_400.0, 400 * 86_400.0), read=machine.read)
        machine.set_clock(by=400 * DAY)
        beats(machine, NOBODY, for_=2 * HOUR)
        accept(machine)
        assert clock_of(machine).best == machine.wall
        machine.restart(clock_moves=MINUTE)
        beats(machine, NOBODY, for_=5 * MINUTE)
        assert clock_of(machine).best == machine.wall

    def test_an_old_offset_is_got_rid_of_after_a_start_too(self, machine):
        """After a start no jump can be seen: the clock was set right while the machine was off."""
        check_if_due(ask=Servers(400 * 86_400.0, 400 * 86_400.0), read=machine.read)
        machine.restart(clock_moves=400 * DAY)
        beats(machine, NOBODY, for_=HOUR)
        assert clock_of(machine).best == machine.wall + 400 * DAY
        assert not offered(machine)
        beats(machine, NOBODY, for_=2 * MINUTE)
        accept(machine)
        assert clock_of(machine).best == machine.wall

    def test_the_next_answer_counts_again(self, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.set_clock(by=HOUR)
        beats(machine, NOBODY, for_=2 * HOUR)
        accept(machine)
        check_clock(ask=Servers(60.0, 60.0), read=machine.read)
        clock = clock_of(machine)
        assert (clock.state, clock.best) == (ClockState.WRONG, machine.wall + MINUTE)
        assert ClockCheck.objects.first().offset == MINUTE

    def test_a_clock_that_a_server_calls_wrong_is_not_accepted(self, machine):
        check_if_due(ask=Servers(400 * 86_400.0, 400 * 86_400.0), read=machine.read)
        assert not offered(machine)
        with pytest.raises(AcceptanceRefused):
            accept(machine, Servers(400 * 86_400.0, 400 * 86_400.0))


@pytest.mark.usefixtures("asks")
def test_a_liar_who_was_taken_from_the_list_has_no_say_in_the_time_known_before_a_jump(machine):
    check_if_due(ask=Servers(400 * 86_400.0, 400 * 86_400.0), read=machine.read)
    General.objects.update(ntp_enabled=False)
    true = machine.wall
    machine.set_clock(by=2 * MINUTE)
    assert clock_of(machine).best == true
