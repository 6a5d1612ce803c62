"""The network is down for an hour in the middle of a rollout: nobody fails for it, and afterwards everybody has it."""

import re
import socket
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from terminals.drivers.base import Reaction
from terminals.handover import KnownTerminals
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from terminals.rollout import orders, rounds
from terminals.rollout.sip_sender import SipSender
from tests.support.fleet import TIMER_F
from tests.support.generations import DAY, HOUR, MINUTE

pytestmark = pytest.mark.simulation


COPIED = re.compile(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", re.MULTILINE)


@pytest.fixture
def rolling(fleet, world, delivery):
    """Six phones, one after the other; three of them have the second pair already."""
    delivery(window_hours=12, at_once=1)
    fleet.equipped(6)
    world.after(DAY).generate()
    while fleet.states(2).get("confirmed", 0) < 3:
        fleet.during(MINUTE)
    return fleet


def cut(fleet):
    for phone in fleet.phones.values():
        phone.answer = Reaction.ABSENT


def mend(fleet):
    for phone in fleet.phones.values():
        phone.answer = Reaction.HEARD


def waits_of(phone):
    return [later - earlier for earlier, later in zip(phone.notified, phone.notified[1:], strict=False)]


def test_nobody_fails_and_afterwards_everybody_is_confirmed_after_one_restart(rolling, world):
    had_it = rolling.states(2)["confirmed"]
    under_way = {
        pk for pk, phone in rolling.phones.items() if phone.heard and rolling.row(phone, 2).state != "confirmed"
    }
    assert len(under_way) <= 1
    cut(rolling)
    for _span in range(6):
        current = rolling.during(10 * MINUTE)
        assert (current.state, rolling.states(2).get("failed", 0)) == ("running", 0)
        assert world.states == {1: "active", 2: "prepared"}
    assert rolling.states(2) == {"absent": 6 - had_it - len(under_way), "confirmed": had_it + len(under_way)}
    absent = [phone for phone in rolling.phones.values() if not phone.heard]
    for phone in absent:
        due = [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32)]
        assert len(waits_of(phone)) >= 3
        # At most one is asked at once, so that it may have to wait for its turn.
        assert all(wait >= at + TIMER_F for wait, at in zip(waits_of(phone), due, strict=False))

    mend(rolling)
    rolling.during(3 * HOUR, every=2 * MINUTE)

    assert rolling.states(2) == {"confirmed": 6}
    assert [phone.restarts for phone in rolling.phones.values()] == [1] * 6
    assert world.states == {1: "superseded", 2: "active"}


def test_those_that_restart_just_then_are_given_up_and_named_and_confirmed_when_they_come(fleet, world, delivery):
    delivery(window_hours=12, waves=False, at_once=4)
    phones = fleet.equipped(8)
    for phone in phones:
        # They heard it, and then there is no way to their files.
        phone.reboot = 70 * MINUTE
    world.after(DAY).generate()
    fleet.beat()
    cut(fleet)
    current = fleet.during(HOUR)

    assert fleet.states(2)["failed"] == 4
    assert current.state == Rollout.State.STOPPED
    ready = KnownTerminals().readiness(root_sha256=world.pending.root_sha256, counts="all", now=world.now)
    assert ready.holds_deadline

    mend(fleet)
    fleet.during(15 * MINUTE)
    assert fleet.states(2)["confirmed"] == 4
    assert "failed" not in fleet.states(2)
    assert fleet.notified() == 4, "a stopped rollout waits for a person"

    for phone in phones:
        phone.reboot = 2 * MINUTE
    orders.go_on(Rollout.objects.get(generation=2), by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.states(2) == {"confirmed": 8}
    assert [phone.restarts for phone in phones] == [1] * 8


@pytest.mark.parametrize(("ago", "switches"), [(HOUR, False), (2 * DAY, True)], ids=["seen lately", "long away"])
def test_a_deadline_within_that_hour_is_held_for_phones_that_were_seen_in_the_last_day(fleet, world, ago, switches):
    fleet.equipped()
    world.after(DAY).generate()
    cut(fleet)
    deadline = world.pending.deadline
    world.at(deadline - 30 * MINUTE)
    Terminal.objects.update(last_contact=deadline - ago)

    fleet.during(HOUR, every=10 * MINUTE)
    assert world.now > deadline
    assert (world.active.number == 2) == switches

    mend(fleet)
    fleet.during(2 * HOUR, every=10 * MINUTE)
    assert fleet.states(2) == {"confirmed": 1}
    assert world.states == {1: "superseded", 2: "active"}


# -- on the wire -------------------------------------------------------------------------------------------------------


class Unreachable:
    """A phone over TCP whose connections are refused until `is_back`; then it answers 200 to everything."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.heard = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def is_back(self):
        self.socket.listen()
        self._thread.start()

    def end(self):
        self._over.set()
        if self._thread.ident:
            self._thread.join()
        self.socket.close()

    def _serve(self):
        while not self._over.is_set():
            try:
                connection, _address = self.socket.accept()
            except TimeoutError:
                continue
            with connection:
                request = connection.recv(65536).decode()
                self.heard.append(request)
                copied = "".join(COPIED.findall(request))
                connection.sendall(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n".encode())


@contextmanager
def unreachable_phones(number):
    with ExitStack() as stack:
        found = [Unreachable() for _phone in range(number)]
        for phone in found:
            stack.callback(phone.end)
        yield found


def ask(world):
    current = rounds.reconcile_rollouts(world.situation)
    with SipSender(world.situation, DeliverySettings.load()) as sender:
        rounds.RolloutRound(world.situation, current, sender).run()


def test_phones_that_take_no_connection_are_asked_after_1_2_4_and_up_to_60_minutes_until_they_are_back(
    fleet, world, delivery
):
    delivery(window_hours=12)
    with unreachable_phones(3) as sockets:
        phones = [fleet.equipped(address=one.address, way="direct", transport="tcp")[0] for one in sockets]
        world.after(DAY).generate()
        waits = []
        for attempt in range(1, 9):
            ask(world)
            rows = [fleet.row(phone) for phone in phones]
            assert {(row.state, row.attempts, row.status_code, row.failed_at) for row in rows} == {
                ("absent", attempt, None, None)
            }
            waits.append({round((row.next_at - row.asked_at) / MINUTE) for row in rows})
            ask(world)
            assert {fleet.row(phone).attempts for phone in phones} == {attempt}, "nobody is asked before its time"
            world.at(max(row.next_at for row in rows))
        assert waits == [{1}, {2}, {4}, {8}, {16}, {32}, {60}, {60}]
        assert Rollout.objects.get(generation=2).state == "running"
        assert not Installation.objects.filter(generation=2, confirmed_at__isnull=False).exists()

        for one in sockets:
            one.is_back()
        ask(world)
        assert {fleet.row(phone).state for phone in phones} == {"heard"}
        assert [len(one.heard) for one in sockets] == [1, 1, 1]
        fleet.fetch(*phones)
        world.beat()

    assert fleet.states(2) == {"confirmed": 3}
    assert world.states == {1: "superseded", 2: "active"}
