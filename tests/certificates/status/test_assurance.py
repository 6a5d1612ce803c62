"""The sentence that answers whether calls are secured: true in every state of the rules, in both languages."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from certificates.pki.errors import PairError
from certificates.renewal import making, orders
from certificates.renewal.handover import Readiness
from certificates.renewal.situation import Situation
from certificates.status.assurance import Assurance
from certificates.status.awaited_switch import AwaitedSwitch
from certificates.status.next_generation import NextGeneration
from pbxcerts.system.time.clock import ClockState
from tests.support.copies import DatabaseCopy
from tests.support.generations import DAY, HOUR, MINUTE, START, missing

END_OF_1 = "31 Jul 2027, 01:59"
NEXT = "1 Jul 2027, 02:00"
DEADLINE = "16 Jul 2027, 02:00"


def assurance(world, clock=None, *, readiness=None, works=True, language="en"):
    situation = Situation.load(clock or world.clock(), store=world.store)
    pending = situation.pending
    awaited = None if pending is None else AwaitedSwitch(situation, readiness or Readiness(), pending)
    with translation.override(language), timezone.override(situation.general.zone):
        return Assurance.of(situation, awaited, NextGeneration.of(situation), works=works)


def said(world, clock=None, **known):
    found = assurance(world, clock, **known)
    return found.severity, found.text


def test_before_the_first_generation_nothing_is_secured(world):
    severity, text = said(world)
    assert (severity, "there are no certificates yet" in text) == ("critical", True)


def test_while_the_first_one_is_made_it_says_so(world):
    orders.order_generation(world.clock(), orders.GenerationOrder("page", by="anna"))
    assert said(world) == ("normal", "The first certificates are being made.")


def test_an_active_pair_that_is_renewed_in_time_is_all_right(running):
    assert said(running) == (
        "ok",
        f"Calls are secured until {END_OF_1}. They are renewed by themselves on {NEXT}.",
    )


def test_without_the_worker_nothing_is_promised(running):
    severity, text = said(running, works=False)
    assert severity == "critical"
    assert text.startswith(f"Calls are secured until {END_OF_1}. Nothing is renewed by itself any more")
    assert "by themselves" not in text


def test_a_clock_that_lets_nothing_be_made_leaves_the_date_open(running):
    running.at("2027-07-02 00:00")
    severity, text = said(running, running.clock(offset=-13 * HOUR))
    assert (severity, text) == ("serious", f"Calls are secured until {END_OF_1}. When they are renewed is not known.")


LAST_CHANCE = "16 Jul 2027, 02:00"


@pytest.mark.parametrize(("state", "severity"), [("off", "critical"), ("unanswered", "serious"), ("wrong", "serious")])
def test_a_clock_that_would_hold_the_renewal_up_is_named_before_it_does(running, state, severity):
    assert said(running, running.clock(ClockState(state))) == (
        severity,
        f"Calls are secured until {END_OF_1}. They are renewed on {NEXT} if the clock is right by then, else from"
        f" {LAST_CHANCE} on all the same.",
    )


def test_a_clock_that_even_the_last_chance_does_not_take_is_a_condition(running):
    assert said(running, running.clock(offset=-13 * HOUR)) == (
        "critical",
        f"Calls are secured until {END_OF_1}. They are renewed on {NEXT} only if the clock is right by then.",
    )


def test_a_renewal_that_waits_for_the_clock_is_no_promise(running):
    running.at("2027-07-02 00:00")
    severity, text = said(running, running.clock(ClockState.OFF))
    assert severity == "critical"
    assert "They are renewed as soon as the clock is right, and on " in text
    assert "by themselves" not in text


def test_after_a_failed_renewal_it_names_the_next_try(running, monkeypatch):
    def refuse(**options):
        raise PairError("no")

    # Nothing that an administrator can enter makes the pure core fail, so its failure is put in its place.
    monkeypatch.setattr(making, "make_pair", refuse)
    running.at("2027-07-01 00:00").beat()
    severity, text = said(running)
    assert severity == "serious"
    assert "The last renewal has failed; the next try is on" in text


def test_in_a_handover_it_names_the_deadline(handing_over):
    assert said(handing_over) == (
        "ok",
        f"Calls are secured until {END_OF_1}. The communication server switches to generation 2 on {DEADLINE} at the latest.",
    )


def test_a_deadline_that_is_held_up_is_no_promise(handing_over):
    handing_over.at("2027-07-16 01:00")
    stopped = Readiness(counting=2, **missing("gate"), rollout_stopped=True)
    severity, text = said(handing_over, readiness=stopped)
    assert (severity, text) == (
        "serious",
        f"Calls are secured until {END_OF_1}. The switch to generation 2 is due and held up.",
    )


def test_after_a_failed_switch_it_names_the_next_try(handing_over):
    handing_over.refuse_to_reload()
    handing_over.activate()
    severity, text = said(handing_over)
    assert severity == "critical"
    assert "The switch to generation 2 has failed and is tried again on" in text


def test_after_a_roll_back_the_held_pair_has_a_date(handing_over):
    handing_over.activate()
    handing_over.roll_back()
    severity, text = said(handing_over)
    assert (severity, f"Generation 2 is held; the communication server switches to it on {DEADLINE}." in text) == (
        "serious",
        True,
    )


def test_during_a_switch_it_says_nothing_of_a_deadline(handing_over):
    orders.activate(handing_over.clock(), by="otto")
    assert said(handing_over) == (
        "normal",
        f"Calls are secured until {END_OF_1}. The communication server is just being switched to generation 2.",
    )


def test_a_withdrawn_pair_that_is_served_is_critical_whatever_comes(running):
    orders.withdraw(running.clock(), 1, by="anna")
    severity, text = said(running)
    assert severity == "critical"
    assert "Generation 1 is withdrawn and still served." in text


@pytest.mark.parametrize("offset", [timedelta(), HOUR], ids=["by both clocks", "by the corrected clock alone"])
def test_a_pair_that_has_ended_secures_nothing(running, offset):
    running.at("2027-07-31 00:30")
    severity, text = said(running, running.clock(offset=offset))
    assert severity == "critical"
    assert text.startswith(f"Generation 1 ended on {END_OF_1}: telephones refuse the communication server.")
    assert "secured until" not in text


def test_a_prepared_pair_takes_the_place_of_one_that_has_ended(handing_over):
    handing_over.at("2027-07-31 00:30")
    assert said(handing_over)[1].endswith("Generation 2 takes its place now.")
    found = assurance(handing_over, works=False)
    assert "takes its place" not in found.text
    assert found.advice.startswith("Start pbxcerts again"), "what is ordered nobody would carry out"


def test_a_pair_that_begins_later_secures_nothing(running):
    running.at(START - 3 * DAY)
    severity, text = said(running, running.clock(ClockState.UNANSWERED))
    assert severity == "critical"
    assert text.startswith("Generation 1 is valid only from")


def test_beside_a_store_that_the_database_does_not_know_nothing_is_claimed(running):
    copy = DatabaseCopy()
    running.generate(at_once=True)
    (running.store.path / "current" / "host.key").write_text("no key")
    copy.put_back()
    severity, text = said(running)
    assert (severity, text.startswith("Nobody knows whether calls are secured")) == ("critical", True)


def test_the_sentence_is_german_where_the_reader_is(handing_over):
    german = assurance(handing_over, language="de").text
    assert german.startswith("Gespräche sind bis 31.\xa0Juli 2027")
    assert "Generation 2" in german
    assert "the" not in german.split()


def test_a_pair_that_is_made_only_after_the_end_is_no_assurance(running):
    """The next try after many failures may lie behind the end."""
    situation = Situation.load(running.clock(), store=running.store)
    late = NextGeneration(situation.active.plan.end + MINUTE, "")
    with translation.override("en"):
        found = Assurance.of(situation, None, late, works=True)
    assert found.severity == "critical"
    assert "They are renewed only on" in found.text
