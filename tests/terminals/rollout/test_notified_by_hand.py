"""SIP standard terminals on real sockets: a NOTIFY only where their type has an event string, and never a confirmation by it."""

from contextlib import ExitStack

import pytest

from terminals.models import DeliverySettings, Installation, Terminal, TerminalType
from terminals.rollout import orders, rounds
from terminals.rollout.sip_sender import SipSender
from tests.support.generations import DAY, HOUR, MINUTE
from tests.support.sip_phone import a_phone


class Desks:
    """Terminals of types with these event strings, each on a socket of its own; `heard` are its requests by number."""

    def __init__(self, world, stack):
        self.world, self._stack = world, stack
        self.heard = {}

    def add(self, event, *, status="200 OK"):
        port, requests = self._stack.enter_context(a_phone(status))
        kind = TerminalType.objects.get_or_create(
            name=f"A desk {event}", defaults={"method": "sip_standard", "event": event}
        )[0]
        number = str(201 + len(self.heard))
        terminal = Terminal.objects.create(
            number=number, type=kind, address=f"127.0.0.1:{port}", way="direct", path_secret=number
        )
        self.heard[number] = requests
        return terminal

    def round(self):
        current = rounds.reconcile_rollouts(self.world.situation)
        with SipSender(self.world.situation, DeliverySettings.load()) as sender:
            rounds.RolloutRound(self.world.situation, current, sender).run()
        return current

    def asked(self):
        return {number: len(requests) for number, requests in self.heard.items()}


@pytest.fixture
def desks(world):
    with ExitStack() as stack:
        yield Desks(world, stack)


def row(terminal):
    return Installation.objects.get(generation=2, terminal=terminal)


def prepare(world, *, at=0 * HOUR):
    """A pair to be handed over, at 02:00 in Zurich, when the window opens, or so much later."""
    world.after(DAY + at).generate()


def test_it_is_asked_with_the_event_of_its_type_and_one_without_an_event_never_is(world, desks):
    yealink, snom, plain = (desks.add(event) for event in ("check-sync;reboot=false", "resync", ""))
    prepare(world)

    desks.round()

    assert desks.asked() == {"201": 1, "202": 1, "203": 0}
    assert "\r\nEvent: check-sync;reboot=false\r\n" in desks.heard["201"][0]
    assert "\r\nEvent: resync\r\n" in desks.heard["202"][0]
    assert [row(one).status_code for one in (yealink, snom, plain)] == [200, 200, None]


def test_its_200_confirms_nothing_however_often_it_is_heard(world, desks):
    terminal = desks.add("check-sync")
    prepare(world)
    for _round in range(5):
        desks.round()
        world.after(HOUR)

    assert desks.asked() == {"201": 1}, "asked once, and not again by itself"
    assert (row(terminal).state, row(terminal).confirmed_at, row(terminal).evidence) == ("waiting", None, "")
    world.beat()
    assert world.states == {1: "active", 2: "prepared"}, "the server waits for a person"

    orders.confirm(world.situation, Terminal.objects.all(), generation=2, by="otto", at=world.now)
    assert (row(terminal).state, row(terminal).evidence) == ("confirmed", "person")
    world.beat()
    assert world.states == {1: "superseded", 2: "active"}


@pytest.mark.parametrize("status", ["489 Bad Event", "403 Forbidden", "500 Server Internal Error"])
def test_what_it_refuses_leaves_it_on_the_work_list_and_fails_nothing(world, desks, status):
    terminal = desks.add("check-sync", status=status)
    prepare(world)

    desks.round()
    current = desks.round()

    assert desks.asked() == {"201": 1}
    assert (row(terminal).state, row(terminal).status_code) == ("waiting", int(status[:3]))
    current.refresh_from_db()
    assert current.state == "running"


def test_one_that_is_busy_is_asked_again_later(world, desks):
    terminal = desks.add("check-sync", status="486 Busy Here")
    prepare(world)

    desks.round()
    desks.round()
    assert desks.asked() == {"201": 1}

    world.after(2 * MINUTE)
    desks.round()
    assert desks.asked() == {"201": 2}
    assert row(terminal).state == "waiting"


def test_by_day_it_is_left_alone_because_some_restart_for_it(world, desks):
    desks.add("check-sync")
    prepare(world, at=8 * HOUR)

    desks.round()
    assert desks.asked() == {"201": 0}

    orders.restart_now(desks.round(), by="otto", at=world.now)
    desks.round()
    assert desks.asked() == {"201": 1}


def test_an_administrator_who_no_longer_wants_it_empties_the_event_of_the_type(world, desks):
    terminal = desks.add("check-sync")
    TerminalType.objects.filter(pk=terminal.type_id).update(event="")
    prepare(world)

    current = desks.round()

    assert desks.asked() == {"201": 0}
    assert orders.notify(current, [terminal.pk], by="otto", at=world.now) == 0


def test_a_person_can_have_it_asked_once_more_from_the_work_list(world, desks):
    first, second = desks.add("check-sync"), desks.add("check-sync")
    prepare(world)
    current = desks.round()
    assert orders.notify(current, [first.pk], by="otto", at=world.now) == 1

    desks.round()
    desks.round()

    assert desks.asked() == {"201": 2, "202": 1}
    assert {row(first).state, row(second).state} == {"waiting"}
