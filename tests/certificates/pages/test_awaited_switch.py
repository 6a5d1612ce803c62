"""What the page says of a switch that is waited for is what will happen: each state is brought about, in both languages."""

import subprocess
import sys
from datetime import timedelta

import pytest
import time_machine

from certificates.models import Switch
from certificates.renewal import orders
from certificates.renewal.handover import MissingTerminal, Readiness
from pbxcerts.system import own_process
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time import timekeeping
from tests.support.generations import HOUR, MINUTE, lacking
from tests.support.product import ROOT
from tests.support.telephones import TenTelephones

OVERVIEW = "/certificates/"
DEADLINE_PAGE = "/certificates/2/deadline/"
ACTIVATE_PAGE = "/certificates/2/activate/"


class Held(TenTelephones):
    rollout_stopped, seen = False, 0

    def readiness(self, **_asked):
        return Readiness(
            counting=10,
            **lacking(MissingTerminal("101", "Reception", "-")),
            rollout_stopped=self.rollout_stopped,
            seen=lambda: self.seen,
        )


class Stopped(Held):
    rollout_stopped = True


class ThreeSeen(Held):
    seen = 3


@pytest.fixture
def after_the_deadline(handing_over):
    """An hour after the deadline, and the clock is right."""
    handing_over.at(handing_over.pending.deadline + HOUR)
    with time_machine.travel(handing_over.now, tick=False):
        timekeeping.check_clock()
        yield handing_over


def fail_to_switch(world):
    world.refuse_to_reload()
    world.activate()
    assert (world.pending.held_because, world.pending.deadline) == ("switch_failed", None)


# -- held after a failed switch -----------------------------------------------------------------------------------------


def test_a_pair_whose_switch_failed_says_why_and_when_it_is_tried_again(handing_over, operator_client, said, local):
    fail_to_switch(handing_over)
    page = said(operator_client)

    assert page.has(
        "The reload command failed: “false: exit status 1",
        "Der Befehl zum Neuladen ist fehlgeschlagen: „false: exit status 1",
    )
    assert page.has("Next try", "Nächster Versuch")
    at = handing_over.pending.switch_failed_at + MINUTE
    assert page.language == "de" or f"Next try {local(at)}" in page.page
    assert not page.has("Active at the latest", "Spätestens aktiv")
    assert not page.has("waits for the deadline", "wartet auf die Frist")


def test_where_the_reload_command_is_held_by_a_sandbox_the_page_says_what_fails_in_it(
    handing_over, operator_client, said, monkeypatch
):
    fail_to_switch(handing_over)
    control_socket = ("sudo and setuid programs fail", "sudo und setuid-Programme scheitern")
    assert not said(operator_client).has(*control_socket)

    monkeypatch.setattr(own_process, "may_gain_privileges", lambda: False)
    assert said(operator_client).has(*control_socket)


def test_whether_a_program_may_become_another_user_is_known():
    program = [
        sys.executable,
        "-c",
        "from pbxcerts.system import own_process; print(own_process.may_gain_privileges())",
    ]
    told = [
        subprocess.run([*before, *program], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
        for before in ((), ("setpriv", "--no-new-privs"))
    ]

    assert told == ["True", "False"]


def test_what_does_not_wait_for_a_deadline_offers_none_to_move(handing_over, operator_client):
    url = f'href="{DEADLINE_PAGE}"'
    assert url in operator_client.get(OVERVIEW).content.decode()

    fail_to_switch(handing_over)
    assert url not in operator_client.get(OVERVIEW).content.decode()


def test_the_page_of_a_deadline_that_there_is_not_says_what_is_waited_for(handing_over, operator_client, said):
    fail_to_switch(handing_over)
    page = said(operator_client, DEADLINE_PAGE)

    assert page.has("waits for the next try of a switch that failed", "wartet auf den nächsten Versuch")
    assert not page.has("switched at once", "sofort umgeschaltet")


# -- a deadline that is held up -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("telephones", "english", "german"),
    [
        ("Stopped", "The rollout is paused or has stopped.", "Die Verteilung ist angehalten oder gestoppt."),
        (
            "ThreeSeen",
            "3 automatic terminals were seen in the last 24 hours and have not confirmed.",
            "3 automatische Endgeräte wurden in den letzten 24 Stunden gesehen und haben nicht bestätigt.",
        ),
    ],
)
def test_a_deadline_that_is_held_up_says_by_which_of_the_two_and_until_when(
    after_the_deadline, settings, operator_client, said, local, telephones, english, german
):
    settings.TERMINALS = f"{__name__}.{telephones}"
    page = said(operator_client)

    assert page.has(english, german)
    other = "Verteilung ist angehalten" if telephones == "ThreeSeen" else "in den letzten 24 Stunden gesehen"
    assert page.language == "en" or other not in page.page
    assert page.has(
        "it has come, and the communication server is not switched yet",
        "sie ist abgelaufen, und der Kommunikationsserver ist noch nicht",
    )
    assert not page.has("waits until", "wartet bis")
    if page.language == "en":
        active, pending = after_the_deadline.active, after_the_deadline.pending
        latest = local(min(active.plan.end - timedelta(hours=24), pending.plan.planned))
        assert f"Active at the latest {latest}" in page.page


# -- rolled back --------------------------------------------------------------------------------------------------------


def test_after_a_roll_back_no_confirmation_is_said_to_switch(switched, operator_client, said):
    switched.roll_back()
    page = said(operator_client, DEADLINE_PAGE)

    assert page.has("That terminals confirm switches nothing.", "Dass Endgeräte bestätigen, schaltet nichts um.")
    assert not page.has("as soon as every terminal", "sobald alle")


def test_in_an_ordinary_handover_it_is(handing_over, operator_client, said):
    page = said(operator_client, DEADLINE_PAGE)

    assert page.has("as soon as every terminal", "sobald alle Endgeräte bestätigt haben")
    assert not page.has("That terminals confirm switches nothing.", "Dass Endgeräte bestätigen, schaltet nichts um.")


# -- what comes back by itself ------------------------------------------------------------------------------------------


def test_a_withdrawn_pair_is_not_said_to_come_back(handing_over, operator_client, said):
    assert said(operator_client, ACTIVATE_PAGE).has("comes back by itself", "wird von selbst auf Generation 1 zurück")

    orders.withdraw(handing_over.clock(), 1, by="anna")
    page = said(operator_client, ACTIVATE_PAGE)
    assert page.has("nothing comes back: generation 1 is withdrawn", "wird nicht zurückgeschaltet: Generation 1")
    assert not page.has("comes back by itself", "wird von selbst auf Generation 1 zurück")


# -- nobody counts ------------------------------------------------------------------------------------------------------


def test_where_no_terminal_counts_none_is_said_to_be_unknown(handing_over, operator_client, said):
    page = said(operator_client)

    assert page.has("none: the switch waits for the deadline", "keine: Die Umschaltung wartet auf die Frist")
    assert page.has("no terminal counts that could confirm", "Auf kein Endgerät, das")
    assert Switch.objects.filter(running=True).count() == 0


# -- what the system says in its own language ---------------------------------------------------------------------------


def test_the_words_of_the_system_are_quoted_and_no_part_of_the_sentence(running, operator_client, said):
    running.set(tls_addresses=["127.0.0.1:9"])
    seen = {"sha256": "", "error": "Connection refused", "at": running.now.isoformat()}
    Heartbeat.objects.update(publish_failure="/srv/store: No space left on device", presented={"127.0.0.1:9": seen})
    page = said(operator_client)

    for words in ("/srv/store: No space left on device", "Connection refused"):
        assert page.has(f"words: “{words}”", f"Meldung des Systems: „{words}“")
