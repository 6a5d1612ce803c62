"""Reports and proofs that are none: in the wrong order, of what a later report lacks, with another's token, of a telephone before
(rules report-then-proof, another-telephone).
"""

import pytest
import time_machine

from terminals.by_hand.models import Link
from terminals.directory import changes
from terminals.evidence import recording
from terminals.evidence.facts import Proved, Reported
from terminals.models import Installation, Terminal
from tests.support.generations import DAY, HOUR, MINUTE, SECOND


@pytest.fixture
def prepared(world):
    """Generation 2 is prepared beside the active first."""
    world.once("by day", world.after(DAY + 8 * HOUR).generate)
    return world


@pytest.fixture
def agents(fleet, prepared):
    return fleet.add(2, of=fleet.type("IP system phone", "ip_system"))


def report(agent, world, *numbers):
    roots = frozenset(world.generation(number).root_sha256 for number in numbers)
    return Reported(agent.terminal.pk, roots, "agent/1", "192.0.2.60", world.now)


def proof(agent, world, number):
    return Proved(agent.terminal.pk, number, "agent/1", "192.0.2.60", world.now)


def trusts(agent):
    rows = Installation.objects.filter(terminal=agent.terminal).trusted()
    return set(rows.values_list("generation", flat=True))


def test_a_proof_before_the_report_says_nothing_even_in_one_batch(prepared, agents):
    agent, _other = agents
    early = proof(agent, prepared, 2)
    prepared.after(SECOND)
    recording.write_facts([early, report(agent, prepared, 1, 2)])
    assert trusts(agent) == set()
    prepared.after(SECOND)
    recording.write_facts([proof(agent, prepared, 2)])
    assert trusts(agent) == {1, 2}


def test_nor_one_that_was_written_down_too_late(prepared, agents):
    agent, _other = agents
    early = proof(agent, prepared, 2)
    prepared.after(SECOND)
    recording.write_facts([report(agent, prepared, 1, 2)])
    recording.write_facts([early])
    assert trusts(agent) == set()


def test_a_root_that_a_later_report_lacks_is_not_proved_with_the_others(prepared, agents):
    agent, _other = agents
    recording.write_facts([report(agent, prepared, 1, 2)])
    prepared.after(MINUTE)
    recording.write_facts([report(agent, prepared, 1)])
    prepared.after(SECOND)
    recording.write_facts([proof(agent, prepared, 1)])
    assert trusts(agent) == {1}


def test_a_proof_of_what_only_an_earlier_report_named_says_nothing(prepared, agents):
    agent, _other = agents
    recording.write_facts([report(agent, prepared, 1, 2)])
    prepared.after(MINUTE)
    recording.write_facts([report(agent, prepared, 1)])
    recording.write_facts([proof(agent, prepared, 2)])
    assert trusts(agent) == set()


def test_a_report_and_the_proof_of_another_terminal_confirm_neither(prepared, agents):
    agent, other = agents
    recording.write_facts([report(agent, prepared, 1, 2), proof(other, prepared, 2)])
    assert trusts(agent) == trusts(other) == set()


def test_an_old_proof_does_not_prove_what_is_reported_anew(prepared, agents):
    """It lost a root, was forgotten, and reports it again: that wants a proof of its own."""
    agent, _other = agents
    recording.write_facts([report(agent, prepared, 1, 2), proof(agent, prepared, 2)])
    assert trusts(agent) == {1, 2}
    before = proof(agent, prepared, 1)
    prepared.after(MINUTE)
    recording.write_facts([report(agent, prepared, 1)])
    prepared.after(MINUTE)
    recording.write_facts([report(agent, prepared, 1, 2)])
    recording.write_facts([before])
    assert trusts(agent) == {1}


def test_what_the_telephone_before_reported_is_not_of_the_one_in_its_place(fleet, prepared):
    [agent] = fleet.add(of=fleet.type("IP system phone", "ip_system"), mac="00085D000001", token_sha256="ab" * 32)
    late = [report(agent, prepared, 1, 2), proof(agent, prepared, 2)]
    prepared.after(MINUTE)
    with time_machine.travel(prepared.now, tick=False):
        changes.save(Terminal.objects.get(), {"mac": "00085D000002"})
    recording.write_facts(late)
    assert trusts(agent) == set()
    assert Terminal.objects.get().last_contact is None


def test_nor_does_its_personal_link_work(fleet, prepared):
    [phone] = fleet.add(of=fleet.type("Yealink", "sip_standard"), mac="00085D000001")
    Link.objects.create(terminal=phone.terminal, generation_id=2, token_sha256="cd" * 32, made_at=prepared.now)
    changes.save(Terminal.objects.get(), {"mac": "00085D000002"})
    assert not Link.objects.filter(revoked_at=None).exists()


def test_the_same_telephone_keeps_its_link_and_its_path(fleet, prepared):
    [phone] = fleet.add(of=fleet.type("Yealink", "sip_standard"), mac="00085D000001")
    Link.objects.create(terminal=phone.terminal, generation_id=2, token_sha256="cd" * 32, made_at=prepared.now)
    before = Terminal.objects.get().path_secret
    changes.save(Terminal.objects.get(), {"name": "reception"})
    assert Link.objects.filter(revoked_at=None).exists()
    assert Terminal.objects.get().path_secret == before
