"""The check of certificates is turned on telephone by telephone while the product runs: over TLS, NOTIFY and sockets (rule checking)."""

import pytest

from tests.support.checking_site import CheckingSite
from tests.support.running import wait_for

pytestmark = [pytest.mark.process, pytest.mark.takes_minutes]

NUMBER = 24
ANOTHER_TIME = 3 * 60
MUCH_LATER = 3 * 24 * 3600


@pytest.fixture
def site(tmp_path):
    with CheckingSite(tmp_path) as site:
        yield site


def holds(states, **expected):
    return {state: count for state, count in states.items() if count} == expected


def come_back(site, *numbers):
    """What was read is some minutes ago, and they ask again: over TLS, and with the check."""
    site.time_passes(ANOTHER_TIME, *numbers)
    site.poll(*numbers)


def test_one_goes_first_then_as_many_as_there_are_places_then_the_rest_and_who_is_lost_is_told_to_stop(site):
    site.furnish(NUMBER)
    *all_but_one, without_evidence = site.phones
    site.enable(without_evidence, enabled=False)
    with site.one_heartbeat_after_the_other():
        site.poll(*all_but_one)
        wait_for(lambda: site.confirmed(1) == set(all_but_one), what="the evidence of all but one")

        wait_for(lambda: holds(site.states(), read=1), what="the first one that has read it")
        (first,) = site.checking()
        assert site.phones[first].checks
        come_back(site, first)
        wait_for(lambda: site.states()["shown"], what="the first one back")
        # One that was notified before it had come for the first time has restarted for that (rule first-notify).
        restarts = {number: phone.restarts for number, phone in site.phones.items()}

        wait_for(lambda: holds(site.states(), shown=1, read=20), what="as many as there are places")
        others = [number for number, state in site.checking().items() if state == "read"]
        come_back(site, *others)
        wait_for(lambda: site.states()["shown"] == 21, what="all of them back")

        wait_for(lambda: holds(site.states(), shown=21, read=2), what="the rest, at once")
        lost, kept = (number for number, state in site.checking().items() if state == "read")
        site.phones[lost].is_off = True
        come_back(site, kept)
        site.time_passes(MUCH_LATER, lost)
        wait_for(lambda: site.checking()[lost] == "taken_back", what="that it is told to stop")
        wait_for(lambda: "checking_not_back" in site.messages(), what="a message that says so")

        site.enable(without_evidence)
        site.poll(without_evidence)
        wait_for(lambda: without_evidence in site.confirmed(1), what="the evidence of the last one")
        site.wait_for_a_heartbeat()
        assert without_evidence not in site.checking(), "nobody is told until a person goes on"

        site.phones[lost].is_off = False
        assert site.phones[lost].checks
        wait_for(lambda: site.poll(lost) or not site.phones[lost].checks, seconds=10, what="a file that says to stop")

    assert [number for number, phone in site.phones.items() if phone.refused] == []
    assert {number: phone.checks for number, phone in site.phones.items()} == {
        number: number not in {lost, without_evidence} for number in site.phones
    }
    restarted = {number: site.phones[number].restarts - restarts[number] for number in (first, *others, kept)}
    assert restarted == {first: 0, **dict.fromkeys((*others, kept), 1)}


def test_a_renewal_costs_nobody_who_checks_anything(site):
    site.furnish(3)
    checking, *others = site.phones
    for number in others:
        site.enable(number, enabled=False)
    with site.one_heartbeat_after_the_other():
        site.poll(checking)
        wait_for(lambda: site.checking().get(checking) == "read", what="the one that is told")
        come_back(site, checking)
        wait_for(lambda: site.checking()[checking] == "shown", what="it is back")
        phone = site.phones[checking]
        restarts = phone.restarts

        assert site.generate() == 2
        for number in others:
            site.enable(number)
        site.poll(*others)
        wait_for(lambda: site.confirmed(1) == {*site.phones}, what="the evidence of the others")
        wait_for(lambda: site.confirmed(2) == {*site.phones}, what="that all have both, because a NOTIFY asks them")
        assert site.checking() == {checking: "shown"}, "nobody is told while a handover is under way"
        wait_for(lambda: site.serves() == 2, what="the switch")

        wait_for(lambda: site.presents(2), what="a listener that presents the second pair")
        site.poll()
        assert (phone.refused, phone.checks, phone.restarts) == ([], True, restarts)
        wait_for(lambda: holds(site.states(), shown=1, read=2), what="the others, now that the handover is over")

    # It does check: without the second root it goes on with nobody.
    first_root, *_second = phone.own
    phone.own = [first_root]
    site.poll(checking)
    assert phone.refused
