"""Generate now: what will happen is said first, and it is ordered once."""

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from certificates.models import Generation
from certificates.renewal import orders
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import moment
from tests.support.generations import DAY, HOUR

GENERATE = "/certificates/generate/"


def newest():
    row = Generation.objects.order_by("-number").first()
    return row.number if row else 0


def form(**values):
    return {"newest": newest(), "how": "handover", "reason": "", **values}


def local(world, instant):
    with timezone.override(world.situation.general.zone):
        return moment(instant)


def test_the_first_pair_is_generated_at_once_and_needs_no_password(world, operator_client, text):
    page = text(operator_client.get(GENERATE))
    assert "It is the first pair: it is served at once." in page
    assert "with handover: terminals first" not in page
    assert "Your password" not in page

    response = operator_client.post(GENERATE, form(reason="start"), follow=True)
    assert "Generation 1 is being generated." in response.content.decode()
    ordered = world.generation(1)
    assert (ordered.trigger, ordered.by, ordered.reason, ordered.clock_state) == ("page", "otto", "start", "right")
    assert [task.func() for task in OrmQ.objects.all()] == ["pbxcerts.tasks.heartbeat"]

    world.beat()
    assert world.states == {1: "active"}


def test_restarting_telephones_now_is_offered_where_there_are_any_that_restart(
    running, terminals, operator_client, text
):
    assert "Restart telephones now" in text(operator_client.get(GENERATE))


@pytest.mark.parametrize("known", ["tests.support.telephones.NoTerminals", "tests.support.telephones.TenTelephones"])
def test_restarting_telephones_now_is_not_offered_with_the_first_pair(world, settings, operator_client, text, known):
    settings.TERMINALS = known

    assert "Restart telephones now" not in text(operator_client.get(GENERATE))
    assert operator_client.post(GENERATE, form(restart_now="on")).status_code == 302
    assert not world.generation(1).restart_now


def test_restarting_telephones_now_is_not_offered_where_none_restarts(running, operator_client, text):
    assert "Restart telephones now" not in text(operator_client.get(GENERATE))


@pytest.mark.parametrize("newest", [None, "", "abc", "-1"])
def test_a_form_that_is_not_ours_is_told_and_can_be_sent_again(world, operator_client, text, newest):
    sent = {name: value for name, value in form(newest=newest, reason="start").items() if value is not None}
    page = operator_client.post(GENERATE, sent)

    assert "This page was out of date" in text(page)
    assert 'name="newest" value="0"' in page.content.decode()
    assert "start</textarea>" in page.content.decode()
    assert not Generation.objects.exists()


def test_a_get_generates_nothing(world, operator_client):
    operator_client.get(GENERATE)

    assert not Generation.objects.exists()


def test_it_says_what_will_happen(running, terminals, operator_client, text):
    page = text(operator_client.get(GENERATE))

    assert "A new root certificate and a new host certificate are made, valid until" in page
    assert (
        "with handover: terminals first, server last Generation 1 stays in service until the terminals have the new pair, until"
        in page
    )
    assert (
        "Terminals that would then refuse the communication server until they have the new root certificate: 10."
        in page
    )
    assert "Quiet ones 4: take it. Loud ones 5: restart. Old ones 1: want a person." in page
    assert "1, hold only one certificate: no calls from the switch until they have the new one" in page
    assert "First restarts 31 Jan 2030, 02:00" in page
    assert "31 Jan 2030, 02:12, with handover" in page


def test_without_telephones_no_end_is_forecast(running, operator_client, text):
    page = text(operator_client.get(GENERATE))

    assert "First restarts" not in page
    assert "Expected end" not in page
    assert "hold only one certificate" not in page
    assert "No terminals are known yet." in page


def test_the_deadline_it_names_is_the_one_that_comes(running, operator_client, text):
    page = text(operator_client.get(GENERATE))
    operator_client.post(GENERATE, form())
    running.beat()

    assert f"until {local(running, running.pending.deadline)} at the latest" in page


def test_at_once_is_preselected_where_the_active_pair_has_ended_by_the_corrected_clock_alone(
    running, ntp, operator_client
):
    Generation.objects.update(end=running.now + HOUR)
    ntp.offset = 11 * 3600
    timekeeping.check_clock()
    page = operator_client.get(GENERATE).content.decode()
    assert page.index('value="at_once"') < page.index("checked")
    assert page.count("checked") == 1


def test_at_once_is_preselected_where_the_active_pair_is_not_valid_yet(running, operator_client):
    """As it is by a machine's clock that somebody has set back, which nobody can check."""
    General.objects.update(ntp_enabled=False)
    Generation.objects.update(not_before=running.now + 3 * DAY, end=running.now + 400 * DAY)
    page = operator_client.get(GENERATE).content.decode()
    assert page.index('value="at_once"') < page.index("checked")
    assert page.count("checked") == 1


def test_the_handover_is_preselected(running, operator_client):
    page = operator_client.get(GENERATE).content.decode()

    assert page.index('value="handover"') < page.index("checked") < page.index('value="at_once"')


def test_with_handover_needs_no_password(running, operator_client):
    operator_client.post(GENERATE, form())
    running.beat()

    assert running.states == {1: "active", 2: "prepared"}


def test_at_once_needs_the_password(running, operator_client, text, password):
    assert "Enter your password." in text(operator_client.post(GENERATE, form(how="at_once")))
    assert "This is not your password." in text(operator_client.post(GENERATE, form(how="at_once", password="wrong")))
    assert running.states == {1: "active"}

    operator_client.post(GENERATE, form(how="at_once", password=password))
    running.beat()
    assert running.states == {1: "superseded", 2: "active"}


@pytest.mark.parametrize("chosen", [{"overlap_days": 0}, {"handover_counts": "nobody"}], ids=["no overlap", "nobody"])
def test_where_the_settings_want_no_handover_it_is_at_once_and_needs_the_password(
    running, operator_client, text, password, chosen
):
    running.set(**chosen)

    assert "The settings want no handover" in text(operator_client.get(GENERATE))
    assert "Enter your password." in text(operator_client.post(GENERATE, form()))
    operator_client.post(GENERATE, form(password=password))
    running.beat()
    assert running.states == {1: "superseded", 2: "active"}


def test_once_the_active_pair_has_ended_nobody_is_held_up_by_a_password(running, operator_client, text):
    Generation.objects.update(end=running.now - HOUR)

    assert "Generation 1 has ended and carries no calls" in text(operator_client.get(GENERATE))
    assert operator_client.post(GENERATE, form()).status_code == 302


def test_it_names_the_pair_that_is_discarded(handing_over, operator_client, text):
    assert "Generation 2 (prepared) is discarded: the new pair takes its place." in text(operator_client.get(GENERATE))


def test_it_names_what_the_active_pair_lacks(running, operator_client, text):
    assert "which the active one lacks" not in text(operator_client.get(GENERATE))

    running.set(dns_names=["sip.example.com"])
    assert "The new host certificate also holds sip.example.com" in text(operator_client.get(GENERATE))


def test_a_form_sent_twice_generates_once(running, operator_client, text):
    sent = form()
    operator_client.post(GENERATE, sent)
    running.beat()

    again = text(operator_client.post(GENERATE, sent))
    assert "Another generation has been ordered since this page was opened." in again
    assert running.states == {1: "active", 2: "prepared"}

    operator_client.post(GENERATE, form())
    running.beat()
    assert running.states == {1: "active", 2: "discarded", 3: "prepared"}


def test_the_refused_form_can_be_sent_again_knowingly(running, operator_client):
    sent = form()
    operator_client.post(GENERATE, sent)
    running.beat()

    assert 'name="newest" value="2"' in operator_client.post(GENERATE, sent).content.decode()


def test_while_one_is_being_made_it_is_refused_in_the_page(running, operator_client, text):
    orders.order_generation(running.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))

    assert "A generation is just being made." in text(operator_client.post(GENERATE, form()))


def test_without_names_and_addresses_it_is_refused_in_the_page(world, operator_client, text):
    world.set(fqdn="", ip_addresses=[])

    assert "Enter them under System / General." in text(operator_client.post(GENERATE, form(reason="mine")))
    assert not Generation.objects.exists()


def test_what_was_typed_stays_when_it_is_refused(running, operator_client):
    page = operator_client.post(GENERATE, form(how="at_once", reason="because of 192.0.2.99")).content.decode()

    assert "because of 192.0.2.99" in page


# -- the clock ----------------------------------------------------------------------------------------------------------


def test_the_clock_is_asked_anew(running, operator_client, ntp):
    asked = ntp.asked
    operator_client.post(GENERATE, form())

    assert ntp.asked > asked


def test_a_right_clock_asks_for_no_tick(running, operator_client, text):
    assert "Generate although the clock is in doubt" not in text(operator_client.get(GENERATE))


@pytest.mark.parametrize("doubt", ["off", "wrong"])
def test_a_doubtful_clock_needs_a_tick(running, operator_client, text, ntp, doubt):
    if doubt == "off":
        General.objects.update(ntp_enabled=False)
    else:
        ntp.offset = 60

    refused = text(operator_client.post(GENERATE, form()))
    assert "Tick this if you want to generate all the same." in refused
    assert running.states == {1: "active"}

    operator_client.post(GENERATE, form(confirm_clock="on", reason="no server"))
    ordered = running.generation(2)
    assert ordered.clock_override == "no server"
    assert ordered.clock_state == ("off" if doubt == "off" else "wrong")


def test_a_clock_far_off_needs_a_tick_and_a_reason(running, operator_client, text, ntp):
    ntp.offset = 13 * 3600

    refused = text(operator_client.post(GENERATE, form(confirm_clock="on", reason="  ")))
    assert "say why you want to generate all the same" in refused
    assert running.states == {1: "active"}

    operator_client.post(GENERATE, form(confirm_clock="on", reason="replaced battery"))
    assert running.generation(2).clock_override == "replaced battery"


def test_the_page_says_what_is_wrong_with_the_clock(running, operator_client, text):
    General.objects.update(ntp_enabled=False)

    assert "The NTP service is off or no server is set" in text(operator_client.get(GENERATE))


def test_a_tick_for_a_clock_that_is_right_again_is_not_recorded(running, operator_client):
    operator_client.post(GENERATE, form(confirm_clock="on"))

    assert running.generation(2).clock_override == ""


def test_the_pair_that_a_person_orders_is_the_one_that_was_announced(running, operator_client, text):
    running.set(interval_days=100, overlap_days=10)
    page = text(operator_client.get(GENERATE))
    operator_client.post(GENERATE, form())
    running.beat()

    assert f"valid until {local(running, running.pending.plan.not_after)}" in page
    assert running.pending.end - running.now < DAY * 112
