"""In which place each pair stands, whatever became of those before (rule places-of-anchors)."""

from contextlib import suppress
from itertools import count, pairwise

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from certificates.models import Generation
from certificates.renewal.orders import StateRefused
from certificates.renewal.ranks import MadePair, made_pairs
from terminals.places_of_anchors import places_of
from terminals.web.snapshot import Snapshot
from tests.support.copies import DatabaseCopy
from tests.support.generations import HOUR, a_world

pytestmark = pytest.mark.simulation


PLACES = 6


class Histories:
    """What may happen to an installation. `places`: of the pairs of the bundle, as they are found after each step."""

    def __init__(self, world):
        self.world = world
        self.copy = None
        self.places = []

    def happens(self, step):
        self.world.after(HOUR)
        with suppress(StateRefused):
            getattr(self, step)()
        self.look()

    def look(self):
        every = places_of(made_pairs(), PLACES)
        self.places.append({pair.root_sha256: every[pair.number] for pair in self.world.situation.in_bundle})

    def generate(self):
        self.world.generate()

    def serve(self):
        if self.world.pending:
            self.world.activate()

    def serve_in_vain(self):
        self.world.refuse_to_reload()
        self.serve()
        self.world.reload_again()

    def roll_back(self):
        self.world.roll_back()

    def roll_back_in_vain(self):
        self.world.refuse_to_reload()
        with suppress(StateRefused):
            self.world.roll_back()
        self.world.reload_again()

    def discard(self):
        self.world.discard()

    def withdraw_what_waits(self):
        if self.world.pending:
            self.world.withdraw(self.world.pending.number)

    def withdraw_what_is_served(self):
        self.world.withdraw(self.world.active.number)

    def withdraw_what_was_served(self):
        if before := self.world.situation.served_before:
            self.world.withdraw(before.number)

    def copy_database(self):
        self.copy = DatabaseCopy()

    def restore_database(self):
        """What the copy does not know of the pairs is gone, and the store has said which places they have."""
        if self.copy:
            self.copy.put_back()
            self.world.beat()
            assert not self.world.situation.standing.rests


STEPS = [name for name in vars(Histories) if not name.startswith("_") and name not in {"happens", "look"}]
IN_VAIN = ["generate", "serve_in_vain"]


@pytest.fixture
def histories(db, tmp_path, key_file, settings):
    numbers = count()

    def of(steps):
        """All of it is taken back, so that each history begins with the first pair."""
        settings.STORE = tmp_path / f"store{next(numbers)}"
        with transaction.atomic():
            history = Histories(a_world(settings.STORE))
            history.happens("generate")
            for step in steps:
                history.happens(step)
            transaction.set_rollback(True)
        return history.places

    return of


@settings(
    max_examples=settings.default.max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=14))
@example(steps=[*IN_VAIN * 5, "generate"])
@example(steps=["generate", "serve", *IN_VAIN * 4, "generate", "serve", "roll_back", "serve"])
@example(
    steps=["copy_database", "generate", "discard", *["generate", "serve"] * 4, "generate", "restore_database", "serve"]
)
@example(steps=["copy_database", *IN_VAIN * 3, "generate", "serve", "generate", "restore_database", "serve"])
def test_those_that_are_handed_out_never_share_a_place_and_each_keeps_its_own(histories, steps):
    seen = histories(steps)

    assert seen[-1]
    for places in seen:
        assert len(set(places.values())) == len(places)
    for before, after in pairwise(seen):
        assert [after[number] for number in before.keys() & after] == [
            before[number] for number in before.keys() & after
        ]


def test_what_was_tried_and_gone_back_from_takes_no_place(histories):
    assert sorted(histories([*IN_VAIN * 5, "generate"])[-1].values()) == [0, 1]


def test_those_that_were_served_move_on(histories):
    assert [*histories(["generate", "serve"] * 7)[-1].values()] == [1, 0]


def test_two_that_took_over_from_each_other_have_two_places_and_the_next_one_a_third():
    pairs = [MadePair(3, 2, False, False), MadePair(2, 1, True, False), MadePair(1, 2, True, False)]

    assert len(set(places_of(pairs, PLACES).values())) == 3


def test_the_prepared_one_stands_behind_the_served_one_also_where_it_does_not_say_what_it_follows(world):
    """As where an older copy does not know that; by its number alone it would have the place of the served one."""
    for _discarded in range(PLACES - 1):
        world.after(HOUR).generate()
        world.discard()
    world.after(HOUR).generate()
    Generation.objects.filter(number=PLACES + 1).update(replaces=99)

    found = places_of(made_pairs(), PLACES)

    assert (found[1], found[PLACES + 1]) == (0, 1)


def test_the_place_of_a_withdrawn_one_is_emptied_only_where_nothing_else_can_have_come_there_since():
    def emptied(rank_of_served):
        pairs = (MadePair(9, 0, True, False, rank_of_served), MadePair(1, 0, True, True))
        return Snapshot(pairs=pairs).places(PLACES).emptied

    assert emptied(PLACES - 1) == (0,)
    # One that an older copy does not know was the next in this place.
    assert emptied(PLACES + 1) == ()


def test_with_two_places_a_handover_would_drive_one_out():
    with pytest.raises(ValueError, match="3 pairs"):
        places_of([], 2)


def test_a_long_history_costs_one_query_and_no_depth_of_calls(world, django_assert_num_queries):
    with django_assert_num_queries(1):
        pairs = made_pairs()
    assert [pair.number for pair in pairs] == [1]
    assert Generation.objects.count() == 1

    many = [MadePair(number, number - 1, True, False) for number in range(5000, 0, -1)]
    assert places_of(many, PLACES)[5000] == 4999 % PLACES
