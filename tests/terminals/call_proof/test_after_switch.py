"""When a proof is made by itself, by whom, and what the heartbeat makes of it (rule proof-by-call)."""

import json
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from certificates.call_proof import orders
from certificates.call_proof.models import CallProof, CallProofSettings
from certificates.models import Switch
from pbxcerts.heartbeat import beat
from pbxcerts.system.commands import CommandFailed, NotNow
from pbxcerts.system.models import EventMessage
from pbxcerts.system.time.ntp import NtpSurvey
from terminals.call_proof import process
from terminals.call_proof.proving import prove_ordered
from tests.support.sip_pbx import reply
from tests.support.tls_server import script
from tests.terminals.call_proof.conftest import files, findings

pytestmark = pytest.mark.django_db


@pytest.fixture
def loads(world, pbx, tmp_path):
    """The reload command works: the PBX has read the new pair at its next connection."""
    world.server = replace(
        world.server, look_for=5, look_every=0.05, reload_command=script(tmp_path / "r", "#!/bin/sh\n")
    )
    alive = iter([lambda: None, lambda: pbx.load(*files(world, "current"))])
    world.server = replace(world.server, alive=lambda: next(alive, lambda: None)())
    return world


def test_a_switch_that_was_seen_orders_one_of_the_new_pair(loads):
    loads.generate(at_once=True)

    assert Switch.objects.first().outcome == "verified"
    proof = CallProof.objects.get()
    assert (proof.why, proof.generation_id, proof.running) == ("switch", 2, True)
    assert prove_ordered(loads.clock()).outcome == "proved"


def test_a_switch_that_goes_back_orders_one_of_the_pair_that_is_served(world, pbx):
    world.generate(at_once=True)

    assert world.states == {1: "active", 2: "held"}
    assert [one.generation_id for one in CallProof.objects.all()] == [1]


def test_none_is_ordered_where_it_is_off_or_nobody_looks(world, pbx):
    world.set(tls_addresses=[])
    world.generate(at_once=True)
    world.set(tls_addresses=[pbx.address])
    CallProofSettings.load()
    CallProofSettings.objects.update(after_switch=False)
    world.generate(at_once=True)

    assert not CallProof.objects.exists()


def test_a_failure_of_sip_or_speech_takes_no_pair_back(loads, pbx, account):
    account()
    pbx.echoes = False
    loads.generate(at_once=True)
    assert prove_ordered(loads.clock()).outcome == "media_failed"
    loads.beat()

    assert loads.states == {1: "superseded", 2: "active"}


def test_an_order_of_the_switch_before_is_over(loads, world):
    loads.generate(at_once=True)
    orders.order_after_switch(1, world.now)

    assert [(one.generation_id, one.outcome) for one in CallProof.objects.order_by("pk")] == [(2, "overtaken"), (1, "")]


# -- the heartbeat ------------------------------------------------------------------------------------------------------


@pytest.fixture
def beating(world):
    world.at(datetime.now(UTC))
    return lambda: beat(server=world.server, ask=lambda servers: NtpSurvey(()))


def test_the_heartbeat_starts_a_process_for_what_is_ordered_and_no_second_one(world, pbx, beating, proofs_started):
    beating()
    assert proofs_started == []
    orders.order_by_person(1, world.now, by="anna")
    beating()
    assert proofs_started == [1]
    orders.claim(datetime.now(UTC))
    beating()
    assert proofs_started == [1]


def test_the_process_is_the_command_and_nobody_waits_for_it(monkeypatch):
    """It never ends, and whoever starts it goes on at once."""
    # The start itself, which no other test lets happen.
    monkeypatch.undo()
    started = []
    popen = process.subprocess.Popen

    def remember(command, **options):
        started.append((command, popen([sys.executable, "-c", "import time; time.sleep(600)"], **options)))
        return started[-1][1]

    monkeypatch.setattr(process.subprocess, "Popen", remember)
    process.start()
    ((command, child),) = started
    assert list(command[1:]) == ["-m", "pbxcerts", "prove_by_call", "--ordered"]
    assert child.poll() is None
    child.kill()


def test_a_process_that_hangs_ends_itself():
    over = threading.Event()
    process.end_in_time(0.01, end=lambda code: over.set())
    assert over.wait(60)


def test_what_fails_is_a_critical_message_until_a_later_proof_says_otherwise(world, pbx, account, beating):
    account()
    pbx.echoes = False
    orders.order_by_person(1, world.now, by="anna")
    prove_ordered(world.clock())
    beating()
    message = EventMessage.objects.get(kind="call_proof_media")
    assert (message.severity, message.cleared_at) == ("critical", None)
    assert message.params["where"] == pbx.address

    orders.order_by_person(1, world.now, by="anna")
    beating()
    message.refresh_from_db()
    assert message.cleared_at is None, "it is only being tried again"

    pbx.echoes = True
    prove_ordered(world.clock())
    beating()
    message.refresh_from_db()
    assert message.cleared_at is not None


# -- a password that was refused ----------------------------------------------------------------------------------------


def test_a_password_that_was_refused_is_not_tried_again_by_itself(world, pbx, account, prove):
    account(password="not this one")
    prove()
    pbx.heard.clear()
    orders.order_after_switch(1, world.now)
    again = prove_ordered(world.clock())

    assert (findings(again)["register"], again.outcome) == ("refused_before", "sip_failed")
    assert "REGISTER" not in pbx.methods()

    account()
    assert prove().outcome == "proved", "a person may"
    orders.order_after_switch(1, world.now)
    assert prove_ordered(world.clock()).outcome == "proved"


# -- the command --------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(world, monkeypatch):
    world.at(datetime.now(UTC))
    monkeypatch.setattr("terminals.management.commands.prove_by_call.end_in_time", lambda: None)

    def run(*arguments):
        out = StringIO()
        call_command("prove_by_call", "--json", *arguments, stdout=out)
        return json.loads(out.getvalue())["proof"]

    return run


def test_by_hand_it_proves_now(pbx, command, monkeypatch, world):
    monkeypatch.setattr("terminals.call_proof.proving.timekeeping.current_clock", world.clock)
    proof = command()
    assert (proof["generation"], proof["outcome"]) == (1, "proved")
    assert [one["step"] for one in proof["steps"]] == ["tls", "options", "register"]


def test_by_hand_a_failure_is_an_exit_code(pbx, command, monkeypatch, world):
    monkeypatch.setattr("terminals.call_proof.proving.timekeeping.current_clock", world.clock)
    pbx.does["OPTIONS"] = lambda heard, _: reply(heard, "500 No")
    with pytest.raises(CommandFailed) as failed:
        command()
    assert (failed.value.code, failed.value.exit_code) == ("sip_failed", 1)


def test_of_the_worker_it_does_what_is_ordered_and_nothing_else(pbx, command):
    assert command("--ordered") is None
    assert pbx.methods() == []


def test_by_hand_without_an_address_it_says_so(world, command):
    with pytest.raises(NotNow):
        command()
