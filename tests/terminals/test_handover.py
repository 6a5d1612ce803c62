"""What the handover hears of the terminals (rules who-counts, terminals-asked)."""

import pytest

from certificates.renewal.rounds import readiness_of_pending
from certificates.renewal.situation import Situation
from terminals.handover import KnownTerminals
from terminals.models import Installation, Terminal
from tests.support.generations import DAY, HOUR, MINUTE


@pytest.fixture
def ready(world):
    """Generation 2 is prepared; `ready()` asks how far the terminals are with it."""
    world.once("by day", world.after(DAY + 8 * HOUR).generate)

    def ask(counts="all"):
        return KnownTerminals().readiness(root_sha256=world.generation(2).root_sha256, counts=counts, now=world.now)

    return ask


def test_without_a_terminal_nobody_counts_and_nothing_is_complete(ready):
    assert ready().counting == 0
    assert not ready().complete


def test_who_has_not_confirmed_is_missing(fleet, ready):
    first, second = fleet.add(2)
    fleet.beat()
    fleet.fetch(first)
    found = ready()
    assert (found.counting, found.missing_count) == (2, 1)
    assert [(one.number, one.name, one.why) for one in found.missing] == [
        (second.terminal.number, second.terminal.name, Installation.State.WAITING.label)
    ]
    fleet.fetch(second)
    assert ready().complete


def test_of_many_missing_twenty_are_named(fleet, ready, django_assert_num_queries):
    fleet.add(500)
    root = fleet.world.generation(2).root_sha256
    with django_assert_num_queries(4):
        found = KnownTerminals().readiness(root_sha256=root, counts="all", now=fleet.world.now)
        assert found.missing_count == 500
    with django_assert_num_queries(2):
        assert len({str(one) for one in found.missing}) == len(found.missing) == 20
    assert found.unnamed == 480
    with django_assert_num_queries(1):
        assert {str(one.why) for one in found.missing[:5]} == {Installation.State.WAITING.label}
    with django_assert_num_queries(1):
        assert {str(one.why) for one in found.missing} == {Installation.State.WAITING.label}


def test_of_many_missing_with_automatic_only_none_is_named_that_does_not_count(fleet, ready):
    """Of the manual ones there are more than are looked at."""
    fleet.add(150, of=fleet.type("Yealink", "sip_standard"))
    numbers = {phone.terminal.number for phone in fleet.add(3)}
    fleet.beat()

    found = ready("automatic")

    assert {one.number for one in found.missing} == numbers
    assert (ready().missing_count, found.missing_count) == (153, 3)


def test_with_automatic_only_manual_ones_do_not_count(fleet, ready):
    [phone] = fleet.add()
    fleet.add(3, of=fleet.type("Yealink", "sip_standard"))
    fleet.beat()
    fleet.fetch(phone)
    assert ready("automatic").complete
    assert ready("all").missing_count == 3
    assert ready("nobody").counting == 0


def test_disabled_skipped_and_those_that_hold_only_one_count_for_nothing(fleet, ready):
    confirmed, disabled, skipped = fleet.add(3)
    fleet.add(of=fleet.type("Cisco SPA", holds_only_one=True), last_contact=fleet.world.now)
    fleet.beat()
    fleet.fetch(confirmed)
    Terminal.objects.filter(pk=disabled.terminal.pk).update(enabled=False, last_contact=fleet.world.now)
    Installation.objects.filter(terminal=skipped.terminal).update(state="skipped")
    Terminal.objects.filter(pk=skipped.terminal.pk).update(last_contact=fleet.world.now)
    found = ready()
    assert (found.counting, found.missing_count, found.automatic_seen_but_unconfirmed) == (1, 0, 0)
    assert found.complete


@pytest.mark.parametrize(("ago", "holds"), [(HOUR, True), (23 * HOUR, True), (25 * HOUR, False), (None, False)])
def test_an_automatic_one_seen_in_the_last_day_and_not_confirmed_holds_the_deadline(fleet, ready, ago, holds):
    fleet.add(last_contact=fleet.world.now - ago if ago else None)
    assert ready().holds_deadline is holds


def test_one_seen_by_a_clock_that_ran_ahead_does_not_hold_it_for_years(fleet, ready):
    fleet.add(last_contact=fleet.world.now + 400 * DAY)
    assert not ready().holds_deadline
    Terminal.objects.update(last_contact=fleet.world.now + MINUTE)
    assert ready().holds_deadline


@pytest.mark.parametrize("off", [-HOUR, HOUR, 11 * HOUR, -11 * HOUR])
def test_when_it_was_seen_and_what_time_it_is_now_are_of_one_clock(fleet, ready, off):
    """The listeners write by the machine's clock, however far that is off."""
    world = fleet.world
    clock = world.clock(offset=-off)
    fleet.add(last_contact=clock.machine - 23 * HOUR)
    situation = Situation.load(clock)
    assert situation.pending is not None
    assert readiness_of_pending(situation, KnownTerminals()).holds_deadline
    Terminal.objects.update(last_contact=clock.machine - 25 * HOUR)
    assert not readiness_of_pending(situation, KnownTerminals()).holds_deadline


def test_a_manual_one_never_does(fleet, ready):
    fleet.add(of=fleet.type("Yealink", "sip_standard"), last_contact=fleet.world.now)
    assert not ready().holds_deadline


@pytest.mark.parametrize(("state", "holds"), [("running", False), ("paused", True), ("stopped", True)])
def test_a_stopped_or_paused_rollout_holds_it(fleet, ready, state, holds):
    fleet.add()
    current = fleet.beat()
    type(current).objects.update(state=state)
    assert ready().holds_deadline is holds


def test_the_deadline_switches_where_nothing_holds_it(fleet, world, ready):
    fleet.add(of=fleet.type("Yealink", "sip_standard"))
    world.at(world.pending.deadline)
    fleet.beat()
    assert world.states == {1: "superseded", 2: "active"}


def test_what_a_generation_would_disturb(fleet, world):
    fleet.equipped(3)
    fleet.equipped(2, of=fleet.type("IP system phone", "ip_system"))
    fleet.add(4, of=fleet.type("Yealink", "sip_standard"))
    fleet.add(1, enabled=False)
    found = KnownTerminals().forecast(world.situation)
    assert (found.restarting, found.exchanged_in_service, found.by_hand, found.total) == (3, 2, 4, 9)
    assert KnownTerminals().refusing(trusted_roots={world.active.root_sha256}) == 4
    assert KnownTerminals().refusing(trusted_roots=frozenset()) == 9
