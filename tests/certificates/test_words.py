"""Every code that the product leaves behind has a sentence of its own."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import translation

from certificates import words
from certificates.models import Generation, Switch, Transition
from certificates.pki import errors
from certificates.pki.lifetime import DueBecause, MakeBecause

State = Generation.State
PACKAGE = Path(words.__file__).parent


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def codes_in_source():
    """Every literal `why=` that the life of a generation writes."""
    found = set()
    for name in ("lifecycle", "making", "reconciling", "switching"):
        for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text())):
            if isinstance(node, ast.keyword) and node.arg == "why" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
    return found


def told(to_state, why):
    return words.transition(Transition(to_state=to_state, why=why))


def test_every_code_in_the_source_is_told_in_some_state():
    silent = {why for why in codes_in_source() if not any(told(state, why) for state in State)}

    assert silent == set()
    assert {"made", "replaced", "discarded", "withdrawn", "deadline_moved", "switch_failed"} <= codes_in_source()


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
    assert words.due_because(because, interval_days=365, overlap_days=overlap)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=59), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=395, hours=23), "395 days"),
    ],
)
def test_a_length_of_time_is_rounded_down(length, text):
    assert words.span(length) == text


@pytest.mark.parametrize("trigger", Generation.Trigger)
def test_every_trigger_is_told_with_its_person(trigger):
    text = words.made_by(Generation(trigger=trigger, by="anna"))

    assert ("anna" in text) is (trigger != Generation.Trigger.SCHEDULE)
