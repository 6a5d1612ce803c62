"""`rollout`: how it stands, what is ordered of it, and the bar of `--watch`."""

from datetime import timedelta
from io import StringIO

import pytest

from certificates.renewal.situation import load_situation
from terminals.management.commands.rollout import Command
from terminals.models import Installation, Rollout, Terminal, TerminalType
from terminals.rollout import rounds


@pytest.fixture
def rolling(prepared):
    """Generation 2 is being rolled out to four Mitel phones and one that needs a hand."""
    mitel = TerminalType.objects.get(name="Mitel 6867i")
    hand = TerminalType.objects.filter(method="sip_standard", holds_only_one=False).first()
    for number in range(101, 105):
        Terminal.objects.create(number=str(number), name=f"desk {number}", type=mitel)
    Terminal.objects.create(number="201", name="gate", type=hand)
    assert rounds.reconcile_rollouts(load_situation()).generation_id == 2
    return prepared


@pytest.fixture
def row():
    return lambda number: Installation.objects.get(generation=2, terminal__number=number)


def current():
    return Rollout.objects.get(generation=2)


def test_without_terminals_there_is_none(prepared):
    ran = prepared.run("rollout")
    assert (ran.exit_code, ran.out) == (0, "There is no rollout now.\n")
    assert prepared.run("rollout", "--json").json == {"rollout": None}
    assert prepared.run("rollout", "pause").exit_code == 3


def test_it_says_how_it_stands(rolling, row):
    Installation.objects.filter(pk=row("101").pk).update(state="failed", failure="refused")

    out = rolling.run("rollout").out

    assert "2 (running)" in out
    assert "0 of 5" in out
    assert "SIP standard terminal  by hand" in out
    assert "101 desk 101" in out
    assert "It refuses the notification." in out


def test_of_an_absent_one_it_says_when_it_is_asked_again_and_what_is_known(rolling, row):
    again = load_situation().clock.best + timedelta(minutes=4)
    Installation.objects.filter(pk=row("102").pk).update(state="absent", failure="unreachable", next_at=again)

    line = next(line for line in rolling.run("rollout").out.splitlines() if "102 desk 102" in line)

    assert "next attempt " in line
    assert line.endswith("The notification target accepts no connection.")


def test_json_has_generation_wave_and_states_by_method(rolling, row):
    Installation.objects.filter(pk=row("101").pk).update(state="confirmed", confirmed_at=load_situation().clock.best)

    value = rolling.run("rollout", "--json").json["rollout"]

    assert (value["generation"], value["state"], value["complete"]) == (2, "running", False)
    assert set(value["wave"]) == {"mitel_sip"}
    assert value["terminals"]["total"] == 5
    assert value["terminals"]["states"]["confirmed"] == 1
    assert value["terminals"]["methods"]["mitel_sip"]["waiting"] == 3
    assert value["terminals"]["methods"]["sip_standard"]["waiting"] == 1


def test_status_says_the_same(rolling):
    assert rolling.run("status", "--json").json["rollout"] == rolling.run("rollout", "--json").json["rollout"]
    assert "generation 2 (running), 0 of 5 terminals" in rolling.run("status").out


def test_pause_and_continue(rolling):
    assert rolling.run("rollout", "pause").out == (
        "The rollout is paused: nobody else is asked, and the deadline of the handover is held.\n"
    )
    assert current().state == "paused"
    assert "(command line)" in current().changed_by
    assert rolling.run("rollout", "continue").exit_code == 0
    assert current().state == "running"


def test_what_is_not_possible_now_is_code_3(rolling):
    ran = rolling.run("rollout", "continue")

    assert ran.exit_code == 3
    assert "Nothing has been done." in str(ran.error)


def test_retry_asks_those_that_failed_again(rolling, row):
    Installation.objects.filter(pk=row("101").pk).update(state="failed", failure="refused")

    assert rolling.run("rollout", "retry").out == "1 terminal that had failed is asked again.\n"
    assert row("101").state == "waiting"


def test_restart_now(rolling):
    rolling.run("rollout", "restart-now")

    assert current().restart_now


def test_an_order_right_after_the_generation_does_not_wait_for_the_heartbeat(rolling):
    Installation.objects.all().delete()
    Rollout.objects.all().delete()

    assert rolling.run("rollout", "restart-now").exit_code == 0

    assert current().restart_now


def test_skip_and_confirm_one_terminal(rolling, row):
    assert rolling.run("rollout", "skip", "102").out == "Terminal 102 desk 102 is skipped.\n"
    assert row("102").state == "skipped"

    ran = rolling.run("rollout", "confirm", "201", "--json")
    assert ran.json["rollout"]["terminals"]["states"]["confirmed"] == 1
    assert (row("201").state, row("201").evidence) == ("confirmed", "person")
    assert "(command line)" in row("201").confirmed_by


def test_it_says_which_generation_was_confirmed(rolling):
    assert rolling.run("rollout", "confirm", "201").out == "Terminal 201 gate is confirmed for generation 2.\n"


def test_where_two_generations_are_due_one_has_to_be_named_and_a_repeat_confirms_no_other(rolling, row):
    kind = TerminalType.objects.create(name="DER", method="sip_standard", trust_format="der", wants="root")
    Terminal.objects.create(number="202", name="door", type=kind)
    rounds.reconcile_rollouts(load_situation())

    unnamed = rolling.run("rollout", "confirm", "202")
    assert unnamed.exit_code == 2
    assert "Two generations are due on terminal 202 door: 1, then 2." in str(unnamed.error)
    assert rolling.run("rollout", "confirm", "202", "--generation", "2").exit_code == 3

    ran = rolling.run("rollout", "confirm", "202", "--generation", "1")
    assert ran.out == "Terminal 202 door is confirmed for generation 1. Generation 2 is due now.\n"
    assert rolling.run("rollout", "confirm", "202", "--generation", "1").exit_code == 3
    assert row("202").state == "waiting"

    rolling.run("rollout", "confirm", "202")
    assert row("202").state == "confirmed"


def test_what_has_confirmed_is_not_skipped(rolling):
    rolling.run("rollout", "confirm", "201")

    assert rolling.run("rollout", "skip", "201").exit_code == 3


def test_a_disabled_terminal_is_not_confirmed(rolling, row):
    Terminal.objects.filter(number="201").update(enabled=False)

    assert rolling.run("rollout", "confirm", "201").exit_code == 3
    assert row("201").state == "waiting"


@pytest.mark.parametrize(
    "arguments",
    [["skip"], ["confirm"], ["pause", "102"], ["skip", "999"], ["pause", "--watch"], ["pause", "--generation", "2"]],
    ids=" ".join,
)
def test_a_wrong_use_is_code_2_and_changes_nothing(rolling, arguments):
    assert rolling.run("rollout", *arguments).exit_code == 2
    assert current().state == "running"
    assert not Installation.objects.exclude(state="waiting").exists()


def test_watch_draws_a_bar_until_everybody_has_confirmed(rolling, monkeypatch):
    before = iter(["101", "102", "103", "104", "201"])

    def one_more_confirms(_seconds):
        if (number := next(before, None)) is not None:
            rolling.run("rollout", "confirm", number)

    # What passes between two looks is the test's to say; no time does.
    monkeypatch.setattr("terminals.management.commands.rollout.time.sleep", one_more_confirms)
    monkeypatch.setattr(Command, "pause", timedelta(0))

    lines = rolling.run("rollout", "--watch").out.splitlines()

    assert lines[0] == f"[{'-' * 30}] 0/5  5 waiting"
    assert lines[1] == f"[{'#' * 6}{'-' * 24}] 1/5  1 confirmed, 4 waiting"
    assert lines[5] == f"[{'#' * 30}] 5/5  5 confirmed"


def test_on_a_terminal_the_bar_never_wraps_for_what_wraps_could_not_be_written_over(monkeypatch):
    class Screen(StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    command = Command(stdout=screen)
    command._draw("a line of more than twenty columns", "")
    command._draw("a short one", "a line of more than twenty columns")

    assert screen.getvalue() == "\ra line of more than" + "\ra short one" + 8 * " "


def test_watch_for_a_script_waits_and_writes_one_object(rolling):
    for number in ("101", "102", "103", "104", "201"):
        rolling.run("rollout", "confirm", number)

    assert rolling.run("rollout", "--watch", "--json").json["rollout"]["complete"] is True


def test_watch_ends_with_an_error_when_the_rollout_stops(rolling):
    Rollout.objects.update(state="stopped")

    ran = rolling.run("rollout", "--watch", "--json")

    assert ran.exit_code == 1
    assert ran.error.code == "stopped"
    assert ran.error.value["rollout"]["state"] == "stopped"


def test_a_person_who_has_seen_enough_ends_it_without_an_error(rolling, monkeypatch):
    def interrupted(_seconds):
        raise KeyboardInterrupt

    # As Ctrl-C while it waits.
    monkeypatch.setattr("terminals.management.commands.rollout.time.sleep", interrupted)

    ran = rolling.run("rollout", "--watch")

    assert ran.exit_code == 0
    assert "2 (running)" in ran.out
