"""One generation to all telephones, from the first question to the switch of the server."""

import pytest

from terminals.drivers.base import Reaction
from terminals.models import Rollout, Terminal
from terminals.rollout import orders
from tests.support.generations import HOUR, MINUTE, SECOND

pytestmark = pytest.mark.simulation


def test_a_prepared_pair_is_rolled_out_and_the_server_switches_when_all_have_confirmed(fleet, world, renew):
    [phone] = fleet.equipped()
    current = renew()
    assert (current.generation_id, current.state) == (2, "running")
    assert len(phone.notified) == 1
    assert fleet.row(phone).state == "heard"
    assert world.states == {1: "active", 2: "prepared"}

    fleet.during(5 * MINUTE)

    row = fleet.row(phone)
    assert (row.state, row.evidence, row.attempts) == ("confirmed", "fetched", 1)
    assert row.asked_at < row.answered_at < row.fetched_at == row.confirmed_at
    assert world.states == {1: "superseded", 2: "active"}
    assert len(phone.notified) == 1


def test_the_server_waits_as_long_as_one_is_missing(fleet, world, renew):
    fleet.equipped()
    silent, *_ = fleet.equipped(of=fleet.type("Mitel 6869i"))
    silent.answer = Reaction.ABSENT
    renew()
    fleet.during(3 * HOUR)
    assert fleet.states() == {"absent": 1, "confirmed": 1}
    assert world.states == {1: "active", 2: "prepared"}


def test_ip_system_phones_are_exchanged_by_day_and_prove_it(fleet, world, renew):
    phones = fleet.equipped(5, of=fleet.type("IP system phone", "ip_system"))
    for phone in phones:
        phone.reboot = SECOND
    renew(at=10 * HOUR)
    fleet.during(5 * MINUTE)
    assert {fleet.row(phone).evidence for phone in phones} == {"proved"}
    assert world.states == {1: "superseded", 2: "active"}


def test_a_manual_terminal_waits_on_the_work_list_until_a_person_confirms_it(fleet, world, renew):
    [desk] = fleet.add(of=fleet.type("Yealink T54W", "sip_standard"))
    renew()
    fleet.during(2 * HOUR)
    assert (fleet.row(desk).state, fleet.row(desk).wave, desk.notified) == ("waiting", 0, [])

    terminals = Terminal.objects.filter(pk=desk.terminal.pk)
    assert orders.confirm(world.situation, terminals, generation=2, by="otto", at=world.now) == 1

    row = fleet.row(desk)
    assert (row.state, row.evidence, row.confirmed_by) == ("confirmed", "person", "otto")
    fleet.beat()
    assert world.states == {1: "superseded", 2: "active"}


def test_where_no_terminal_is_known_there_is_no_rollout(fleet, renew):
    assert renew() is None
    assert not Rollout.objects.exists()
