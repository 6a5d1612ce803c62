"""Claims by two at once: between the choice and the claim another may write."""

import pytest
from django.db import connection
from django.db.models import Q

from terminals.models import Installation, Rollout
from terminals.rollout import claims, rounds
from terminals.states import Wave
from tests.support.generations import DAY, HOUR


@pytest.fixture
def waiting(fleet, world):
    """Six phones that wait for generation 2."""
    fleet.once("six", lambda: fleet.equipped(6))
    fleet.once("by day", world.after(DAY + 8 * HOUR).generate)
    rounds.reconcile_rollouts(world.situation)
    return list(Installation.objects.filter(generation=2).order_by("pk").values_list("pk", flat=True))


def claim(world, *, at_once=20):
    return [ask.key for ask in claims.claim(2, Q(), at_once=at_once, now=world.now, machine=world.now)]


def meanwhile(change):
    """Another's change right after the terminals were chosen."""

    def write(execute, sql, *rest):
        result = execute(sql, *rest)
        if changes and 'FROM "terminals_installation"' in sql and "ORDER BY" in sql:
            changes.pop()()
        return result

    changes = [change]
    return connection.execute_wrapper(write)


def test_who_was_claimed_or_has_confirmed_meanwhile_is_left_out(world, waiting):
    def change():
        Installation.objects.filter(pk=waiting[0]).update(state="asked")
        Installation.objects.filter(pk=waiting[1]).update(state="confirmed", confirmed_at=world.now)

    with meanwhile(change):
        assert sorted(claim(world)) == waiting[2:]
    assert Installation.objects.get(pk=waiting[0]).attempts == 0


def test_who_was_put_off_meanwhile_is_left_out(world, waiting):
    with meanwhile(
        lambda: Installation.objects.filter(pk=waiting[0]).update(next_at=world.now + HOUR / 2, postponed=1)
    ):
        assert sorted(claim(world)) == waiting[1:]


def test_places_that_were_taken_meanwhile_are_not_given_twice(world, waiting):
    with meanwhile(lambda: Installation.objects.filter(pk__in=waiting[4:]).update(state="heard")):
        assert len(claim(world, at_once=3)) == 1
    assert claims.in_flight(2) == 3


def test_those_of_the_work_list_take_no_place(world, waiting):
    Installation.objects.filter(pk__in=waiting[:3]).update(state="heard")
    Installation.objects.filter(pk__in=waiting[:2]).update(wave=Wave.BY_HAND)

    assert claims.in_flight(2) == 1
    assert len(claim(world, at_once=2)) == 1


def test_nobody_is_claimed_for_a_rollout_that_was_paused_meanwhile(world, waiting):
    with meanwhile(lambda: Rollout.objects.update(state=Rollout.State.PAUSED)):
        assert claim(world) == []
    assert claims.in_flight(2) == 0


def test_a_second_claim_takes_the_others(world, waiting):
    first, second = claim(world, at_once=4), claim(world, at_once=6)
    assert len(first) == 4
    assert sorted(first + second) == waiting
