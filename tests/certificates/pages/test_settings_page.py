"""The settings on the page: every bad input at its field, consequences before they come, nobody overwritten."""

import re

import pytest

from certificates.models import Settings
from pbxcerts.system.models import Heartbeat
from tests.support.generations import DAY

OVERVIEW = "/certificates/"


def typed(**changes):
    stored = Settings.load()
    return {
        "version": stored.version,
        "interval_days": "365",
        "generation_time": "02:00",
        "overlap_days": "30",
        "handover_counts": "all",
        "key_type": "p256",
        **changes,
    }


def stored():
    row = Settings.load()
    return row.interval_days, f"{row.generation_time:%H:%M}", row.overlap_days, row.handover_counts, row.key_type


def test_a_form_that_is_not_ours_is_told_and_changes_nothing(running, administrator_client, text):
    for version in ("", "abc", "-1"):
        page = administrator_client.post(OVERVIEW, typed(version=version, overlap_days="20"))

        assert "This page was out of date" in text(page)
        assert 'name="version" value="0"' in page.content.decode()
        assert 'value="20"' in page.content.decode()
    assert stored() == BEFORE


BEFORE = (365, "02:00", 30, "all", "p256")


def test_bad_input_has_its_message_at_its_field_and_stays_there(world, administrator_client, subtests):
    for name, value, sentence in [
        ("interval_days", "0", "Enter a whole number of days from 1 to 3650."),
        ("interval_days", "-1", "Enter a whole number of days from 1 to 3650."),
        ("interval_days", "3651", "Enter a whole number of days from 1 to 3650."),
        ("interval_days", "abc", "Enter a whole number of days from 1 to 3650."),
        ("interval_days", "1.5", "Enter a whole number of days from 1 to 3650."),
        ("interval_days", "", "Enter a whole number of days from 1 to 3650."),
        ("generation_time", "24:00", "Enter a time of day as hours and minutes, from 00:00 to 23:59."),
        ("generation_time", "2", "Enter a time of day as hours and minutes, from 00:00 to 23:59."),
        ("generation_time", "02:00:30", "Enter a time of day as hours and minutes, from 00:00 to 23:59."),
        ("generation_time", "", "Enter a time of day as hours and minutes, from 00:00 to 23:59."),
        ("overlap_days", "-1", "Enter a whole number of days from 0 to 90."),
        ("overlap_days", "91", "Enter a whole number of days from 0 to 90."),
        ("overlap_days", "abc", "Enter a whole number of days from 0 to 90."),
        ("overlap_days", "", "Enter a whole number of days from 0 to 90."),
    ]:
        with subtests.test(name=name, value=value, sentence=sentence):
            page = administrator_client.post(OVERVIEW, typed(**{name: value})).content.decode()

            field = page[page.index(f'id="div_id_{name}"') :].split('class="parameter-explanation"')[0]
            assert sentence in field
            assert f'value="{value}"' in field
            assert 'aria-invalid="true"' in field
            assert page.count('aria-invalid="true"') == 1
            assert stored() == BEFORE


def test_an_overlap_above_the_interval_is_refused_at_the_overlap(world, administrator_client):
    page = administrator_client.post(OVERVIEW, typed(interval_days="20", overlap_days="21")).content.decode()

    assert page.index("The overlap can&#x27;t be longer than the interval.") > page.index('id="div_id_overlap_days"')
    assert 'value="20"' in page
    assert stored() == BEFORE


@pytest.mark.parametrize(("name", "value"), [("handover_counts", "some"), ("key_type", "rsa1024")])
def test_what_is_not_in_a_list_is_refused(world, administrator_client, text, name, value):
    page = text(administrator_client.post(OVERVIEW, typed(**{name: value})))

    assert "Please correct:" in page
    assert stored() == BEFORE


def test_messages_come_in_the_language_of_the_reader(world, administrator_client, text):
    administrator_client.cookies["django_language"] = "de"

    page = text(administrator_client.post(OVERVIEW, typed(interval_days="0")))
    assert "Enter a whole number" not in page


@pytest.mark.parametrize("good", [("1", "1"), ("3650", "90"), ("90", "90")])
def test_the_limits_themselves_are_allowed(world, administrator_client, good):
    interval, overlap = good
    response = administrator_client.post(OVERVIEW, typed(interval_days=interval, overlap_days=overlap, confirmed="1"))

    assert response.status_code == 302
    assert stored()[0] == int(interval)


def test_a_change_without_consequences_is_applied_at_once(running, administrator_client):
    response = administrator_client.post(OVERVIEW, typed(generation_time="3:30"), follow=True)

    assert "The settings have been applied." in response.content.decode()
    assert stored() == (365, "03:30", 30, "all", "p256")


def test_a_form_posted_twice_is_harmless(running, administrator_client, text):
    form = typed(generation_time="03:30")
    administrator_client.post(OVERVIEW, form)
    saved_at, version = Settings.load().schedule_saved_at, Settings.load().version

    again = administrator_client.post(OVERVIEW, form, follow=True)
    assert "Nothing has changed." in text(again)
    assert (Settings.load().schedule_saved_at, Settings.load().version) == (saved_at, version)


def test_the_second_of_two_administrators_is_told_and_overwrites_nothing(running, administrator_client, text):
    first, second = typed(generation_time="03:00"), typed(overlap_days="40")
    administrator_client.post(OVERVIEW, first)

    refused = administrator_client.post(OVERVIEW, second)
    assert "Somebody else has changed these settings" in text(refused)
    assert "Stored now: 30" in text(refused)
    assert "Stored now: 03:00" in text(refused)
    assert 'value="40"' in refused.content.decode()
    assert stored() == (365, "03:00", 30, "all", "p256")

    # The page that was refused carries the new version: to apply it once more is a decision.
    knowingly = typed(overlap_days="40")
    administrator_client.post(OVERVIEW, knowingly)
    assert stored() == (365, "02:00", 40, "all", "p256")


def test_a_change_that_was_overtaken_is_not_offered_for_confirmation(running, administrator_client, text):
    late = typed(overlap_days="0")
    administrator_client.post(OVERVIEW, typed(generation_time="03:00"))

    assert "Somebody else has changed these settings" in text(administrator_client.post(OVERVIEW, late))


# -- consequences -------------------------------------------------------------------------------------------------------


def test_it_says_what_changed_from_what_to_what_and_what_follows(running, administrator_client, text):
    page = text(administrator_client.post(OVERVIEW, typed(interval_days="180", generation_time="3:30"), follow=True))

    assert "365 → 180." in page
    assert "02:00 → 03:30." in page
    assert "30 → 30" not in page
    assert "The next automatic generation will be on" in page


def test_back_to_the_interval_of_the_active_pair_nothing_is_said_of_a_shorter_one(running, administrator_client, text):
    administrator_client.post(OVERVIEW, typed(interval_days="180"))
    page = text(administrator_client.post(OVERVIEW, typed(interval_days="365"), follow=True))

    assert "180 → 365." in page
    assert "that does not change" not in page
    assert "The next automatic generation will be on" in page


def test_a_longer_interval_says_that_the_active_pair_ends_as_before(running, administrator_client, text):
    page = text(administrator_client.post(OVERVIEW, typed(interval_days="700"), follow=True))

    assert "The active pair was made for an interval of 365 days" in page
    assert "that does not change" in page
    assert "The next automatic generation stays on" in page
    assert stored()[0] == 700


def test_a_shorter_interval_is_asked_about_where_telephones_would_restart_within_days(
    running, administrator_client, text
):
    asked = text(administrator_client.post(OVERVIEW, typed(interval_days="5", overlap_days="1")))

    assert "365 → 5" in asked
    assert "The shorter interval also holds for the pair that is active now" in asked
    assert stored() == BEFORE

    agreed = typed(interval_days="5", overlap_days="1", confirmed="1")
    assert administrator_client.post(OVERVIEW, agreed).status_code == 302
    assert stored()[0] == 5


def test_the_page_that_asks_carries_what_was_typed(running, administrator_client):
    page = administrator_client.post(OVERVIEW, typed(overlap_days="0", addresses_as_dns="on")).content.decode()

    for field in ('name="overlap_days" value="0"', 'name="addresses_as_dns" value="on"', 'name="version" value="0"'):
        assert field in page


def test_a_switch_that_is_off_stays_off_through_the_question(running, administrator_client):
    page = administrator_client.post(OVERVIEW, typed(overlap_days="0")).content.decode()

    assert 'name="addresses_as_dns"' not in page


def test_no_overlap_says_what_it_risks(running, administrator_client, text):
    page = text(administrator_client.post(OVERVIEW, typed(overlap_days="0")))

    assert "Without overlap there is no handover" in page
    assert stored() == BEFORE


def test_during_a_handover_it_says_that_the_deadline_stays(handing_over, administrator_client, text):
    page = text(administrator_client.post(OVERVIEW, typed(interval_days="60"), follow=True))

    assert "It keeps its deadline" in page


def test_another_key_type_needs_the_password(running, administrator_client, text, password):
    change = typed(key_type="rsa2048", confirmed="1")

    assert "Enter your password." in text(administrator_client.post(OVERVIEW, change))
    assert "This is not your password." in text(administrator_client.post(OVERVIEW, {**change, "password": "wrong"}))
    assert stored() == BEFORE

    assert administrator_client.post(OVERVIEW, {**change, "password": password}).status_code == 302
    assert stored()[-1] == "rsa2048"


def test_not_to_wait_any_more_during_a_handover_is_a_switch_and_needs_the_password(
    handing_over, terminals, administrator_client, text, password
):
    change = typed(handover_counts="nobody")

    page = text(administrator_client.post(OVERVIEW, change))
    assert "Generation 2 is prepared and would no longer be waited for" in page
    assert "Your password" in page

    administrator_client.post(OVERVIEW, {**change, "confirmed": "1"})
    assert stored() == BEFORE
    administrator_client.post(OVERVIEW, {**change, "confirmed": "1", "password": password})
    assert stored()[3] == "nobody"


def test_without_a_handover_who_counts_is_no_question(running, administrator_client):
    assert administrator_client.post(OVERVIEW, typed(handover_counts="nobody")).status_code == 302


def test_the_password_is_never_shown_again(running, administrator_client):
    page = administrator_client.post(
        OVERVIEW, typed(key_type="rsa2048", confirmed="1", password="not the password")
    ).content.decode()

    assert "not the password" not in page


# -- who may ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_administrators_change_the_settings(running, request, role):
    client = request.getfixturevalue(f"{role}_client")

    assert client.post(OVERVIEW, typed(generation_time="03:30")).status_code == 403
    assert stored() == BEFORE


def test_applying_wakes_the_worker(running, administrator_client):
    from django_q.models import OrmQ

    administrator_client.post(OVERVIEW, typed(generation_time="03:30"))
    assert [task.func() for task in OrmQ.objects.all()] == ["pbxcerts.tasks.heartbeat"]


def test_a_shortened_interval_waits_for_the_night(running, administrator_client):
    running.after(DAY * 100)
    administrator_client.post(OVERVIEW, typed(interval_days="30", confirmed="1"))

    assert Settings.load().schedule_saved_at is not None
    assert Heartbeat.load().last_run is None


def test_what_is_on_or_off_is_a_switch_and_the_rest_are_fields_as_elsewhere(running, administrator_client):
    page = administrator_client.get("/certificates/").content.decode()
    controls = {
        re.search(r'name="(\w+)"', control)[1]: (re.search(r'type="(\w+)"', control) or ["", "select"])[1]
        for control in re.findall(r'(?s)<(?:input|select)[^>]*class="form-[^>]*>', page)
    }

    assert controls["addresses_as_dns"] == "checkbox"
    assert controls["interval_days"] == "text"
    assert controls["key_type"] == "select"

    running.set(addresses_as_dns=True)
    assert re.search(
        r'(?s)<input[^>]*name="addresses_as_dns"[^>]*checked',
        administrator_client.get("/certificates/").content.decode(),
    )
