"""Whose fetch it was: what proves that a telephone has taken its trust file, and what a stranger can do who knows its MAC
(rules proved-fetch, proved-by-answer, unproved, requesters).
"""

import pytest
import time_machine
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from terminals.directory import changes
from terminals.directory.held import held_by
from terminals.drivers.base import Reaction
from terminals.evidence import fetches, recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust
from terminals.evidence.models import Requester
from terminals.handover import KnownTerminals
from terminals.models import Installation, Terminal
from terminals.rollout import claims, rounds
from terminals.rollout.claims import AskResult
from tests.support.generations import DAY, HOUR, MINUTE, SECOND

PHONE, OTHER, STRANGER = "198.51.100.7", "198.51.100.8", "203.0.113.66"
PHONE_6, STRANGER_6 = "2001:db8:1:1::7", "2001:db8:2:2::66"


pytestmark = [pytest.mark.usefixtures("seldom_looks"), pytest.mark.simulation]


@pytest.fixture(autouse=True)
def _no_network_is_named(fleet, delivery):
    delivery(telephone_networks=[])


@pytest.fixture
def prepared(world):
    """Generation 2 is prepared beside the active first; restarts are allowed."""
    world.once("a day and an hour later", world.after(DAY + HOUR).generate)
    return world


def configuration(phone, world, address=PHONE):
    return FetchedConfiguration(phone.terminal.pk, "a.cfg", "", address, world.now)


def trust(phone, world, address=PHONE, *, secret=False, of=(1, 2)):
    return FetchedTrust(phone.terminal.pk, frozenset(of), "2-1.0", "", address, world.now, "", by_secret_path=secret)


def came(phone, world, *addresses, **how):
    """Configuration and trust file, from each of these."""
    for address in addresses:
        recording.write_facts([configuration(phone, world, address), trust(phone, world, address, **how)])


def asked(fleet, *phones, answer=Reaction.HEARD, record=True):
    """A NOTIFY to these telephones, and its answer, as the worker stores them; who answers does not come back by itself."""
    world = fleet.world
    rounds.reconcile_rollouts(world.situation)
    Installation.objects.filter(generation=2, terminal__in=[phone.terminal.pk for phone in phones]).update(wave=1)
    keys = {phone.terminal.pk for phone in phones}
    asks = claims.claim(2, Q(terminal__in=keys), at_once=100, now=world.now, machine=world.now)
    assert {ask.terminal.pk for ask in asks} == keys
    status = 200 if answer is Reaction.HEARD else 0 if answer is Reaction.ABSENT else 403
    results = [AskResult(ask, status, answer) for ask in asks]
    if record:
        claims.record(results, now=world.now, seen_at=world.now)
    return results


def state(fleet, phone):
    row = fleet.row(phone, 2)
    return row.state, row.proof


def missing(fleet):
    """How many the switch to generation 2 waits for."""
    world = fleet.world
    root = world.generation(2).root_sha256
    return KnownTerminals().readiness(root_sha256=root, counts="all", now=world.now).missing_count


# -- what proves by itself -----------------------------------------------------------------------------------------------


def test_who_knows_a_mac_confirms_nothing(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, STRANGER)
    assert state(fleet, phone) == ("unproved", "")
    assert fleet.row(phone, 2).evidence == "unproved"
    assert missing(fleet) == 1


def test_a_stranger_with_all_macs_switches_no_server(fleet, prepared):
    phones = fleet.add(5)
    rounds.reconcile_rollouts(prepared.situation)
    for phone in phones:
        came(phone, prepared, STRANGER)
    prepared.after(MINUTE)
    fleet.world.beat()
    assert prepared.situation.active.number == 1
    assert missing(fleet) == 5


def test_the_name_that_only_the_secret_path_tells_proves_from_anywhere(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, STRANGER, secret=True)
    assert state(fleet, phone) == ("confirmed", "path")
    assert missing(fleet) == 0


@pytest.mark.parametrize(
    ("listed", "came_from", "proof"),
    [
        (PHONE, PHONE, "record"),
        (f"{PHONE}:5070", PHONE, "record"),
        (f"[{PHONE_6}]:5060", PHONE_6, "record"),
        (PHONE, f"::ffff:{PHONE}", "record"),
        ("2001:db8:1:1::7", "2001:db8:1:1:0:0:0:7", "record"),
        (PHONE, OTHER, ""),
        # In the network of the one in the list there may be strangers too.
        (PHONE_6, "2001:db8:1:1::66", ""),
        ("", PHONE, ""),
    ],
)
def test_the_address_in_the_list_proves(fleet, prepared, listed, came_from, proof):
    [phone] = fleet.add(address=listed)
    came(phone, prepared, came_from)
    assert state(fleet, phone) == ("confirmed" if proof else "unproved", proof)


@pytest.mark.parametrize(
    ("networks", "address", "proof"),
    [
        (["198.51.100.0/24"], PHONE, "network"),
        (["198.51.100.7/32"], PHONE, "network"),
        (["198.51.100.7/32"], OTHER, ""),
        (["198.51.100.0/24"], f"::ffff:{PHONE}", "network"),
        (["2001:db8:1::/48"], PHONE_6, "network"),
        (["2001:db8:1::/48"], STRANGER_6, ""),
        (["203.0.113.0/25", "2001:db8:1::/48"], PHONE, ""),
        (["198.51.100.0/24"], "unknown", ""),
        ([], PHONE, ""),
    ],
)
def test_a_network_that_an_administrator_named_proves(fleet, delivery, prepared, networks, address, proof):
    delivery(telephone_networks=networks)
    [phone] = fleet.add()
    came(phone, prepared, address)
    assert state(fleet, phone) == ("confirmed" if proof else "unproved", proof)


def test_the_last_address_seen_proves_nothing(fleet, prepared):
    [phone] = fleet.add()
    Terminal.objects.update(last_address=STRANGER)
    came(phone, prepared, STRANGER)
    assert state(fleet, phone) == ("unproved", "")


def test_who_was_confirmed_before_keeps_the_first_evidence(fleet, prepared):
    [phone] = fleet.add(address=PHONE)
    came(phone, prepared, PHONE)
    came(phone, prepared, STRANGER)
    row = fleet.row(phone, 2)
    assert (row.state, row.proof, row.address) == ("confirmed", "record", PHONE)


def test_an_unproved_fetch_is_proved_by_a_later_one(fleet, prepared):
    [phone] = fleet.add(address=PHONE)
    came(phone, prepared, STRANGER)
    came(phone, prepared, PHONE)
    assert state(fleet, phone) == ("confirmed", "record")


@pytest.mark.parametrize(
    ("proxies", "address", "proof"),
    [
        (["198.51.100.7"], PHONE, ""),
        (["198.51.100.0/29"], PHONE, ""),
        (["203.0.113.1"], PHONE, "record"),
        # Whoever asks may say who it is.
        (["*"], PHONE, ""),
        ([], PHONE, "record"),
    ],
)
def test_the_address_of_a_proxy_is_nobodys(fleet, prepared, settings, proxies, address, proof):
    settings.TRUSTED_PROXIES = proxies
    [phone] = fleet.add(address=PHONE)
    came(phone, prepared, address)
    assert state(fleet, phone) == ("confirmed" if proof else "unproved", proof)


# -- what the answer to a NOTIFY proves ----------------------------------------------------------------------------------


def test_the_only_address_that_comes_after_the_answer_is_the_telephone(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    prepared.after(2 * MINUTE)
    came(phone, prepared, PHONE)
    assert state(fleet, phone) == ("confirmed", "answer")


def test_it_counts_for_the_switch_when_no_other_can_come_any_more(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    prepared.after(2 * MINUTE)
    came(phone, prepared, PHONE)
    assert missing(fleet) == 1
    prepared.after(42 * MINUTE)
    assert missing(fleet) == 1
    prepared.after(1 * MINUTE)
    assert missing(fleet) == 0


def test_a_stranger_who_is_quicker_is_found_out_when_the_telephone_comes(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    prepared.after(SECOND)
    came(phone, prepared, STRANGER)
    assert (state(fleet, phone), missing(fleet)) == (("confirmed", "answer"), 1)
    prepared.after(2 * MINUTE)
    # It knows the name of the trust file already, and fetches its configuration alone.
    recording.write_facts([configuration(phone, prepared, PHONE)])
    row = fleet.row(phone, 2)
    assert (row.state, row.proof, row.confirmed_at, row.doubt_until) == ("unproved", "", None, None)
    assert row.several_addresses
    prepared.after(HOUR)
    assert missing(fleet) == 1


@pytest.mark.parametrize("answer", [Reaction.ABSENT, Reaction.REFUSED])
def test_who_has_not_answered_is_not_proved(fleet, prepared, answer):
    [phone] = fleet.add()
    asked(fleet, phone, answer=answer)
    prepared.after(MINUTE)
    came(phone, prepared, PHONE)
    assert state(fleet, phone) == ("unproved", "")


def test_nor_who_comes_too_late(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    prepared.after(45 * MINUTE + SECOND)
    came(phone, prepared, PHONE)
    assert state(fleet, phone)[1] == ""
    assert missing(fleet) == 1


@pytest.mark.parametrize("fetch_first", [True, False])
def test_it_does_not_matter_which_is_stored_first(fleet, prepared, fetch_first):
    """The telephone is back before the worker has stored its answer, or after that."""
    [phone] = fleet.add()
    results = asked(fleet, phone, record=False)
    prepared.after(SECOND)
    if fetch_first:
        came(phone, prepared, PHONE)
        assert state(fleet, phone) == ("asked", "")
        claims.record(results, now=prepared.now, seen_at=prepared.now)
    else:
        claims.record(results, now=prepared.now, seen_at=prepared.now)
        came(phone, prepared, PHONE)
    assert state(fleet, phone) == ("confirmed", "answer")


def test_a_worker_that_is_killed_after_the_answer_leaves_the_judgement_to_the_next_round(fleet, prepared, monkeypatch):
    [phone] = fleet.add()
    results = asked(fleet, phone, record=False)
    came(phone, prepared, PHONE)
    with monkeypatch.context() as patched:
        patched.setattr(fetches, "judge", lambda _terminals: None)
        claims.record(results, now=prepared.now, seen_at=prepared.now)
    assert state(fleet, phone) == ("heard", "")
    prepared.after(MINUTE)
    rounds.reconcile_rollouts(prepared.situation)
    assert state(fleet, phone) == ("confirmed", "answer")


def test_the_answer_to_the_notify_before_is_none_to_this_one(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    prepared.after(46 * MINUTE)
    rounds.reconcile_rollouts(prepared.situation)
    Installation.objects.update(state="waiting", next_at=None)
    asked(fleet, phone, record=False)
    came(phone, prepared, STRANGER)
    assert state(fleet, phone) == ("asked", "")


def test_what_the_telephone_fetched_when_it_restarted_by_itself_counts_then(fleet, prepared):
    """After a power cut at night all fetch by themselves; asked later, they know the name and fetch no second time."""
    phones = fleet.add(3)
    for number, phone in enumerate(phones):
        came(phone, prepared, f"198.51.100.{number}")
    assert {state(fleet, phone) for phone in phones} == {("unproved", "")}
    prepared.after(HOUR)
    asked(fleet, *phones)
    prepared.after(2 * MINUTE)
    for number, phone in enumerate(phones):
        recording.write_facts([configuration(phone, prepared, f"198.51.100.{number}")])
    assert {state(fleet, phone) for phone in phones} == {("confirmed", "answer")}


def test_what_a_stranger_fetched_before_counts_for_nobody_else(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, STRANGER)
    prepared.after(HOUR)
    asked(fleet, phone)
    prepared.after(2 * MINUTE)
    recording.write_facts([configuration(phone, prepared, PHONE)])
    assert state(fleet, phone) == ("fetched", "")
    prepared.after(50 * MINUTE)
    rounds.reconcile_rollouts(prepared.situation)
    # Never failed: it has fetched, and nobody knows whether it was the one.
    assert state(fleet, phone) == ("unproved", "")


def test_each_notify_is_judged_anew(fleet, prepared):
    """Two came after the first; after the second only the telephone, from a new address of its own."""
    [phone] = fleet.add()
    asked(fleet, phone)
    came(phone, prepared, PHONE, STRANGER)
    assert state(fleet, phone) == ("unproved", "")
    prepared.after(21 * HOUR)
    asked(fleet, phone)
    assert not fleet.row(phone, 2).several_addresses
    prepared.after(2 * MINUTE)
    came(phone, prepared, OTHER)
    assert state(fleet, phone) == ("confirmed", "answer")


def test_behind_a_nat_each_telephone_is_proved_by_its_own_answer(fleet, prepared):
    phones = fleet.add(30)
    asked(fleet, *phones[:20])
    for phone in phones:
        came(phone, prepared, PHONE)
    assert [state(fleet, phone)[0] for phone in phones] == ["confirmed"] * 20 + ["unproved"] * 10


def test_a_new_address_between_two_renewals_is_no_second_one(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, PHONE, of=(1,))
    prepared.after(5 * HOUR)
    asked(fleet, phone)
    came(phone, prepared, OTHER)
    assert state(fleet, phone) == ("confirmed", "answer")


def test_privacy_addresses_of_one_network_are_one(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    recording.write_facts([configuration(phone, prepared, "2001:db8:1:1:aaaa::1")])
    recording.write_facts([trust(phone, prepared, "2001:db8:1:1:bbbb::2")])
    assert state(fleet, phone) == ("confirmed", "answer")


@pytest.mark.parametrize(
    ("took_6", "took_4", "after"),
    [(True, True, "confirmed"), (True, False, "unproved"), (False, True, "fetched")],
)
def test_one_of_each_family_proves_where_both_took_the_file(fleet, prepared, took_6, took_4, after):
    """A stranger of the other family would be the only one of it."""
    [phone] = fleet.add()
    asked(fleet, phone)
    for address, took in ((PHONE_6, took_6), (PHONE, took_4)):
        recording.write_facts([configuration(phone, prepared, address)])
        if took:
            recording.write_facts([trust(phone, prepared, address)])
    assert state(fleet, phone)[0] == after
    prepared.after(50 * MINUTE)
    rounds.reconcile_rollouts(prepared.situation)
    assert missing(fleet) == (0 if after == "confirmed" else 1)


def test_a_stranger_of_the_other_family_is_found_out(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    came(phone, prepared, STRANGER_6)
    assert state(fleet, phone) == ("confirmed", "answer")
    prepared.after(2 * MINUTE)
    recording.write_facts([configuration(phone, prepared, PHONE)])
    assert state(fleet, phone) == ("unproved", "")


def test_what_comes_after_the_span_takes_nothing_back(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    came(phone, prepared, PHONE)
    prepared.after(46 * MINUTE)
    came(phone, prepared, STRANGER)
    assert state(fleet, phone) == ("confirmed", "answer")
    assert missing(fleet) == 0


def test_a_stranger_takes_back_nothing_that_is_proved_otherwise(fleet, prepared):
    [phone] = fleet.add(address=PHONE)
    asked(fleet, phone)
    came(phone, prepared, PHONE, STRANGER)
    assert state(fleet, phone) == ("confirmed", "record")
    assert fleet.row(phone, 2).several_addresses


def test_two_in_one_batch_are_two(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    recording.write_facts([trust(phone, prepared, STRANGER), trust(phone, prepared, PHONE)])
    assert state(fleet, phone) == ("unproved", "")


def test_clocks_may_differ(fleet, prepared, monkeypatch):
    """The machine's clock is two hours behind the best one; the listeners know only the machine's."""
    [phone] = fleet.add()
    rounds.reconcile_rollouts(prepared.situation)
    behind = prepared.now - 2 * HOUR
    [ask] = claims.claim(2, Q(), at_once=1, now=prepared.now, machine=behind)
    claims.record([AskResult(ask, 200, Reaction.HEARD)], now=prepared.now, seen_at=prepared.now)
    came_at = behind + 2 * MINUTE
    recording.write_facts([FetchedTrust(phone.terminal.pk, frozenset({2}), "2.0", "", PHONE, came_at)])
    assert state(fleet, phone) == ("confirmed", "answer")
    assert fleet.row(phone, 2).doubt_until == prepared.now + 45 * MINUTE


def test_what_a_clock_that_ran_ahead_wrote_is_no_second_address(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, OTHER)
    Requester.objects.update(last_at=prepared.now + 400 * DAY)
    asked(fleet, phone)
    came(phone, prepared, PHONE)
    assert state(fleet, phone) == ("confirmed", "answer")


def test_a_fleet_that_only_its_answers_prove_is_switched_when_nobody_else_can_come_any_more(fleet, prepared):
    fleet.add(12)
    fleet.during(30 * MINUTE)
    assert fleet.states(2) == {"confirmed": 12}
    last = Installation.objects.filter(generation=2).latest("doubt_until").doubt_until
    fleet.until(last - MINUTE)
    assert prepared.active.number == prepared.store.current == 1
    fleet.until(last + 2 * MINUTE)
    assert prepared.active.number == prepared.store.current == 2


def test_what_a_clock_that_ran_ahead_doubts_is_beyond_doubt(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    came(phone, prepared, PHONE)
    assert missing(fleet) == 1
    Installation.objects.update(doubt_until=prepared.now + 400 * DAY)
    assert missing(fleet) == 0


# -- whose turn it is ----------------------------------------------------------------------------------------------------


def test_an_unproved_terminal_is_asked_in_its_turn(fleet, prepared):
    phones = fleet.add(3)
    rounds.reconcile_rollouts(prepared.situation)
    for phone in phones:
        came(phone, prepared, PHONE)
    waves = {fleet.row(phone, 2).wave for phone in phones}
    assert {state(fleet, phone) for phone in phones} == {("unproved", "")}
    fleet.during(3 * HOUR)
    assert all(phone.restarts == 1 for phone in phones)
    assert {fleet.row(phone, 2).wave for phone in phones} == waves


def test_a_doubtful_one_is_asked_again_the_next_night_and_restarts_once_a_night(fleet, prepared):
    [phone] = fleet.add()
    phone.comes_back = False
    for _ in range(3 * 12):
        fleet.beat()
        came(phone, prepared, PHONE, STRANGER)
        prepared.after(2 * HOUR)
    assert 2 <= phone.restarts <= 4
    assert state(fleet, phone)[0] in {"unproved", "asked", "heard"}


def test_strangers_stop_no_rollout(fleet, prepared):
    phones = fleet.add(10)
    for _ in range(8):
        fleet.during(2 * MINUTE)
        recording.write_facts(
            [
                fact
                for phone in phones
                for fact in (configuration(phone, prepared, STRANGER), trust(phone, prepared, STRANGER))
            ]
        )
    fleet.during(2 * HOUR)
    assert fleet.states(2) == {"unproved": 10}
    # One after the other is tried first, and none twice in a night.
    assert {phone.restarts for phone in phones} == {1}
    assert prepared.situation.active.number == 1
    assert missing(fleet) == 10


def test_a_stranger_makes_no_absent_terminal_a_failed_one(fleet, prepared):
    """He fetches the configuration while the NOTIFY is under way; nobody answers that."""
    [phone] = fleet.add()
    results = asked(fleet, phone, record=False)
    recording.write_facts([configuration(phone, prepared, STRANGER)])
    prepared.after(32 * SECOND)
    claims.record([AskResult(results[0].ask, 0, Reaction.ABSENT)], now=prepared.now, seen_at=prepared.now)
    assert state(fleet, phone) == ("absent", "")
    prepared.after(HOUR)
    rounds.reconcile_rollouts(prepared.situation)
    assert state(fleet, phone) == ("absent", "")


@pytest.mark.parametrize("answer", [Reaction.ABSENT, Reaction.REFUSED, Reaction.NOT_SUPPORTED])
def test_a_telephone_that_only_polls_is_unproved_and_never_failed(fleet, prepared, answer):
    [phone] = fleet.add()
    came(phone, prepared, PHONE)
    for _ in range(3):
        asked(fleet, phone, answer=answer)
        assert state(fleet, phone) == ("unproved", "")
        came(phone, prepared, PHONE)
        prepared.after(21 * HOUR)
    assert fleet.row(phone, 2).failure == ""


def test_one_that_had_failed_and_fetches_is_unproved_and_not_restarted_at_once(fleet, prepared):
    [phone] = fleet.add()
    asked(fleet, phone)
    prepared.after(46 * MINUTE)
    rounds.reconcile_rollouts(prepared.situation)
    assert state(fleet, phone) == ("failed", "")
    came(phone, prepared, PHONE)
    row = fleet.row(phone, 2)
    assert (row.state, row.failure, row.failed_at) == ("unproved", "", None)
    assert row.next_at == prepared.now + fetches.DOUBTFUL_AGAIN_AFTER


def test_who_is_skipped_stays_so(fleet, prepared):
    [phone] = fleet.add()
    rounds.reconcile_rollouts(prepared.situation)
    Installation.objects.update(state="skipped")
    came(phone, prepared, STRANGER)
    assert state(fleet, phone) == ("skipped", "")


# -- what is known later -------------------------------------------------------------------------------------------------


def test_a_network_that_is_named_later_proves_what_was_fetched_before(fleet, delivery, prepared):
    phones = fleet.add(2)
    rounds.reconcile_rollouts(prepared.situation)
    came(phones[0], prepared, PHONE)
    came(phones[1], prepared, STRANGER)
    delivery(telephone_networks=["198.51.100.0/24"])
    rounds.reconcile_rollouts(prepared.situation)
    assert [state(fleet, phone) for phone in phones] == [("confirmed", "network"), ("unproved", "")]


def test_so_does_the_address_that_is_entered_later(fleet, prepared):
    [phone] = fleet.add()
    rounds.reconcile_rollouts(prepared.situation)
    came(phone, prepared, STRANGER)
    came(phone, prepared, PHONE)
    Terminal.objects.update(address=PHONE)
    rounds.reconcile_rollouts(prepared.situation)
    assert state(fleet, phone) == ("confirmed", "record")


def test_a_person_accepts_an_address_for_one_terminal(fleet, prepared):
    first, second = fleet.add(2)
    for phone in (first, second):
        came(phone, prepared, PHONE)
    assert fetches.accept(first.terminal.pk, PHONE, by="otto")
    row = fleet.row(first, 2)
    assert (row.state, row.proof, row.confirmed_by, row.address) == ("confirmed", "accepted", "otto", PHONE)
    assert state(fleet, second) == ("unproved", "")
    assert not fetches.accept(first.terminal.pk, STRANGER, by="otto")


def test_an_accepted_address_counts_from_then_on(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, PHONE, of=(1,))
    fetches.accept(phone.terminal.pk, PHONE, by="otto")
    came(phone, prepared, PHONE, of=(1, 2))
    assert state(fleet, phone) == ("confirmed", "accepted")


# -- strangers with many addresses ---------------------------------------------------------------------------------------


def test_only_some_addresses_are_remembered_and_never_so_few_that_one_seems_to_be_the_only(fleet, prepared):
    [phone] = fleet.add()
    came(phone, prepared, OTHER)
    fetches.accept(phone.terminal.pk, OTHER, by="otto")
    Installation.objects.update(state="waiting", confirmed_at=None, evidence="", proof="", confirmed_by="")
    asked(fleet, phone)
    came(phone, prepared, PHONE)
    for number in range(40):
        prepared.after(SECOND)
        came(phone, prepared, f"203.0.113.{number}", f"2001:db8:{number:x}::1")
    assert Requester.objects.count() == 8 + 8 + 1
    assert Requester.objects.filter(source=OTHER).exists()
    assert state(fleet, phone) == ("unproved", "")


def taken_in_turn(phone, world, *addresses, of):
    """One trust anchor, by one that is told them in turn."""
    for address in addresses:
        world.after(HOUR)
        recording.write_facts([trust(phone, world, address, of=of)])


def test_a_stranger_with_many_addresses_makes_nobody_forget_what_a_telephone_holds(fleet, prepared):
    [phone] = fleet.add(of=fleet.type("A Yealink", "yealink", wants="root"), address=PHONE)
    taken_in_turn(phone, prepared, PHONE, of=[1])
    taken_in_turn(phone, prepared, *(f"203.0.113.{number}" for number in range(40)), of=[2])

    assert held_by(phone.terminal).numbers == [1]
    assert Requester.objects.count() == 1 + 8


def test_nor_do_the_addresses_at_which_it_was_itself_become_ever_more(fleet, prepared, delivery):
    delivery(telephone_networks=["198.51.100.0/24"])
    [phone] = fleet.add(of=fleet.type("A Yealink", "yealink", wants="root"))
    taken_in_turn(phone, prepared, *(f"203.0.113.{number}" for number in range(20)), of=[2])
    taken_in_turn(phone, prepared, *(f"198.51.100.{number}" for number in range(20)), of=[1])

    assert held_by(phone.terminal).numbers == [1]
    assert Requester.objects.filter(held_proved=True).count() == 8
    assert Requester.objects.filter(source="198.51.100.19").exists()
    assert Requester.objects.count() == 8 + 8


def test_another_telephone_has_fetched_nothing(fleet, prepared):
    """What the one before did, and is recorded only now, is not of the one in its place."""
    [phone] = fleet.add(mac="00085D000001")
    late = trust(phone, prepared, PHONE, secret=True)
    came(phone, prepared, PHONE)
    fetches.accept(phone.terminal.pk, PHONE, by="otto")
    secret = Terminal.objects.get().path_secret
    prepared.after(MINUTE)
    with time_machine.travel(prepared.now, tick=False):
        changes.save(Terminal.objects.get(), {"mac": "00085D000002"})
    assert not Requester.objects.exists()
    assert Terminal.objects.get().path_secret != secret
    recording.write_facts([late])
    assert not Installation.objects.trusted().exists()
    came(phone, prepared, PHONE, secret=True)
    assert state(fleet, phone) == ("confirmed", "path")


# -- what it costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["record", "answer", "contested", "unproved"])
def test_its_statements_grow_with_batches_and_not_with_telephones(fleet, prepared, how):
    def cost(count):
        phones = fleet.add(count, address=PHONE if how == "record" else "")
        if how in {"answer", "contested"}:
            results = asked(fleet, *phones, record=False)
            with CaptureQueriesContext(connection) as answering:
                claims.record(results, now=prepared.now, seen_at=prepared.now)
        facts = [trust(phone, prepared) for phone in phones]
        if how == "contested":
            facts += [configuration(phone, prepared, STRANGER) for phone in phones]
        with CaptureQueriesContext(connection) as captured:
            recording.write_facts(facts)
        if how in {"answer", "contested"}:
            return len(captured), len(answering)
        return len(captured), 0

    few, answered = cost(20)
    assert cost(90) == (few, answered)
    # With PostgreSQL each transaction waits for its turn by a statement (rule one-writer).
    assert few <= {"record": 14, "answer": 28, "contested": 28, "unproved": 17}[how]
