"""What the page says of the next pair is what will happen: each state is brought about, in both languages."""

from datetime import timedelta

import pytest
import time_machine

from certificates.pki.errors import PairError
from certificates.renewal import making
from pbxcerts.system.time import timekeeping
from tests.support.generations import DAY, HOUR, MINUTE

OVERVIEW = "/certificates/"
GENERATE = "/certificates/generate/"


@pytest.fixture
def no_pair_can_be_made(monkeypatch):
    def refuse(**_options):
        raise PairError("no")

    # Nothing that an administrator can enter makes the pure core fail, so its failure is put in its place.
    monkeypatch.setattr(making, "make_pair", refuse)


@pytest.fixture
def travel(running, ntp, viewer, viewer_client):
    """Go to another time; the servers' clock goes along, `offset` seconds ahead of the machine's. The viewer's session would
    have ended by then.
    """
    with time_machine.travel(running.now, tick=False) as traveller:

        def to(moment, offset=0):
            traveller.move_to(moment)
            ntp.offset = offset
            timekeeping.check_clock()
            viewer_client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
            return running.at(moment)

        yield to


# -- withdrawn ----------------------------------------------------------------------------------------------------------


def test_a_withdrawn_pair_that_could_not_be_replaced_is_replaced_in_ten_minutes_and_not_next_year(
    running, no_pair_can_be_made, administrator_client, said, local
):
    regular = local(running.situation.next_at)
    running.withdraw(1)
    assert running.states == {1: "active", 2: "failed"}
    page = said(administrator_client)

    assert page.has(
        "Generation 1, which is served, is withdrawn", "Generation 1, die in Betrieb ist, ist zurückgezogen"
    )
    assert page.has("repeated every 10 minutes", "alle 10 Minuten wiederholt")
    assert regular not in page.page
    if page.language == "en":
        assert local(running.generation(2).failed_at + 10 * MINUTE) in page.page


def test_the_settings_are_not_blamed_for_what_a_withdrawal_does(
    running, no_pair_can_be_made, administrator_client, said
):
    running.withdraw(1)
    page = said(administrator_client, GENERATE)

    assert page.has("Generation 1 is withdrawn: the", "Generation 1 ist zurückgezogen: Der")
    assert not page.has("The settings want no handover", "Nach den Einstellungen gibt es keine Übergabe")


def test_where_the_settings_want_none_they_are_named(running, administrator_client, said):
    running.set(overlap_days=0)
    page = said(administrator_client, GENERATE)

    assert not page.has("is withdrawn", "ist zurückgezogen")
    assert page.has("The settings want no handover", "Nach den Einstellungen gibt es keine Übergabe")


def test_the_replacement_of_a_prepared_pair_is_no_handover_that_is_under_way(
    handing_over, no_pair_can_be_made, administrator_client, said
):
    handing_over.withdraw(2)
    page = said(administrator_client)

    assert page.has("The pair that was prepared has been withdrawn", "Das vorbereitete Paar wurde zurückgezogen")


# -- a clock in doubt ---------------------------------------------------------------------------------------------------


def test_a_wrong_clock_in_the_two_hours_makes_nothing_now(running, travel, viewer_client, said, local):
    due = running.situation.due.at
    travel(due + 30 * MINUTE, offset=60)
    running.beat(timekeeping.current_clock())
    assert running.states == {1: "active"}
    last_chance = running.situation.last_chance
    page = said(viewer_client)

    assert page.has("waits for a clock that is right", "wartet auf eine Uhr, die richtig geht")
    assert not page.has("and is made now", "findet jetzt statt")
    if page.language == "en":
        assert local(last_chance) in page.page

    # And that is when it is made.
    latest = running.situation.with_clock(timekeeping.current_clock()).next_at
    travel(latest - 2 * MINUTE, offset=60)
    running.beat(timekeeping.current_clock())
    assert running.states == {1: "active"}
    travel(latest + MINUTE, offset=60)
    running.beat(timekeeping.current_clock())
    assert running.states == {1: "active", 2: "prepared"}


def test_with_a_right_clock_it_is_made_now(running, travel, viewer_client, said):
    travel(running.situation.due.at + 30 * MINUTE)

    assert said(viewer_client).has("and is made now", "findet jetzt statt")


# -- ended --------------------------------------------------------------------------------------------------------------


def test_a_pair_that_has_ended_is_nowhere_said_to_stay_in_service(
    running, travel, no_pair_can_be_made, viewer_client, said
):
    travel(running.active.plan.end + HOUR).beat()
    assert running.states == {1: "active", 2: "failed"}
    page = said(viewer_client)

    assert page.has("no calls are possible", "Gespräche sind nicht möglich")
    assert page.has("automatic generation failed", "automatische Generierung ist fehlgeschlagen")
    assert not page.has("stays in service", "bleibt in Betrieb")


# -- names --------------------------------------------------------------------------------------------------------------


def test_an_address_that_the_prepared_pair_has_needs_no_generation(handing_over, operator_client, viewer_client, said):
    handing_over.set(ip_addresses=["192.0.2.77"])
    assert said(operator_client).has("Generate manually.", "Generieren Sie neu.")
    assert not said(viewer_client).has("Generate manually.", "Generieren Sie neu.")

    number = handing_over.generate().number
    page = said(operator_client)
    assert page.has(
        f"Generation {number}, which is not served yet, holds them", f"Generation {number}, die noch nicht in"
    )
    assert page.has("would begin the handover anew", "würde die Übergabe von vorn beginnen")
    assert not page.has("Generate manually.", "Generieren Sie neu.")


# -- short intervals ----------------------------------------------------------------------------------------------------


def test_a_pair_that_is_made_for_one_day_is_red_only_at_its_end(running, travel, viewer_client):
    running.set(interval_days=1, overlap_days=0)
    travel(running.now + MINUTE).generate(at_once=True)
    end = running.active.plan.end
    assert end - running.now < timedelta(days=2)

    def is_red():
        return "progress-critical" in viewer_client.get(OVERVIEW).content.decode()

    assert not is_red()
    travel(end - HOUR - MINUTE)
    assert not is_red()
    travel(end - HOUR + MINUTE)
    assert is_red()


def test_a_shortened_interval_is_named_as_the_reason(running, travel, viewer_client, said):
    travel(running.now + 40 * DAY).set(interval_days=30)
    page = said(viewer_client)

    assert page.has(
        "The interval was shortened from 365 days to 30 days",
        "Das Intervall wurde verkürzt (vorher: 365 Tage, jetzt: 30 Tage)",
    )


def test_another_time_of_day_is_no_shortened_interval(running, travel, viewer_client, said):
    travel(running.situation.due.at - HOUR)
    running.set(interval_days=366)
    page = said(viewer_client)

    assert not page.has("The interval was shortened", "Das Intervall wurde verkürzt")
