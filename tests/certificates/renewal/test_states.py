"""The table of states, and that nothing gets past it (rule state-table)."""

import ast

import pytest
from django.db import IntegrityError, transaction

from certificates.models import Generation, Transition
from certificates.renewal import states
from tests.support.generations import START, State
from tests.support.sources import without_migrations

ALLOWED = [(old, new) for old, allowed in states.TRANSITIONS.items() for new in State if new in allowed]


def a_row(state, number=1, **values):
    times = dict.fromkeys(("made_at", "not_before", "planned", "end"), START)
    return Generation.objects.create(number=number, state=state, replaces=0, ordered_at=START, **times, **values)


@pytest.mark.parametrize(("old", "new"), ALLOWED)
def test_a_change_of_the_table_is_made_and_recorded(db, old, new):
    row = a_row(old)
    states.move(row, new, now=START, by="anna", why="because", reason="r" * 600)

    assert row.state == Generation.objects.get().state == new
    change = Transition.objects.get()
    assert (change.from_state, change.to_state) == (old, new)
    assert (change.at, change.by, change.why, change.reason) == (START, "anna", "because", "r" * 500)


@pytest.mark.parametrize("old", State)
def test_any_other_change_is_refused_and_changes_nothing(db, old):
    row = a_row(old)
    for new in set(State) - states.TRANSITIONS[old]:
        with pytest.raises(states.StateChangeNotAllowed):
            states.move(row, new, now=START, held_because="rolled_back")
        assert row.state == old
        assert Generation.objects.filter(state=old, held_because="").exists()
    assert not Transition.objects.exists()


def test_the_table_knows_every_state_and_what_is_over_never_serves_again():
    over = {State.FAILED, State.DISCARDED, State.WITHDRAWN}

    assert states.TRANSITIONS.keys() == set(State)
    assert [state for state in over if states.TRANSITIONS[state] - over] == []
    assert [state for state in State if State.MAKING in states.TRANSITIONS[state]] == []


def test_who_comes_second_is_told_and_changes_nothing(db):
    first, second = a_row("prepared"), Generation.objects.get()
    states.move(first, State.DISCARDED, now=START)
    with pytest.raises(states.GenerationOvertaken):
        states.move(second, State.ACTIVE, now=START)
    assert Generation.objects.get().state == "discarded"
    assert Transition.objects.count() == 1


def test_fields_and_state_change_together_or_not_at_all(db):
    row = a_row("prepared")
    with pytest.raises(IntegrityError):
        states.move(row, State.ACTIVE, now=START, end=None)
    assert row.state == Generation.objects.get().state == "prepared"


@pytest.mark.parametrize("together", [("active", "active"), ("prepared", "held"), ("held", "held")])
def test_the_database_itself_refuses_a_second_pair_of_a_kind(db, together):
    a_row(together[0], 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.create(
            number=2,
            state=together[1],
            replaces=1,
            ordered_at=START,
            **dict.fromkeys(("made_at", "not_before", "planned", "end"), START),
        )
    assert Generation.objects.count() == 1


def _writes_of_state(source):
    """Where a state is written: `x.state = ...`, `.update(state=...)`, `setattr(x, "state", ...)`, a list of fields to save."""
    for node in ast.walk(source):
        targets = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets):
            yield node.lineno
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)]
        by_keyword = any(keyword.arg == "state" for keyword in node.keywords)
        if (name in {"update", "create", "get_or_create", "update_or_create", "Generation"} and by_keyword) or (
            name in {"setattr", "bulk_update", "save"} and "state" in texts
        ):
            yield node.lineno


def test_no_other_code_changes_a_state():
    code = {name: tree for name, tree in without_migrations().items() if not name.startswith("terminals/")}
    found = {name for name, tree in code.items() if list(_writes_of_state(tree))}
    # The deliveries of event messages have states of their own.
    assert found - {"pbxcerts/system/notifications/claims.py"} == {"certificates/renewal/states.py"}


@pytest.mark.parametrize(
    "bypass",
    [
        "generation.state = State.ACTIVE",
        "Generation.objects.filter(number=1).update(state='active')",
        "Generation.objects.create(number=1, state='active')",
        "setattr(generation, 'state', 'active')",
        "Generation.objects.bulk_update(rows, ['state'])",
        "generation.save(update_fields=['state'])",
    ],
)
def test_that_search_finds_what_it_is_for(bypass):
    assert list(_writes_of_state(ast.parse(bypass))) == [1]


def test_that_search_lets_reading_be():
    reading = "Generation.objects.filter(state='active').update(deadline=at); x = y.state"
    assert not list(_writes_of_state(ast.parse(reading)))
