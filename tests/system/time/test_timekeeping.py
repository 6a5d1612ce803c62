import time
from datetime import UTC, timedelta

import pytest

from pbxcerts.system.models import ClockCheck, General, Heartbeat
from pbxcerts.system.time import ntp, timekeeping
from pbxcerts.system.time.clock import ClockState
from pbxcerts.system.time.timekeeping import check_clock, check_if_due, current_clock, read_machine
from tests.support.machine import Machine
from tests.support.ntp import NtpResponder

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SERVERS = ["ntp1.example", "ntp2.example"]


class Servers:
    """NTP servers for a machine whose time is made up: pass it as `ask`. None in `offsets` is a server that is silent."""

    def __init__(self, *offsets):
        self.offsets = [None if offset is None else timedelta(seconds=offset) for offset in offsets]
        self.rounds = 0

    def __call__(self, servers):
        self.rounds += 1
        return ntp.NtpSurvey(
            tuple(
                ntp.NtpFailure(server, ntp.NtpFault.TIMEOUT)
                if offset is None
                else ntp.NtpAnswer(server, f"192.0.2.{number}", offset, timedelta(), 2 + number, 0)
                for number, (server, offset) in enumerate(zip(servers, self.offsets, strict=True))
            )
        )


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def general():
    general = General.load()
    general.ntp_enabled = True
    general.ntp_servers = SERVERS
    general.save()
    return general


def clock_of(machine):
    return current_clock(reading=machine.read())


class TestReadInstant:
    def test_it_is_a_reading_of_this_machine(self):
        before = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
        instant = read_machine()
        after = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
        assert instant.wall.tzinfo is UTC
        assert before[0] - 1e-6 <= instant.wall.timestamp() <= after[0]
        assert before[1] <= instant.boottime <= after[1]
        assert instant.boot_id == read_machine().boot_id
        assert len(instant.boot_id) == 36


class TestCheckClock:
    def test_it_stores_what_the_servers_said(self, general, machine):
        check = check_clock(ask=Servers(0.25, None), read=machine.read)
        assert ClockCheck.objects.get() == check
        check.refresh_from_db()
        assert (check.checked_at, check.boottime, check.boot_id) == (machine.wall, machine.boottime, machine.boot_id)
        assert (check.offset, check.server, check.stratum) == (timedelta(seconds=0.25), "ntp1.example", 2)
        assert (check.agreed, check.disagreed) == (False, False)
        assert check.answers == [
            {"server": "ntp1.example", "outcome": "answered", "offset_seconds": 0.25, "stratum": 2},
            {
                "server": "ntp2.example",
                "outcome": "timeout",
                "kiss_code": "",
                "offset_seconds": None,
                "stratum": None,
            },
        ]

    @pytest.mark.parametrize(("offsets", "agreed"), [((0.0, 0.9), True), ((0.0, 3.0), False)])
    def test_it_stores_whether_the_servers_agree(self, general, machine, offsets, agreed):
        check = check_clock(ask=Servers(*offsets), read=machine.read)
        assert (check.agreed, check.disagreed) == (agreed, not agreed)
        assert clock_of(machine).agreed is agreed
        assert clock_of(machine).warns is not agreed

    @pytest.mark.parametrize(
        ("responder", "state", "outcome"),
        [
            ({}, ClockState.RIGHT, "answered"),
            ({"offset": 3.0}, ClockState.RIGHT, "answered"),
            ({"offset": 60.0}, ClockState.WRONG, "answered"),
            ({"offset": -60.0}, ClockState.WRONG, "answered"),
            ({"offset": 400 * 86_400.0}, ClockState.FAR_OFF, "answered"),
            ({"offset": -400 * 86_400.0}, ClockState.FAR_OFF, "answered"),
            ({"leap": 3}, ClockState.UNANSWERED, "leap"),
            ({"stratum": 16}, ClockState.UNANSWERED, "stratum"),
            ({"stratum": 0}, ClockState.UNANSWERED, "stratum"),
            ({"kiss": "RATE"}, ClockState.UNANSWERED, "kiss_of_death"),
            ({"origin_error": 5.0}, ClockState.UNANSWERED, "origin"),
            ({"delay": 6.0}, ClockState.UNANSWERED, "delay"),
            ({"delay": -1.0}, ClockState.UNANSWERED, "delay"),
            ({"length": 20}, ClockState.UNANSWERED, "malformed"),
            ({"silent": True}, ClockState.UNANSWERED, "timeout"),
        ],
    )
    def test_a_real_server_decides_the_state(self, general, responder, state, outcome):
        with NtpResponder(**responder) as server:
            general.ntp_servers = [server.server]
            general.save()
            check = check_clock(ask=lambda servers: ntp.ask(servers, timeout=0.5 if server.silent else 5))
        assert [answer["outcome"] for answer in check.answers] == [outcome]
        clock = current_clock()
        assert clock.state is state
        offset = timedelta(seconds=server.offset) if outcome == "answered" else timedelta()
        assert abs(clock.corrected - clock.machine - offset) < timedelta(seconds=1)

    @pytest.mark.parametrize(("ntp_enabled", "servers"), [(False, SERVERS), (True, [])])
    def test_it_asks_nobody_where_the_service_is_off(self, general, machine, ntp_enabled, servers):
        general.ntp_enabled, general.ntp_servers = ntp_enabled, servers
        general.save()
        ask = Servers(0.0, 0.0)
        assert check_clock(ask=ask, read=machine.read) is None
        assert ask.rounds == 0
        assert not ClockCheck.objects.exists()
        assert clock_of(machine).state is ClockState.OFF

    def test_a_lost_answer_leaves_the_last_one_in_force(self, general, machine):
        check_clock(ask=Servers(2.0, 2.0), read=machine.read)
        machine.run(15 * MINUTE)
        check_clock(ask=Servers(None, None), read=machine.read)
        machine.run(15 * MINUTE)
        clock = clock_of(machine)
        assert clock.state is ClockState.RIGHT
        assert clock.measurement.offset == timedelta(seconds=2)
        machine.run(MINUTE)
        assert clock_of(machine).state is ClockState.UNANSWERED

    def test_answers_count_for_nothing_where_the_clock_was_set_meanwhile(self, general, machine):
        servers = Servers(0.0, 0.0)

        def ask(names):
            machine.set_clock(by=400 * DAY)
            return servers(names)

        check = check_clock(ask=ask, read=machine.read)
        assert check.offset is None
        assert [answer["outcome"] for answer in check.answers] == ["answered", "answered"]
        assert clock_of(machine).state is ClockState.UNANSWERED

    def test_a_jump_stays_known_until_a_server_answers(self, general, machine):
        check_clock(ask=Servers(0.0, 0.0), read=machine.read)
        true = machine.wall
        machine.set_clock(by=400 * DAY)
        for minute in range(1, 4):
            machine.run(MINUTE)
            check_clock(ask=Servers(None, None), read=machine.read)
            clock = clock_of(machine)
            assert (clock.state, clock.jumped) == (ClockState.UNANSWERED, 400 * DAY)
            assert clock.corrected == true + minute * MINUTE
        check_clock(ask=Servers(-400 * 86_400.0, -400 * 86_400.0), read=machine.read)
        clock = clock_of(machine)
        assert (clock.state, clock.jumped) == (ClockState.FAR_OFF, None)
        assert clock.corrected == true + 3 * MINUTE
        assert Heartbeat.load().wall == machine.wall

    def test_it_brings_the_row_it_was_given_up_to_date(self, general, machine):
        heartbeat = Heartbeat.load()
        check = check_clock(heartbeat=heartbeat, ask=Servers(2.0, 2.0), read=machine.read)
        assert (heartbeat.last_check, heartbeat.wall, heartbeat.offset) == (check, machine.wall, timedelta(seconds=2))
        assert [getattr(heartbeat, field.attname) for field in Heartbeat._meta.fields] == [
            getattr(Heartbeat.load(), field.attname) for field in Heartbeat._meta.fields
        ]


class TestCheckIfDue:
    def rounds(self, machine, ask, *, minutes):
        """How often the servers are asked while the heartbeat beats every minute, some seconds early or late."""
        before = ask.rounds
        for number in range(minutes):
            machine.run(timedelta(seconds=53 if number % 2 else 67))
            check_if_due(ask=ask, read=machine.read)
        return ask.rounds - before

    @pytest.mark.parametrize(
        ("offset", "expected"),
        [(0.0, 4), (60.0, 4), (None, 60), (400 * 86_400.0, 60)],
    )
    def test_every_quarter_of_an_hour_and_every_minute_while_silent_or_far_off(
        self, general, machine, offset, expected
    ):
        ask = Servers(offset, offset)
        assert check_if_due(ask=ask, read=machine.read) is not None, "nothing is known yet"
        assert self.rounds(machine, ask, minutes=60) == expected

    def test_every_minute_after_a_jump_until_a_server_answers(self, general, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.run(MINUTE)
        machine.set_clock(by=timedelta(hours=1))
        silent = Servers(None, None)
        assert self.rounds(machine, silent, minutes=10) == 10
        assert self.rounds(machine, Servers(0.0, 0.0), minutes=10) == 1

    def test_every_minute_after_a_check_in_which_nobody_answered_until_one_does(self, general, machine):
        """The answer before it would count for half an hour, and the next check come when it is too old."""
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        silent = Servers(None, None)
        assert self.rounds(machine, silent, minutes=20) == 6
        assert clock_of(machine).state is ClockState.RIGHT
        assert self.rounds(machine, Servers(None, 0.0), minutes=10) == 1

    def test_every_minute_after_a_start_of_the_machine_until_the_network_is_there(self, general, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.restart(clock_moves=MINUTE)
        silent = Servers(None, None)
        assert self.rounds(machine, silent, minutes=10) == 10
        assert self.rounds(machine, Servers(0.0, 0.0), minutes=10) == 1

    def test_who_asks_not_to_be_asked_is_not_asked_every_minute(self, general, machine):
        def refuses(servers):
            return ntp.NtpSurvey(tuple(ntp.NtpFailure(one, ntp.NtpFault.KISS_OF_DEATH, "RATE") for one in servers))

        check_if_due(ask=refuses, read=machine.read)
        assert self.rounds(machine, Servers(None, None), minutes=14) == 0

    def test_at_once_after_the_servers_were_changed(self, general, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        assert check_if_due(ask=Servers(0.0, 0.0), read=machine.read) is None
        general.ntp_servers = [SERVERS[1], "ntp3.example"]
        general.save()
        assert check_if_due(ask=Servers(0.0, 0.0), read=machine.read) is not None
        general.ntp_servers = ["ntp3.example", SERVERS[1]]
        general.save()
        assert check_if_due(ask=Servers(0.0, 0.0), read=machine.read) is None, "the order changes nothing"

    def test_at_once_after_the_machine_was_started_anew(self, general, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.restart(clock_moves=MINUTE)
        assert check_if_due(ask=Servers(0.0, 0.0), read=machine.read) is not None

    def test_where_no_server_is_set_the_anchor_moves_all_the_same(self, machine):
        check_if_due(ask=Servers(), read=machine.read)
        assert Heartbeat.load().wall == machine.wall
        machine.run(15 * MINUTE)
        check_if_due(ask=Servers(), read=machine.read)
        assert Heartbeat.load().wall == machine.wall
        machine.set_clock(by=400 * DAY)
        machine.run(15 * MINUTE)
        check_if_due(ask=Servers(), read=machine.read)
        assert clock_of(machine).jumped == 400 * DAY

    def test_it_keeps_ninety_days(self, general, machine):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.run(90 * DAY)
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        assert ClockCheck.objects.count() == 2
        machine.run(MINUTE)
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        assert ClockCheck.objects.count() == 2

    @pytest.mark.parametrize("offset", [-400 * 86_400.0, None])
    def test_a_clock_400_days_ahead_sweeps_nothing_away(self, general, machine, offset):
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        machine.restart(clock_moves=400 * DAY)
        check_if_due(ask=Servers(offset, offset), read=machine.read)
        assert ClockCheck.objects.count() == 2

    def test_where_nobody_ever_answers_the_checks_do_not_fill_the_disk(self, general, machine, monkeypatch):
        monkeypatch.setattr(timekeeping, "SILENT_CHECKS_ARE_KEPT", 5)
        check_if_due(ask=Servers(0.0, 0.0), read=machine.read)
        self.rounds(machine, Servers(None, None), minutes=40)
        assert ClockCheck.objects.filter(offset=None).count() == 6
        assert ClockCheck.objects.filter(offset__isnull=False).count() == 1


class TestQueries:
    def test_judging_takes_few_however_many_checks_there_are(self, general, machine, django_assert_num_queries):
        for _ in range(20):
            check_clock(ask=Servers(0.0, 0.0), read=machine.read)
            machine.run(MINUTE)
        with django_assert_num_queries(2):
            clock_of(machine)
        heartbeat = Heartbeat.load()
        with django_assert_num_queries(0):
            current_clock(general=general, heartbeat=heartbeat, reading=machine.read())
            check_if_due(general=general, heartbeat=heartbeat, ask=Servers(), read=machine.read)
        check_clock(ask=Servers(None, None), read=machine.read)
        with django_assert_num_queries(3):
            clock_of(machine)
