"""Ordering and making a pair: the slot, the claim, failures, the clock, and when it is active at once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from certificates.models import Generation, Switch, Transition
from certificates.pki.errors import PairError
from certificates.renewal import making, orders, states
from certificates.renewal.orders import ClockRefused, SettingsRefused, StateRefused
from certificates.renewal.situation import Situation
from certificates.status.warnings import Observations, certificate_warnings
from pbxcerts.system import events
from pbxcerts.system.models import EventMessage
from pbxcerts.system.time.clock import ClockState
from tests.support.generations import DAY, HOUR, MINUTE, START, Trigger, a_clock, utc

NIGHT = utc("2027-07-01 00:00")


# -- the slot ----------------------------------------------------------------------------------------------------------


def order(world, **options):
    return orders.order_generation(world.clock(), orders.GenerationOrder(**{"trigger": Trigger.PAGE, **options}))


def test_the_first_pair_is_active_at_once_and_published(world):
    first = world.generate(reason="first use")
    assert (first.state, first.replaces, first.instead_of, first.at_once) == ("active", 0, 0, True)
    assert (first.by, first.reason, first.trigger) == ("anna", "first use", "page")
    assert world.store.current == 1
    assert world.roots_in_bundle() == {1}
    assert Switch.objects.get().outcome == "not_verified"


def test_an_order_is_refused_while_one_is_being_made(running):
    order(running)
    with pytest.raises(StateRefused):
        order(running)
    assert Generation.objects.filter(state="making").count() == 1


def test_an_order_is_refused_while_the_server_is_switched(prepared):
    orders.activate(prepared.clock(), by="otto")
    with pytest.raises(StateRefused):
        order(prepared)


def test_the_database_fills_a_slot_only_once(running):
    """What eight workers run into that have all read the same situation."""
    claim = order(running)
    twin = Generation(
        number=9, replaces=claim.replaces, instead_of=claim.instead_of, ordered_at=START, trigger="schedule"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        states.begin(twin)
    assert Generation.objects.count() == 2


@pytest.mark.parametrize("ended_as", ["failed", "discarded", "withdrawn"])
def test_an_attempt_that_came_to_nothing_leaves_its_slot(running, ended_as):
    second = running.generate()
    assert second.state == "prepared"
    if ended_as == "failed":
        running.discard()
        making._fail(order(running).number, running.clock(), "x", "")
    elif ended_as == "discarded":
        running.discard()
    else:
        running.withdraw(2)
        assert running.generation(3).replaces == 1
    if ended_as != "withdrawn":
        assert order(running).replaces == 1


def test_a_manual_generation_takes_the_place_of_the_prepared_one_in_one_transaction(prepared, monkeypatch):
    third = order(prepared)
    assert (third.replaces, third.instead_of) == (1, 2)
    assert prepared.states == {1: "active", 2: "prepared", 3: "making"}
    seen = []
    move = states.move

    def watching(generation, to, **options):
        seen.append((generation.number, str(to), transaction.get_connection().in_atomic_block))
        move(generation, to, **options)

    # The seam between the two changes of state is inside one function; there is nothing to pass a watcher in by.
    monkeypatch.setattr(states, "move", watching)
    prepared.beat()
    assert prepared.states == {1: "active", 2: "discarded", 3: "prepared"}
    assert [(number, to) for number, to, _ in seen] == [(2, "discarded"), (3, "prepared")]


def test_where_making_fails_the_prepared_one_stays(prepared, monkeypatch):
    order(prepared)
    refuse_to_make(monkeypatch)
    prepared.beat()
    assert prepared.states == {1: "active", 2: "prepared", 3: "failed"}


def test_a_pair_that_no_longer_fills_its_slot_fails(prepared):
    order(prepared)  # instead of 2
    prepared.discard()
    assert prepared.states == {1: "active", 2: "discarded", 3: "failed"}
    assert prepared.generation(3).failure == "Overtaken"


def test_only_one_of_two_workers_makes_a_claimed_pair(running):
    number = order(running).number
    assert Generation.objects.filter(number=number).update(started_at=START) == 1  # the other worker was faster
    assert making.make(number, running.clock()) is None
    assert running.states[number] == "making"


def test_without_a_name_and_an_address_nothing_is_made(world):
    world.set(fqdn="", ip_addresses=[])
    with pytest.raises(SettingsRefused):
        order(world)
    assert not Generation.objects.exists()


def test_a_pair_remembers_what_it_was_made_with(running):
    running.set(interval_days=90, overlap_days=10, addresses_as_dns=True, dns_names=["sip.example.com"])
    second = running.generate()
    assert (second.interval_days, second.overlap_days, second.key_type, second.addresses_as_dns) == (
        90,
        10,
        "p256",
        True,
    )
    assert second.dns_names == ["pbx.example.com", "sip.example.com"]
    assert second.ip_addresses == ["192.0.2.10"]
    assert not second.identity.missing_from(second.host)
    assert second.host.issuer == second.root.subject != running.active.root.subject


# -- the claim ---------------------------------------------------------------------------------------------------------


def a_dead_claim(world):
    claim = order(world, trigger=Trigger.SCHEDULE)
    Generation.objects.filter(number=claim.number).update(started_at=world.now)
    return claim


def test_a_claim_that_is_not_finished_in_ten_minutes_has_failed(running):
    claim = a_dead_claim(running)
    running.after(timedelta(minutes=9, seconds=59)).beat()
    assert running.states[claim.number] == "making"
    running.after(timedelta(seconds=1)).beat()
    assert running.states[claim.number] == "failed"
    assert running.generation(claim.number).failure == "not_finished"


def test_a_claim_made_a_moment_after_the_clock_was_read_is_alive(running):
    early = running.clock()
    running.after(timedelta(seconds=3))
    claim = a_dead_claim(running)
    running.beat(early)
    assert running.states[claim.number] == "making"


def test_a_clock_that_was_set_back_does_not_keep_a_claim_for_years(running):
    claim = a_dead_claim(running)
    running.beat(running.clock(jumped=-400 * DAY))
    assert running.states[claim.number] == "failed"


def test_who_finishes_after_the_claim_ran_out_changes_nothing(running, monkeypatch):
    claim = order(running)
    make_pair = making.make_pair

    def slow(**options):
        making.expire_claims(Situation.load(a_clock(running.now + 11 * MINUTE)))
        return make_pair(**options)

    # A worker that takes longer than its claim lasts: nothing smaller stands between the claim and its end.
    monkeypatch.setattr(making, "make_pair", slow)
    made = making.make(claim.number, running.clock())
    assert (made.state, made.failure, made.host_key) == ("failed", "not_finished", None)


def test_an_ordered_pair_is_made_by_the_next_heartbeat_after_a_crash(running):
    claim = order(running)
    running.after(MINUTE).beat()
    assert running.states[claim.number] == "prepared"


# -- what was missed ---------------------------------------------------------------------------------------------------


def missed():
    return [(message.subject, message.params) for message in EventMessage.objects.filter(kind="generation_late")]


def test_a_night_that_was_missed_is_told_although_the_next_round_makes_the_pair(running):
    """The machine was off from the evening before to the second night."""
    running.at(NIGHT - 3 * HOUR).beat()
    running.at(NIGHT + DAY + MINUTE).beat()
    assert running.pending.made_at == NIGHT + DAY + MINUTE
    assert missed() == [
        ("2", {"number": 2, "missed": NIGHT.isoformat(), "made": (NIGHT + DAY + MINUTE).isoformat()}),
    ]


def test_it_is_told_where_a_person_was_first(running):
    running.at(NIGHT + 5 * HOUR).generate()
    assert [subject for subject, _params in missed()] == ["2"]


def test_it_is_told_once_where_the_page_has_said_it_already(running):
    running.at(NIGHT + 3 * HOUR).beat()
    events.send_and_clear(certificate_warnings(running.situation, Observations()), now=running.now)
    running.at(NIGHT + DAY).beat()
    assert running.pending is not None
    assert missed() == []


def test_what_was_made_in_its_night_was_not_missed(running):
    running.at(NIGHT + 2 * HOUR - MINUTE).beat()
    assert running.pending is not None
    running.after(DAY).discard()
    running.generate()
    assert missed() == []


# -- failures ----------------------------------------------------------------------------------------------------------


def refuse_to_make(monkeypatch, error=None):
    def refuse(**options):
        raise error or PairError("no")

    # Nothing that an administrator can enter makes the pure core fail, so its failure is put in its place.
    monkeypatch.setattr(making, "make_pair", refuse)


def attempts(world):
    return list(Generation.objects.filter(state="failed").order_by("number").values_list("failed_at", flat=True))


def test_an_automatic_generation_is_tried_again_after_1_minute_then_every_10_within_its_two_hours(running, monkeypatch):
    refuse_to_make(monkeypatch)
    running.at(NIGHT - MINUTE).until(NIGHT + 31 * MINUTE)
    running.until(NIGHT + 3 * HOUR, every=5 * MINUTE)
    minutes = [(at - NIGHT) // MINUTE for at in attempts(running)]
    assert minutes == [0, 1, *range(11, 120, 10)]
    assert running.states[1] == "active"

    running.until(NIGHT + DAY - MINUTE, every=30 * MINUTE)
    assert len(attempts(running)) == len(minutes)
    running.at(NIGHT + DAY).beat()
    assert len(attempts(running)) == len(minutes) + 1


def test_a_failure_that_nobody_foresaw_is_a_failure_too(running, monkeypatch, caplog):
    refuse_to_make(monkeypatch, RuntimeError("entropy on strike"))
    running.at(NIGHT).beat()
    failed = running.generation(2)
    assert (failed.state, failed.failure, failed.failure_detail) == ("failed", "unexpected", "RuntimeError")
    assert "entropy on strike" in caplog.text


def test_after_a_success_failures_are_counted_anew(running, monkeypatch):
    with monkeypatch.context() as broken:
        refuse_to_make(broken)
        running.at(NIGHT).beat()
        running.after(MINUTE).beat()
    assert running.situation.failures == 2
    running.after(10 * MINUTE).beat()
    assert running.pending.number == 4
    assert running.situation.failures == 0

    running.after(HOUR).discard()
    assert running.situation.failures == 0
    refuse_to_make(monkeypatch)
    night = NIGHT + DAY
    running.at(night).beat()
    running.at(night + MINUTE).beat()
    assert [at - night for at in attempts(running)[-2:]] == [timedelta(), MINUTE]


def test_a_manual_failure_is_not_tried_again(running, monkeypatch):
    refuse_to_make(monkeypatch)
    assert running.generate().state == "failed"
    for minutes in (1, 2, 10, 11, 60):
        running.at(START + minutes * MINUTE).beat()
    assert running.states == {1: "active", 2: "failed"}


def test_one_failure_by_a_clock_that_ran_ahead_does_not_take_the_pause_from_those_that_follow(running, monkeypatch):
    refuse_to_make(monkeypatch)
    running.at(NIGHT + 400 * DAY).beat()
    running.at(NIGHT - MINUTE).until(NIGHT + 30 * MINUTE)
    minutes = [(at - NIGHT) // MINUTE for at in attempts(running)[1:]]
    assert minutes == [0, 10, 20, 30], "it counts as a failure, but says nothing of the pause"


def test_nor_where_the_time_is_put_right_in_the_middle_of_a_round(running, monkeypatch):
    refuse_to_make(monkeypatch)
    running.at(NIGHT + 400 * DAY).beat()
    running.at(NIGHT).beat(running.clock(offset=-400 * DAY), ask_clock=running.clock)
    assert len(attempts(running)) == 2


def test_a_failure_written_by_a_wrong_clock_puts_nothing_off(running, monkeypatch):
    with monkeypatch.context() as broken:
        refuse_to_make(broken)
        running.at(NIGHT + 400 * DAY).beat()
    assert running.situation.failures == 1
    running.at(NIGHT).beat()
    assert running.pending is not None


# -- the clock of a manual generation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "offset"),
    [(ClockState.OFF, timedelta()), (ClockState.UNANSWERED, timedelta()), (ClockState.WRONG, timedelta(seconds=6))],
)
def test_a_doubtful_clock_asks_for_a_tick_and_it_is_recorded(world, state, offset):
    clock = world.clock(state, offset)
    with pytest.raises(ClockRefused):
        world.generate(clock=clock)
    assert not Generation.objects.exists()
    pair = world.generate(clock=clock, without_clock=True)
    assert (pair.clock_state, pair.clock_override) == (state, "confirmed")


@pytest.mark.parametrize(("confirmed", "reason"), [(False, ""), (False, "I know"), (True, ""), (True, "  ")])
def test_a_clock_far_off_is_refused_without_tick_and_reason(world, confirmed, reason):
    with pytest.raises(ClockRefused):
        world.generate(clock=world.clock(offset=-13 * HOUR), without_clock=confirmed, reason=reason)
    assert not Generation.objects.exists()


def test_a_clock_far_off_is_taken_with_tick_and_reason_and_its_dates_corrected(world):
    clock = world.clock(offset=-300 * DAY)
    assert clock.machine == START + 300 * DAY
    pair = world.generate(clock=clock, without_clock=True, reason="no network here")
    assert pair.clock_override == "no network here"
    assert (pair.clock_state, pair.clock_offset) == ("far_off", -300 * DAY)
    assert pair.made_at == START


def test_not_where_the_pair_would_have_ended_by_the_machines_clock(world):
    """One server alone may lie: which of the two times is right nobody knows."""
    with pytest.raises(ClockRefused, match="abgelaufen"):
        world.generate(clock=world.clock(offset=-400 * DAY), without_clock=True, reason="no network here")
    assert not Generation.objects.exists()


def test_a_right_clock_needs_no_confirmation_and_none_is_recorded(world):
    pair = world.generate(without_clock=True, reason="habit")
    assert (pair.clock_state, pair.clock_override) == ("right", "")
    assert (pair.clock_server, pair.clock_stratum, pair.clock_checked_at) == ("ntp.example", 2, START)


# -- at once -----------------------------------------------------------------------------------------------------------


def test_a_manual_generation_waits_for_its_handover(running):
    assert running.generate().state == "prepared"
    assert running.store.current == 1
    assert running.roots_in_bundle() == {1, 2}


def test_at_once_is_at_once(running):
    assert running.generate(at_once=True).state == "active"
    assert running.store.current == 2
    assert Switch.objects.first().why == "at_once"


@pytest.mark.parametrize("setting", [{"overlap_days": 0}, {"handover_counts": "nobody"}])
def test_settings_that_wait_for_nobody_switch_at_once(running, setting):
    running.set(**setting)
    assert running.generate().state == "active"


def test_after_the_active_pair_has_ended_the_new_one_is_active_at_once(running):
    running.now = running.active.end
    running.beat()
    assert running.states == {1: "superseded", 2: "active"}
    assert running.generation(2).because == "ended"


def test_a_pair_made_by_a_clock_that_ran_ahead_is_replaced_at_once(running):
    """Its notBefore lies ahead: no telephone takes it."""
    true_now = START - 400 * DAY
    running.at(true_now).beat()
    assert running.states == {1: "superseded", 2: "active"}
    assert running.generation(2).because == "not_yet_valid"
    assert running.generation(2).not_before == true_now - DAY


def test_a_pair_that_a_person_has_made_by_a_clock_set_back_takes_over_from_none(running):
    """By that clock the active pair is not valid yet; by every telephone's it is."""
    running.generate(clock=a_clock(START - 500 * DAY, ClockState.UNANSWERED), without_clock=True)
    assert running.states == {1: "active", 2: "prepared"}
    running.beat()
    assert running.states == {1: "active", 2: "discarded"}


def test_a_prepared_pair_made_by_a_clock_that_ran_ahead_keeps_none_from_being_made(running):
    """Or the active pair would end while one waits that nobody can use."""
    running.at(START + 300 * DAY)
    running.generate()
    ahead = running.pending
    running.at(ahead.not_before - 2 * DAY)
    running.beat(running.clock(ClockState.UNANSWERED))
    assert running.states == {1: "active", 2: "prepared"}
    running.beat()
    assert running.states == {1: "active", 2: "discarded"}
    running.at("2027-04-25 00:00").beat()
    assert running.states == {1: "active", 2: "discarded"}  # what is not due is not made either


# -- automatic ---------------------------------------------------------------------------------------------------------


def test_the_worker_says_why_and_by_which_clock(running):
    running.at(NIGHT + timedelta(seconds=2)).beat(running.clock(offset=timedelta(seconds=2)))
    second = running.generation(2)
    assert (second.trigger, second.by, second.because, second.clock_state) == ("schedule", "", "slot", "right")
    assert second.clock_offset == timedelta(seconds=2)
    assert Transition.objects.filter(generation=2).count() == 2


def test_the_servers_are_asked_before_each_automatic_generation_and_only_then(running):
    asked = []

    def ask_clock():
        asked.append(running.now)
        return a_clock(running.now + timedelta(seconds=5), offset=timedelta(seconds=2))

    running.at(NIGHT - MINUTE).beat(ask_clock=ask_clock)
    assert asked == []
    running.at(NIGHT).beat(ask_clock=ask_clock)
    assert asked == [NIGHT]
    assert running.states == {1: "active", 2: "prepared"}
    second = running.generation(2)
    assert second.made_at == NIGHT + timedelta(seconds=5)
    assert second.clock_offset == timedelta(seconds=2)
    running.after(MINUTE).beat(ask_clock=ask_clock)
    assert asked == [NIGHT]


def test_what_the_servers_then_say_counts(running):
    running.at(NIGHT).beat(ask_clock=lambda: running.clock(offset=timedelta(seconds=-7)))
    assert running.states == {1: "active"}


def test_settings_saved_by_a_clock_that_ran_ahead_put_nothing_off_for_years(running):
    running.at(START + 400 * DAY).set(interval_days=30)
    running.at(utc("2026-07-31 00:00")).beat()
    assert running.states == {1: "active", 2: "prepared"}


def test_a_pair_discarded_by_a_clock_that_ran_ahead_is_replaced_all_the_same(running):
    running.at(NIGHT).beat()
    Generation.objects.filter(number=2).update(state="discarded", discarded_at=NIGHT + 400 * DAY)
    running.at(NIGHT + DAY).beat()
    assert running.states[3] == "prepared"
