"""The key of each pair signs which pair is served, and what it has signed stays when it goes (rule signed-succession).

What is signed is read as an agent reads it.
"""

import pytest

from certificates.models import Generation, Transition
from certificates.pki.succession import number_of
from certificates.renewal import orders
from terminals.agent.succession import is_proved
from tests.support.generations import DAY, START


def proves(world, signer, served, *, after):
    """Whether the signature of this pair leads an agent, that knows the change `after`, to that one."""
    by, to = world.generation(signer), world.generation(served)
    return is_proved(to.root, by=by.root, after=after, signatures=[by.succession])


@pytest.fixture
def switched(prepared):
    """The second pair is active; the first is superseded."""
    prepared.once("a person activates", prepared.activate)
    assert prepared.states == {1: "superseded", 2: "active"}
    return prepared


def newest():
    return Transition.objects.newest_pk()


def test_during_a_handover_both_say_that_the_first_is_served_and_the_second_next(prepared):
    for signer in (1, 2):
        assert number_of(prepared.generation(signer).succession) == newest()
        assert proves(prepared, signer, 1, after=newest() - 1)
        assert proves(prepared, signer, 2, after=newest() - 1)


def test_after_the_switch_neither_leads_to_the_first(switched):
    for signer in (1, 2):
        assert not proves(switched, signer, 1, after=0)
        assert proves(switched, signer, 2, after=0)


def test_after_a_roll_back_the_second_leads_to_the_first(switched):
    before = newest()
    switched.roll_back()
    assert switched.states == {1: "active", 2: "held"}
    assert proves(switched, 2, 1, after=before)
    # Only a key that an agent has seen in service since can say so: here that of the second pair.
    assert not is_proved(
        switched.generation(1).root,
        by=switched.generation(2).root,
        after=before,
        signatures=[switched.generation(1).succession],
    )


def test_after_a_failed_switch_it_does_so_too_with_a_higher_number_than_during_it(running):
    running.refuse_to_reload()
    running.generate()
    before = newest()
    running.activate()
    assert running.states == {1: "active", 2: "held"}
    to_second = Transition.objects.get(generation=2, to_state="active").pk
    assert to_second > before
    assert proves(running, 2, 1, after=to_second)


@pytest.mark.parametrize("end", ["discard", "withdraw", "replace"])
def test_a_key_that_goes_has_signed_before(switched, end):
    before = newest()
    switched.roll_back()
    if end == "discard":
        switched.discard()
    elif end == "withdraw":
        switched.withdraw(2)
    else:
        switched.generate()
    assert switched.generation(2).host_key is None
    assert proves(switched, 2, 1, after=before)
    assert not proves(switched, 2, 2, after=0)


def test_a_pair_that_is_withdrawn_in_service_leads_to_the_one_that_takes_over(switched):
    before = newest()
    switched.withdraw(2)
    assert switched.states == {1: "superseded", 2: "withdrawn", 3: "active"}
    assert proves(switched, 2, 3, after=before)
    assert not proves(switched, 2, 1, after=0)


def test_a_held_pair_that_has_ended_is_not_named_as_next(switched):
    switched.roll_back()
    Generation.objects.filter(number=2).update(end=START + DAY)
    switched.at(START + 2 * DAY)
    assert switched.situation.succession.next == ()


def test_a_key_that_is_lost_keeps_no_other_from_signing(prepared):
    before = number_of(prepared.generation(2).succession)
    Generation.objects.filter(number=2).update(host_key=b"gAAAAA" + b"A" * 90)
    orders.discard(prepared.clock(), by="otto")
    prepared.beat()
    assert number_of(prepared.generation(1).succession) == newest() > before
    assert number_of(prepared.generation(2).succession) == before


def test_an_installation_of_the_version_before_signs_with_its_next_heartbeat(running):
    Generation.objects.update(succession="")
    running.beat()
    assert proves(running, 1, 1, after=0)


def test_with_nothing_new_nothing_is_signed_again(running):
    before = running.generation(1).succession
    # A signature with P-256 is another one each time.
    running.beat()
    assert running.generation(1).succession == before
