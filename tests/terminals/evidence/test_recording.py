"""Evidence, whoever saw it: what a terminal has fetched, reported, proved, or a person has said
(rules ledger, report-then-proof, fetched-is-confirmed).
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from pbxcerts.system.run_files import OTHER_MACHINES, OtherMachine
from terminals.evidence import recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust, Proved, Reported
from terminals.models import Installation, Terminal
from tests.support.generations import DAY, HOUR, MINUTE


@pytest.fixture
def prepared(world):
    """Generation 2 is prepared beside the active first."""
    world.once("by day", world.after(DAY + 8 * HOUR).generate)
    return world


def took(phone, world, *generations, file="2-1.00000000", address="192.0.2.50"):
    return FetchedTrust(phone.terminal.pk, frozenset(generations), file, "Mitel6867i V:6.4", address, world.now, "6.4")


def ledger(phone):
    rows = Installation.objects.filter(terminal=phone.terminal).order_by("generation_id")
    return [(row.generation_id, row.state) for row in rows]


def test_a_terminal_trusts_all_roots_of_the_file_that_it_took(fleet, prepared):
    [phone] = fleet.add()
    recording.fetched([took(phone, prepared, 1, 2)])
    assert ledger(phone) == [(1, "confirmed"), (2, "confirmed")]
    terminal = Terminal.objects.get()
    assert (terminal.last_contact, terminal.last_address, terminal.firmware) == (prepared.now, "192.0.2.50", "6.4")


def test_an_old_version_confirms_what_it_held_and_nothing_else(fleet, prepared):
    [phone] = fleet.add()
    fleet.beat()
    recording.fetched([took(phone, prepared, 1, file="1.00000000")])
    assert ledger(phone) == [(1, "confirmed"), (2, "waiting")]


def test_who_fetches_twice_is_confirmed_once_by_the_first(fleet, prepared):
    [phone] = fleet.add()
    recording.fetched([took(phone, prepared, 2)])
    first = fleet.row(phone)
    prepared.after(MINUTE)
    recording.fetched([took(phone, prepared, 2), took(phone, prepared, 2)])
    again = fleet.row(phone)
    assert (again.confirmed_at, again.fetched_at) == (first.confirmed_at, first.fetched_at)
    assert Terminal.objects.get().last_contact == prepared.now


def test_the_same_terminal_twice_in_one_batch_is_no_trouble(fleet, prepared):
    [phone] = fleet.add()
    recording.fetched([took(phone, prepared, 1, 2), took(phone, prepared, 2)])
    assert ledger(phone) == [(1, "confirmed"), (2, "confirmed")]


def test_nothing_seen_changes_nothing(fleet, prepared):
    fleet.add()
    fleet.beat()
    before = list(Installation.objects.values())
    for record in (
        recording.fetched,
        recording.reported,
        recording.proved,
    ):
        record([])
    assert before
    assert list(Installation.objects.values()) == before


@pytest.mark.parametrize(("state", "after"), [("heard", "fetched"), ("asked", "asked"), ("waiting", "waiting")])
def test_the_configuration_says_that_one_is_back_only_after_it_has_answered(fleet, prepared, state, after):
    [phone] = fleet.add()
    fleet.beat()
    Installation.objects.update(state=state)
    recording.fetched(
        [FetchedConfiguration(phone.terminal.pk, "00085D000001.cfg", "Mitel", "192.0.2.50", prepared.now)]
    )
    assert fleet.row(phone).state == after
    assert Terminal.objects.get().last_contact == prepared.now


@pytest.mark.parametrize(
    ("listed", "came_from", "differs"),
    [
        ("192.0.2.50", "192.0.2.50", False),
        ("192.0.2.50:5070", "192.0.2.50", False),
        ("192.0.2.50", "192.0.2.51", True),
        ("[2001:db8::1]:5060", "2001:db8::1", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("", "192.0.2.51", False),
    ],
)
def test_a_differing_address_is_remembered(fleet, prepared, listed, came_from, differs):
    [phone] = fleet.add(address=listed)
    recording.fetched([took(phone, prepared, 2, address=came_from)])
    assert fleet.row(phone).address_differs is differs
    assert fleet.row(phone).state == "confirmed"


# -- IP system phones --------------------------------------------------------------------------------------------------


@pytest.fixture
def agent(fleet, prepared):
    [phone] = fleet.add(of=fleet.type("IP system phone", "ip_system"))
    return phone


def report(agent, world, *numbers):
    roots = frozenset(world.generation(number).root_sha256 for number in numbers) | {"ab" * 32}
    recording.reported([Reported(agent.terminal.pk, roots, "agent/1", "192.0.2.60", world.now)])


def prove(agent, world, number):
    recording.proved([Proved(agent.terminal.pk, number, "agent/1", "192.0.2.60", world.now)])


def test_a_report_is_no_confirmation_before_it_is_proved(fleet, prepared, agent):
    report(agent, prepared, 1, 2)
    assert ledger(agent) == [(1, "fetched"), (2, "fetched")]
    prove(agent, prepared, 2)
    assert ledger(agent) == [(1, "confirmed"), (2, "confirmed")]
    assert fleet.row(agent).evidence == "proved"


def test_a_proof_without_a_report_says_nothing(prepared, agent):
    prove(agent, prepared, 2)
    assert ledger(agent) == []


def test_nor_does_the_proof_of_a_root_that_was_not_reported(prepared, agent):
    report(agent, prepared, 1)
    prove(agent, prepared, 2)
    assert ledger(agent) == [(1, "fetched")]


def test_a_root_that_is_no_longer_reported_is_no_longer_trusted(prepared, agent):
    report(agent, prepared, 1, 2)
    prove(agent, prepared, 2)
    report(agent, prepared, 1)
    assert ledger(agent) == [(1, "confirmed"), (2, "waiting")]
    assert not Installation.objects.filter(generation=2, confirmed_at__isnull=False).exists()


def test_a_report_that_is_never_proved_has_failed_after_45_minutes(fleet, prepared, agent):
    report(agent, prepared, 1, 2)
    fleet.beat()
    assert fleet.row(agent, 2).state == "fetched"
    prepared.after(46 * MINUTE)
    fleet.beat()
    assert (fleet.row(agent, 2).state, fleet.row(agent, 2).failure) == ("failed", "not_confirmed")


# -- people ------------------------------------------------------------------------------------------------------------


def test_opening_the_personal_link_is_downloaded_and_never_confirmed(fleet, prepared):
    [desk] = fleet.add(of=fleet.type("Yealink", "sip_standard"))
    fleet.beat()
    recording.downloaded(desk.terminal.pk, [1, 2], at=prepared.now)
    assert fleet.row(desk, 2).state == "downloaded"
    recording.confirmed_by_person([desk.terminal.pk], [1, 2], by="otto", at=prepared.now)
    recording.downloaded(desk.terminal.pk, [1, 2], at=prepared.now + timedelta(days=1))
    assert ledger(desk) == [(1, "confirmed"), (2, "confirmed")]


def test_a_machine_whose_clock_is_another_records_by_that_of_the_machine_that_publishes(
    fleet, prepared, settings, tmp_path
):
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    [phone] = fleet.add()
    ahead = OtherMachine("west", publishes=True, our_clock_ahead=3600.0)
    OTHER_MACHINES.write(tmp_path, {"0" * 32: ahead})
    recording.write_facts([replace(took(phone, prepared, 1, 2), at=prepared.now + HOUR)])

    assert Terminal.objects.get().last_contact == prepared.now
