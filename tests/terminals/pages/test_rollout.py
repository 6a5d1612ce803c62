"""The page of the rollout: what stands there is true, and what is ordered there is done once, by those who may."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from certificates.models import Generation
from terminals.models import Installation, Rollout, Terminal
from terminals.rollout import rounds
from terminals.states import Wave
from tests.support.generations import HOUR, MINUTE

PAGE = "/terminals/rollout/"
STATUS = "/terminals/rollout/status/"
ORDER = "/terminals/rollout/2/order/"
RESTART = "/terminals/rollout/2/restart-now/"


def current():
    return Rollout.objects.get(generation=2)


def test_before_a_rollout_begins_it_says_what_a_generation_would_mean(fleet, yealink, viewer_client, text):
    fleet.add(3)
    fleet.add(2, yealink)

    page = text(viewer_client.get(PAGE))

    assert "No rollout" in page
    assert "Restart by themselves 3," in page
    assert "To be installed by hand 2" in page


def test_where_nobody_is_there_it_does_not_promise_a_rollout(fleet, viewer_client, text):
    nobody = "There is no terminal that could be given the certificates."
    soon = "The rollout begins with the next heartbeat"
    page = text(viewer_client.get(PAGE))
    assert nobody in page
    assert soon not in page

    fleet.add(1)

    page = text(viewer_client.get(PAGE))
    assert nobody not in page
    assert soon in page


def test_it_shows_each_method_and_wave(mixed, put, viewer_client, text):
    put("ip_system", 2, state="confirmed", confirmed_at=mixed.world.now)
    put("sip_standard", 1, state="downloaded")

    page = text(viewer_client.get(PAGE))

    assert "Generation 2 running" in page
    assert "2 of 21 terminals" in page
    assert "IP system phone 2 of 6" in page
    assert "Mitel SIP phone 0 of 12" in page
    assert "SIP standard terminal 0 of 3" in page
    assert "First ones 0 / 1 open now" in page
    assert "1 downloaded" in page


def test_the_page_of_the_certificates_says_what_is_true_of_the_terminals_the_worst_first(
    mixed, put, viewer_client, text
):
    put("mitel_sip", 3, state="failed", failure="refused")
    Rollout.objects.filter(generation=2).update(state="stopped")

    page = text(viewer_client.get("/certificates/"))

    stopped, failed, left = (
        page.index(words)
        for words in (
            "The rollout of generation 2 has stopped, because too many terminals failed.",
            "Terminals that did not take generation 2: 3 (",
            "Terminals to be given generation 2 by hand: 3 (",
        )
    )
    assert stopped < failed < left
    assert "has stopped" in text(viewer_client.get("/certificates/status/"))
    Terminal.objects.all().delete()
    assert "Terminals that did not take" not in text(viewer_client.get("/certificates/"))


def test_each_bar_has_a_name_and_its_numbers(mixed, viewer_client):
    content = viewer_client.get(PAGE).content.decode()

    for part in content.split("<progress")[1:]:
        bar = part.partition(">")[0]
        assert "aria-labelledby=" in bar
        assert "max=" in bar
        assert "value=" in bar


def test_it_says_when_the_night_begins(mixed, put, viewer_client, text):
    put("ip_system", 6, state="confirmed", confirmed_at=mixed.world.now)

    page = text(viewer_client.get(PAGE))

    assert "Now Nobody is asked at the moment." in page
    assert "Next Terminals that have to restart are asked from" in page
    assert "Restarts only in the window of the night" in page
    assert "Expected end" in page


def test_it_says_how_many_are_under_way(mixed, put, viewer_client, text):
    put("mitel_sip", 3, state="heard", next_at=mixed.world.now + 45 * MINUTE)

    page = text(viewer_client.get(PAGE))

    under_way = "Terminals that are being asked, restart or fetch: 3."
    assert f"{under_way} Their turn: IP system phone (first ones). Next" in page

    Rollout.objects.filter(generation=2).update(restart_now=True)
    turn = "Their turn: IP system phone (first ones), Mitel SIP phone (first ones)."
    assert f"{under_way} {turn}" in text(viewer_client.get(PAGE))
    assert "3 under way" in page


LATEST = "waits for the previous wave; terminals unconfirmed by"


@pytest.fixture
def second_wave(mixed):
    """The first wave of the Mitel phones is confirmed; the one phone of the second is asked now."""
    mitel = Installation.objects.filter(generation=2, terminal__type__method="mitel_sip")
    mitel.filter(wave=Wave.FIRST).update(state="confirmed", confirmed_at=mixed.world.now)
    return mitel.filter(pk=mitel.get(wave=Wave.SECOND).pk)


def test_a_wave_that_waits_says_until_when_at_the_latest(mixed, second_wave, viewer_client, text):
    mitel = Installation.objects.filter(generation=2, terminal__type__method="mitel_sip")
    given_up = mixed.world.now + 45 * MINUTE
    latest = LATEST

    assert latest not in text(viewer_client.get(PAGE))

    for state in ("heard", "fetched"):
        second_wave.update(state=state, next_at=given_up)
        page = text(viewer_client.get(PAGE))
        assert page.count(latest) == 1
        assert f"Third wave 0 / 3 3 waiting {latest} {given_up.day} {given_up:%b %Y, %H:%M}" in page

    # What it answers moves the time: nothing is certain before.
    second_wave.update(state="asked")
    assert latest not in text(viewer_client.get(PAGE))
    second_wave.update(state="heard")

    # One of the wave is not asked yet: nobody knows when it will be.
    mitel.filter(wave=Wave.THIRD).update(wave=Wave.SECOND)
    assert latest not in text(viewer_client.get(PAGE))


def test_when_the_first_ones_are_given_up_the_rollout_stops_and_no_wave_opens(mixed, viewer_client, text):
    mitel = Installation.objects.filter(generation=2, terminal__type__method="mitel_sip")
    mitel.filter(wave=Wave.FIRST).update(state="heard", next_at=mixed.world.now + 45 * MINUTE)

    assert LATEST not in text(viewer_client.get(PAGE))


def test_a_report_moves_the_time_of_what_was_only_heard(mixed, viewer_client, text):
    agents = Installation.objects.filter(generation=2, terminal__type__method="ip_system")
    agents.filter(wave=Wave.FIRST).update(state="confirmed", confirmed_at=mixed.world.now)
    second = agents.filter(pk=agents.filter(wave=Wave.THIRD).first().pk)
    second.update(wave=Wave.SECOND)

    second.update(state="heard", next_at=mixed.world.now + 10 * MINUTE)
    assert LATEST not in text(viewer_client.get(PAGE))

    second.update(state="fetched")
    assert LATEST in text(viewer_client.get(PAGE))


def test_while_it_is_held_up_no_wave_is_promised_a_time(mixed, second_wave, viewer_client, text):
    second_wave.update(state="heard", next_at=mixed.world.now + 45 * MINUTE)
    assert LATEST in text(viewer_client.get(STATUS))

    Rollout.objects.filter(generation=2).update(state="paused")

    assert "waits for the wave before" not in text(viewer_client.get(STATUS))


def test_while_it_is_held_up_nobodys_turn_has_come(mixed, put, viewer_client, text):
    put("mitel_sip", 3, state="heard", next_at=mixed.world.now + 45 * MINUTE)
    assert "open now" in text(viewer_client.get(PAGE))
    Rollout.objects.filter(generation=2).update(state="paused")

    page = text(viewer_client.get(PAGE))

    assert "Terminals that are being asked, restart or fetch: 3. Next It goes on when a person continues." in page
    assert "open now" not in page


def test_a_failure_has_its_reason_and_a_hint(mixed, put, viewer_client, text):
    [failed] = put("mitel_sip", 1, state="failed", failure="refused", status_code=403, failed_at=mixed.world.now)

    page = text(viewer_client.get(PAGE))

    assert "Failed: 1" in page
    assert f"{failed.terminal} Mitel 6867i It refuses the notification. (status code 403)" in page
    assert "See whether the telephone, or the communication server, lets pbxcerts send NOTIFY requests." in page


def test_an_absent_one_has_its_next_attempt(mixed, put, viewer_client, text):
    at = mixed.world.now + HOUR
    [absent] = put("mitel_sip", 1, state="absent", next_at=at, attempts=4, postponed=4)

    page = text(viewer_client.get(PAGE))

    assert "Absent: 1" in page
    assert f"{absent.terminal} Mitel 6867i – 4 {at.day} {at:%b %Y, %H:%M}" in page


def test_of_many_failures_the_first_are_named_and_the_others_counted(mixed, put, viewer_client, text):
    mixed.add(30)
    rounds.reconcile_rollouts(mixed.world.situation)
    put("mitel_sip", 25, state="failed", failure="refused")

    page = text(viewer_client.get(PAGE))

    assert "Failed: 25" in page
    assert "and 5 more" in page


def test_who_is_on_the_work_list_is_not_named_among_the_absent(mixed, put, viewer_client, text):
    put("sip_standard", 1, state="absent")

    assert "Absent:" not in text(viewer_client.get(PAGE))


def test_the_part_that_asks_for_itself_is_the_same_without_the_frame(mixed, viewer_client):
    answer = viewer_client.get(STATUS).content.decode()

    assert answer.lstrip().startswith('<div id="status"')
    assert 'hx-get="/terminals/rollout/status/"' in answer
    assert 'hx-swap-oob="innerHTML"' in answer
    assert "<html" not in answer


def test_it_asks_more_often_while_something_is_under_way(mixed, put, viewer_client):
    assert 'hx-trigger="every 15s"' in viewer_client.get(STATUS).content.decode()

    put("mitel_sip", 1, state="asked")

    assert 'hx-trigger="every 2s"' in viewer_client.get(STATUS).content.decode()


def test_a_stop_is_said_with_the_names_and_what_to_do(mixed, put, viewer_client, text):
    [failed] = put("mitel_sip", 1, state="failed", failure="not_back")
    Rollout.objects.update(state="stopped")

    page = text(viewer_client.get(PAGE))

    assert "has stopped, because too many terminals failed." in page
    assert "Failed: 1" in page
    assert str(failed.terminal) in page
    assert "is not switched at its deadline while the rollout does not go on" in page
    assert "Next It goes on when a person continues." in page


def test_an_earlier_rollout_says_why_it_ended(mixed, viewer_client, text):
    mixed.world.generate()
    rounds.reconcile_rollouts(mixed.world.situation)

    page = text(viewer_client.get(PAGE))

    assert "Generation 3 running" in page
    assert "Earlier rollouts" in page
    assert "a newer generation took its place" in page


# -- orders ------------------------------------------------------------------------------------------------------------


def test_pause_and_continue(mixed, operator_client, text):
    page = text(operator_client.post(ORDER, {"order": "pause"}, follow=True))
    assert "The rollout is paused" in page
    assert "otto has paused the rollout of generation 2." in page
    assert (current().state, current().changed_by) == ("paused", "otto")
    Rollout.objects.update(changed_at=datetime(2031, 1, 31, tzinfo=UTC))
    assert re.search(r"Last order otto, .*2031", text(operator_client.get(PAGE)))

    assert "The rollout goes on." in text(operator_client.post(ORDER, {"order": "continue"}, follow=True))
    assert current().state == "running"
    assert {task.func() for task in OrmQ.objects.all()} == {"pbxcerts.tasks.heartbeat"}


def test_continue_twice_is_told_and_changes_nothing(mixed, operator_client, text):
    page = text(operator_client.post(ORDER, {"order": "continue"}, follow=True))

    assert "The rollout is no longer what it was when this was opened. Nothing has been done." in page
    assert not OrmQ.objects.exists()


def test_retry_while_it_is_stopped_promises_nothing_before_it_goes_on(mixed, put, operator_client, text):
    put("mitel_sip", 2, state="failed", failure="not_back")
    Rollout.objects.filter(generation=2).update(state="stopped")

    page = text(operator_client.post(ORDER, {"order": "retry"}, follow=True))

    assert "2 terminals that had failed are asked again when the rollout goes on: continue it." in page
    assert "(0" not in page


def test_retry_where_nobody_has_failed_any_more_says_so(mixed, operator_client, text):
    page = text(operator_client.post(ORDER, {"order": "retry"}, follow=True))

    assert "No terminal is left that has failed." in page


def test_retry_asks_those_that_failed_again(mixed, put, operator_client, text):
    put("mitel_sip", 2, state="failed", failure="not_back")

    page = text(operator_client.post(ORDER, {"order": "retry"}, follow=True))

    assert "2 terminals that had failed are asked again." in page
    assert not Installation.objects.filter(generation=2, state="failed").exists()


def test_restarting_outside_the_window_is_confirmed_first(mixed, operator_client, text):
    assert "A call on a terminal that does not wait until it is idle is lost" in text(operator_client.get(RESTART))
    assert not current().restart_now

    page = text(operator_client.post(RESTART, follow=True))
    assert current().restart_now
    assert "Restarts allowed now, outside the window too" in page
    assert "Restart outside the window" not in page


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_while_it_is_held_up_nobody_is_said_to_restart_from_now_on(mixed, put, operator_client, text, state):
    Rollout.objects.filter(generation=2).update(state=state)
    page = text(operator_client.get(RESTART))
    assert "12 terminals restart at any hour, when the rollout goes on." in page
    assert "from now on" not in page

    put("mitel_sip", 11, state="confirmed", confirmed_at=mixed.world.now)
    assert "1 terminal restarts at any hour, when the rollout goes on." in text(operator_client.get(RESTART))


def test_before_terminals_restart_it_says_how_many(mixed, put, operator_client, text):
    assert "12 terminals restart, from now on at any hour." in text(operator_client.get(RESTART))

    put("mitel_sip", 1, state="absent")
    put("mitel_sip", 10, state="confirmed", confirmed_at=mixed.world.now)
    assert "2 terminals restart" in text(operator_client.get(RESTART))
    put("mitel_sip", 1, state="skipped")
    assert "1 terminal restarts, from now on at any hour." in text(operator_client.get(RESTART))
    Installation.objects.filter(state="absent").update(state="failed")
    assert "No terminal waits for a restart now" in text(operator_client.get(RESTART))


def test_a_skipped_terminal_is_left_out_after_being_told_what_that_means(mixed, put, operator_client, text):
    [failed] = put("mitel_sip", 1, state="failed", failure="refused")
    url = f"/terminals/rollout/2/skip/{failed.terminal_id}/"

    assert "it has no calls after the switch" in text(operator_client.get(url))
    assert f"Terminal {failed.terminal} is skipped." in text(operator_client.post(url, follow=True))

    failed.refresh_from_db()
    assert failed.state == "skipped"


def test_activate_now_leads_to_the_page_that_confirms_it(mixed, operator_client):
    assert 'href="/certificates/2/activate/"' in operator_client.get(PAGE).content.decode()


def test_what_is_over_offers_no_pause_and_no_activation(mixed, operator_client, text):
    mixed.world.activate()
    Installation.objects.filter(generation=2).update(state="confirmed", confirmed_at=mixed.world.now)
    rounds.reconcile_rollouts(mixed.world.situation)

    page = text(operator_client.get(PAGE))

    assert "Generation 2 complete" in page
    assert "Every terminal has the certificates of generation 2." in page
    assert "is switched to generation 2" in page
    assert "Restarts" not in page
    assert "Pause" not in page
    assert "Activate now" not in page


def test_with_a_skipped_one_not_everybody_has_them(mixed, viewer_client, text):
    Installation.objects.filter(generation=2).update(state="confirmed", confirmed_at=mixed.world.now)
    Installation.objects.filter(pk=Installation.objects.filter(generation=2).first().pk).update(state="skipped")

    page = text(viewer_client.get(PAGE))

    assert "Every terminal has the certificates of generation 2, or was skipped." in page
    assert "Generation 2 complete" in page


@pytest.mark.parametrize("url", [ORDER, RESTART])
def test_an_order_to_a_rollout_that_is_over_is_refused(mixed, operator_client, text, url):
    mixed.world.generate()
    rounds.reconcile_rollouts(mixed.world.situation)

    page = text(operator_client.post(url, {"order": "pause"}, follow=True))

    assert "Another rollout has taken the place of this one. Nothing has been done." in page
    assert set(Rollout.objects.values_list("state", flat=True)) == {"ended", "running"}


def test_an_unknown_order_is_not_found(mixed, operator_client):
    assert operator_client.post(ORDER, {"order": "explode"}).status_code == 404


@pytest.mark.parametrize("url", [ORDER, RESTART, "/terminals/rollout/2/skip/1/"])
def test_a_viewer_can_order_nothing(mixed, viewer_client, url):
    assert viewer_client.post(url, {"order": "pause"}).status_code == 403
    assert current().state == "running"


def test_a_viewer_sees_no_buttons(mixed, put, viewer_client, text):
    put("mitel_sip", 1, state="failed", failure="refused")

    page = text(viewer_client.get(PAGE))

    for button in ("Pause", "Retry failed", "Restart outside the window", "Activate now", "Skip"):
        assert button not in page.replace("Skip to content", "")


@pytest.mark.parametrize("url", [PAGE, STATUS])
def test_nobody_sees_it_without_a_login(mixed, client, url):
    assert client.get(url).status_code == 302


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_its_queries_do_not_grow_with_the_terminals(mixed, put, operator_client):
    put("mitel_sip", 1, state="failed", failure="refused")
    put("mitel_sip", 1, state="absent", next_at=mixed.world.now + timedelta(minutes=5), postponed=1)
    put("mitel_sip", 1, state="heard", next_at=mixed.world.now + timedelta(minutes=5))
    few = queries(operator_client, PAGE)
    mixed.add(400)
    rounds.reconcile_rollouts(mixed.world.situation)
    put("mitel_sip", 100, state="failed", failure="refused")

    assert queries(operator_client, PAGE) == few <= 20


@pytest.mark.parametrize("method", ["get", "post"])
def test_to_skip_a_terminal_that_somebody_has_deleted_meanwhile_is_no_dead_end(
    mixed, put, operator_client, text, method
):
    [row] = put("mitel_sip", 1, state="absent")
    row.terminal.delete()

    page = text(getattr(operator_client, method)(f"/terminals/rollout/2/skip/{row.terminal_id}/", follow=True))

    assert "This terminal is no longer in the list. Nothing has been done." in page
    assert "Generation 2 running" in page


def test_it_says_who_asks_by_itself_only_after_the_deadline_and_what_can_be_done(
    fleet, operator_client, viewer_client, text
):
    fleet.add(2, fleet.type("Weekly", "yealink", asks_every_hours=7 * 24))
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    Terminal.objects.update(last_contact=fleet.world.situation.clock.machine)
    Generation.objects.filter(pk=2).update(deadline=fleet.world.now + 72 * 60 * MINUTE)

    page = text(operator_client.get(PAGE))

    assert "Who asks by itself 2 terminals ask by themselves only after the deadline" in page
    assert "Weekly 7 days 2 2 0" in page
    assert 'id="reach-deadline"' in operator_client.get(PAGE).content.decode()
    assert 'id="reach-deadline"' not in viewer_client.get(PAGE).content.decode()
    Terminal.objects.update(last_contact=None)
    assert "2 terminals have been silent for longer than they may" in text(operator_client.get(PAGE))
    Installation.objects.filter(generation=2).update(
        state="confirmed", confirmed_at=fleet.world.now, evidence="fetched"
    )
    assert "Who asks by itself" not in text(operator_client.get(PAGE))
