"""Every code that the product leaves behind has a sentence of its own."""

import ast
from pathlib import Path

import pytest
from django.utils import translation

from certificates.models import Generation, Settings, Switch, Transition
from certificates.pki import errors
from certificates.pki.lifetime import DueBecause, MakeBecause
from certificates.status import words

State = Generation.State
RENEWAL = Path(words.__file__).parent.parent / "renewal"


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


# What is told of a pair without a change of its state, and in which state the pair is then.
REMARKS = {
    "deadline_moved": {State.PREPARED, State.HELD},
    "withdrawn": {State.ACTIVE},
    "key_mended": {State.PREPARED, State.HELD, State.ACTIVE, State.SUPERSEDED},
}


def codes_in_source():
    """Every literal `why=` that the life of a generation writes, with the state in which it is written."""
    return {
        (state, keyword.value.value)
        for module in sorted(RENEWAL.glob("*.py"))
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "why" and isinstance(keyword.value, ast.Constant)
        for state in states_written(call, keyword.value.value)
    }


def states_written(call, why):
    """The state that a call names, else that of the function called; a function that is not known here fails the test."""
    named = {
        State[node.attr]
        for node in ast.walk(call)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "State"
    }
    if named:
        return named
    called = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
    if called == "remark":
        return REMARKS[why]
    return {"discard_pair": {State.DISCARDED}}[called]


def told(to_state, why):
    return words.transition(Transition(to_state=to_state, why=why))


@pytest.mark.parametrize(("state", "why"), sorted(codes_in_source()))
def test_every_code_in_the_source_is_told_in_the_state_in_which_it_is_written(state, why):
    assert told(state, why)


def test_the_codes_are_found_in_the_source():
    found = codes_in_source()

    assert {(State.PREPARED, "made"), (State.DISCARDED, "ahead"), (State.ACTIVE, "switch_failed")} <= found
    assert {(state, why) for why, states in REMARKS.items() for state in states} <= found


@pytest.mark.parametrize("state", sorted({*State} - {State.FAILED, State.WITHDRAWN}))
def test_what_nobody_writes_is_told_in_no_state(state):
    """A state that had words for every code would hide that one is missing."""
    assert told(state, "nobody writes this") == ""


@pytest.mark.parametrize("why", [*MakeBecause, "withdrawal", ""])
def test_why_it_was_made_is_told(why):
    assert told(State.MAKING, why)


@pytest.mark.parametrize("why", Switch.Why)
@pytest.mark.parametrize("state", [State.ACTIVE, State.SUPERSEDED, State.HELD])
def test_every_switch_is_told(state, why):
    assert told(state, why)


def test_an_end_means_something_else_for_a_pair_that_was_never_served():
    assert told(State.DISCARDED, "ended") != told(State.MAKING, "ended") == told(State.ACTIVE, "ended")


def failures() -> list[str]:
    known = [getattr(errors, name) for name in dir(errors)]
    pairs = [kind.__name__ for kind in known if isinstance(kind, type) and issubclass(kind, errors.PairError)]
    return [name for name in pairs if name != "PairError"] + [
        "IdentityError",
        "HostKeyError",
        "Overtaken",
        "not_finished",
    ]


@pytest.mark.parametrize("code", failures())
def test_every_failure_has_words_and_a_hint_of_its_own(code):
    text, hint = words.failure(code)

    assert text
    assert hint
    assert text != words.failure("unexpected")[0]


def test_a_failure_that_nobody_knows_has_words_too():
    assert all(words.failure("unexpected"))
    assert words.failure("SomethingNew") == words.failure("unexpected")


@pytest.mark.parametrize("because", DueBecause)
@pytest.mark.parametrize("overlap", [0, 30])
def test_every_reason_for_a_date_is_told(because, overlap):
    settings = Settings(interval_days=365, overlap_days=overlap)
    assert words.due_because(because, settings=settings, active=Generation(interval_days=365))


@pytest.mark.parametrize("trigger", Generation.Trigger)
def test_every_trigger_is_told_with_its_person(trigger):
    text = words.made_by(Generation(trigger=trigger, by="anna"))

    assert ("anna" in text) is (trigger != Generation.Trigger.SCHEDULE)
