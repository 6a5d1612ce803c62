"""Activate, move the deadline, discard, roll back, withdraw: said first, done by POST alone, once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Generation, Switch
from certificates.renewal import orders
from pbxcerts.system.time import timekeeping
from tests.support.generations import DAY, HOUR

ACTIVATE, DEADLINE, DISCARD = "/certificates/2/activate/", "/certificates/2/deadline/", "/certificates/2/discard/"
ROLL_BACK, WITHDRAW = "/certificates/1/roll-back/", "/certificates/{}/withdraw/"


def local(world, instant):
    return timezone.localtime(instant, world.situation.general.zone).strftime("%Y-%m-%dT%H:%M")


# -- activate -----------------------------------------------------------------------------------------------------------


def test_activating_says_who_is_missing(handing_over, terminals, operator_client, text):
    page = text(operator_client.get(ACTIVATE))

    assert "1 terminal that the communication server waits for has not confirmed." in page
    assert "No terminal will refuse the communication server." in page
    assert "generation 1 comes back by itself" in page
    assert handing_over.states == {1: "active", 2: "prepared"}


def test_activating_switches_the_server(handing_over, operator_client):
    operator_client.post(ACTIVATE, {"reason": "all are ready"})
    assert (Switch.objects.get(running=True).by, Switch.objects.get(running=True).reason) == ("otto", "all are ready")

    handing_over.beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_activating_twice_switches_once(handing_over, operator_client, text):
    operator_client.post(ACTIVATE)
    assert "just being switched" in text(operator_client.post(ACTIVATE))
    handing_over.beat()

    late = operator_client.post(ACTIVATE, follow=True)
    assert "The state of this pair has changed meanwhile. Nothing has been done." in text(late)
    assert Switch.objects.filter(to=2).count() == 1


def test_a_page_for_another_pair_than_the_prepared_one_does_nothing(handing_over, operator_client, text):
    operator_client.post("/certificates/1/activate/")

    assert not Switch.objects.filter(running=True).exists()


# -- deadline -----------------------------------------------------------------------------------------------------------


def test_the_deadline_is_shown_and_moved_in_local_time(handing_over, operator_client, text):
    pair = handing_over.pending
    assert f'value="{local(handing_over, pair.deadline)}"' in operator_client.get(DEADLINE).content.decode()

    wanted = (pair.deadline + DAY * 3).replace(second=0, microsecond=0)
    operator_client.post(DEADLINE, {"at": local(handing_over, wanted)})
    assert handing_over.pending.deadline == wanted


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter a date and a time."),
        ("tomorrow", "Enter a date and a time, for example"),
        ("2020-01-01T02:00", "The deadline must lie between now and"),
        ("2099-01-01T02:00", "The deadline must lie between now and"),
    ],
    ids=["empty", "words", "past", "too late"],
)
def test_a_bad_deadline_has_its_message_and_stays(handing_over, operator_client, text, typed, sentence):
    before = handing_over.pending.deadline
    response = operator_client.post(DEADLINE, {"at": typed})

    assert sentence in text(response)
    assert f'value="{typed}"' in response.content.decode() or not typed
    assert handing_over.pending.deadline == before


def test_how_late_it_can_be_is_said_and_holds(handing_over, operator_client, text):
    latest = orders.latest_deadline(handing_over.pending, handing_over.active)

    assert "At the latest" in text(operator_client.get(DEADLINE))
    assert operator_client.post(DEADLINE, {"at": local(handing_over, latest)}).status_code == 302
    assert operator_client.post(DEADLINE, {"at": local(handing_over, latest + HOUR)}).status_code == 200


# -- discard ------------------------------------------------------------------------------------------------------------


def test_discarding_says_first_that_it_is_final(handing_over, operator_client, text):
    assert "This can't be undone." in text(operator_client.get(DISCARD)).replace("&#x27;", "'")
    assert handing_over.states == {1: "active", 2: "prepared"}


def test_a_discarded_pair_is_gone(handing_over, operator_client):
    operator_client.post(DISCARD, {"reason": "wrong name"})

    assert handing_over.states == {1: "active", 2: "discarded"}
    assert handing_over.generation(2).transitions.last().reason == "wrong name"


def test_discarding_is_refused_where_no_night_is_left(handing_over, operator_client, text):
    Generation.objects.filter(number=1).update(end=handing_over.now + HOUR * 2)

    page = text(operator_client.post(DISCARD))
    assert "The active pair ends too soon" in page
    assert handing_over.states == {1: "active", 2: "prepared"}


# -- roll back ----------------------------------------------------------------------------------------------------------


def test_rolling_back_needs_the_password(switched, operator_client, text, password):
    assert "Enter your password." in text(operator_client.post(ROLL_BACK))
    assert "This is not your password." in text(operator_client.post(ROLL_BACK, {"password": "wrong"}))
    assert not Switch.objects.filter(running=True).exists()

    operator_client.post(ROLL_BACK, {"password": password, "reason": "no calls"})
    switched.beat()
    assert switched.states == {1: "active", 2: "held"}


def test_rolling_back_says_who_would_refuse(switched, terminals, operator_client, text):
    page = text(operator_client.get(ROLL_BACK))
    assert "It is still in the trust bundle." in page
    assert "No terminal will refuse the communication server." in page

    Generation.objects.filter(number=1).update(leaves_bundle_at=switched.now - HOUR)
    assert "It has left the trust bundle." in text(operator_client.get(ROLL_BACK))


def test_rolling_back_names_what_is_discarded_by_it(switched, operator_client, text):
    switched.generate()

    assert "Generation 3, which is not served yet, is discarded." in text(operator_client.get(ROLL_BACK))


def test_a_pair_about_to_end_is_not_rolled_back_to(switched, operator_client, text, password):
    Generation.objects.filter(number=1).update(end=switched.now + timedelta(minutes=30))

    page = text(operator_client.post(ROLL_BACK, {"password": password}))
    assert "The pair served before has less than one hour left." in page


def test_rolling_back_to_a_pair_that_was_never_served_does_nothing(handing_over, operator_client, password):
    response = operator_client.post("/certificates/2/roll-back/", {"password": password})

    assert response.status_code == 302
    assert handing_over.states == {1: "active", 2: "prepared"}


# -- withdraw -----------------------------------------------------------------------------------------------------------


def test_withdrawing_needs_the_password(handing_over, administrator_client, text):
    assert "Enter your password." in text(administrator_client.post(WITHDRAW.format(1)))
    assert handing_over.generation(1).withdrawn_at is None


def test_withdrawing_the_active_pair_switches_to_the_prepared_one(handing_over, administrator_client, text, password):
    page = text(administrator_client.get(WITHDRAW.format(1)))
    assert "The communication server is switched to generation 2 at once." in page

    administrator_client.post(WITHDRAW.format(1), {"password": password, "reason": "leaked"})
    handing_over.beat()
    assert handing_over.states == {1: "withdrawn", 2: "active"}


def test_withdrawing_the_only_pair_makes_a_new_one(running, terminals, administrator_client, text, password):
    page = text(administrator_client.get(WITHDRAW.format(1)))
    assert "A new pair is made at once" in page
    assert "10 terminals do not trust this generation" in page

    administrator_client.post(WITHDRAW.format(1), {"password": password})
    running.beat()
    assert running.states == {1: "withdrawn", 2: "active"}


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(1, "nobody can roll back to it"), (2, "A new pair is made at once, and the communication server is switched")],
    ids=["served before", "active"],
)
def test_what_withdrawing_means_depends_on_the_pair(switched, administrator_client, text, number, sentence):
    assert sentence in text(administrator_client.get(WITHDRAW.format(number)))


def test_a_prepared_pair_is_replaced_with_a_handover(handing_over, administrator_client, text, password):
    assert "A new pair is made at once, with a handover of its own." in text(
        administrator_client.get(WITHDRAW.format(2))
    )
    administrator_client.post(WITHDRAW.format(2), {"password": password})
    handing_over.beat()

    assert handing_over.states == {1: "active", 2: "withdrawn", 3: "prepared"}


def test_without_an_overlap_a_withdrawn_prepared_pair_is_replaced_at_once_and_the_page_says_so(
    handing_over, administrator_client, text, password
):
    handing_over.set(overlap_days=0)
    assert "A new pair is made and served at once" in text(administrator_client.get(WITHDRAW.format(2)))

    administrator_client.post(WITHDRAW.format(2), {"password": password})
    handing_over.beat()

    assert handing_over.states == {1: "superseded", 2: "withdrawn", 3: "active"}


def test_withdrawing_twice_does_nothing_more(handing_over, administrator_client, text, password):
    administrator_client.post(WITHDRAW.format(2), {"password": password})
    again = administrator_client.post(WITHDRAW.format(2), {"password": password}, follow=True)

    assert "Nothing has been done." in text(again)
    assert Generation.objects.count() == 3


def test_a_pair_that_does_not_exist_is_not_found(running, administrator_client):
    assert administrator_client.get(WITHDRAW.format(99)).status_code == 404


def test_withdrawing_asks_the_servers_and_wants_tick_and_reason_where_one_alone_says_far_off(
    running, ntp, administrator_client, text, password
):
    ntp.offset = 400 * 86_400
    url, asked = WITHDRAW.format(1), ntp.asked
    page = text(administrator_client.post(url, {"password": password, "reason": "leaked"}))
    assert ntp.asked > asked
    assert "The clock is more than 12 hours off" in page
    assert "although the clock is in doubt" in page
    assert running.generation(1).withdrawn_at is None
    page = text(administrator_client.post(url, {"password": password, "confirm_clock": "on"}))
    assert "say why" in page
    assert running.generation(1).withdrawn_at is None
    said = {"password": password, "reason": "leaked", "confirm_clock": "on"}
    assert administrator_client.post(url, said).status_code == 302
    assert running.generation(2).clock_override == "leaked"


def test_where_no_pair_would_be_made_withdrawing_wants_no_tick(handing_over, ntp, administrator_client, text, password):
    ntp.offset = 400 * 86_400
    timekeeping.check_clock()
    assert "although the clock is in doubt" not in text(administrator_client.get(WITHDRAW.format(1)))
    assert administrator_client.post(WITHDRAW.format(1), {"password": password}).status_code == 302
    assert handing_over.generation(1).withdrawn_at is not None
