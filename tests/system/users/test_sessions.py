"""How long a session lives, and what ends it (rule sessions)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pbxcerts import heartbeat
from pbxcerts.system.models import General, Heartbeat, Role, Session, User
from pbxcerts.system.users import accounts, sessions

AT = datetime(2031, 1, 31, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE = "/system/events/"


def machine_at(moment):
    return time_machine.travel(moment, tick=False)


@pytest.fixture
def browser(viewer, password):
    """One that logs in at AT."""
    client = Client()
    with machine_at(AT):
        assert client.post(reverse("login"), {"username": viewer.username, "password": password}).status_code == 302
    return client


def is_in(client, at, path=PAGE, **how):
    with machine_at(at):
        return client.get(path, **how).status_code == 200


def polls(client, at):
    with machine_at(at):
        return client.get(reverse("certificates:status"), headers={"HX-Request": "true"})


def test_who_uses_no_page_for_eight_hours_is_logged_out(browser):
    assert is_in(browser, AT + 7.9 * HOUR)
    assert is_in(browser, AT + 15.8 * HOUR)
    assert not is_in(browser, AT + 23.9 * HOUR)


def test_the_live_part_of_a_page_does_not_count_as_use(browser):
    for hour in range(1, 8):
        assert polls(browser, AT + hour * HOUR).status_code == 200

    answer = polls(browser, AT + 8 * HOUR + timedelta(minutes=1))
    assert answer.status_code == 401
    assert not is_in(browser, AT + 8 * HOUR + timedelta(minutes=2))


def test_what_a_person_orders_in_a_live_part_does_count(browser, operator, password):
    with machine_at(AT):
        browser.post(reverse("logout"))
        browser.post(reverse("login"), {"username": operator.username, "password": password})
    with machine_at(AT + 7 * HOUR):
        assert browser.post(reverse("system:general_check"), headers={"HX-Request": "true"}).status_code == 200

    assert is_in(browser, AT + 14 * HOUR)


def test_nobody_stays_longer_than_fourteen_days_however_often_a_page_is_used(browser):
    at = AT
    while at + 7 * HOUR < AT + 14 * DAY:
        at += 7 * HOUR
        assert is_in(browser, at)

    assert not is_in(browser, AT + 14 * DAY)


def test_the_limit_is_what_system_general_says(browser):
    General.load()
    General.objects.update(logout_after_minutes=15)

    assert is_in(browser, AT + timedelta(minutes=1))
    assert is_in(browser, AT + timedelta(minutes=15))
    assert not is_in(browser, AT + timedelta(minutes=31))


def test_a_shorter_limit_holds_for_those_who_are_logged_in_already(browser):
    """From the next request on, whichever it is: nobody is thrown out by the page that applied it."""
    assert is_in(browser, AT + timedelta(minutes=1))
    General.objects.update(logout_after_minutes=15)
    assert polls(browser, AT + timedelta(minutes=2)).status_code == 200

    assert not is_in(browser, AT + timedelta(minutes=18))


def test_a_clock_that_is_set_back_makes_no_session_last_longer(browser):
    before = AT - 365 * DAY
    assert polls(browser, before).status_code == 200
    assert not is_in(browser, before + 8 * HOUR + timedelta(minutes=1))


def test_the_clock_that_goes_by_a_second_or_two_throws_nobody_out(browser):
    assert is_in(browser, AT - timedelta(seconds=2))


def test_one_use_a_minute_is_written_down(browser):
    def writes(at):
        with machine_at(at), CaptureQueriesContext(connection) as asked:
            browser.get(PAGE)
        return [query for query in asked if query["sql"].startswith("UPDATE")]

    assert is_in(browser, AT + 5 * timedelta(minutes=1))
    assert writes(AT + timedelta(minutes=5, seconds=20)) == []
    assert len(writes(AT + timedelta(minutes=6, seconds=1))) == 1


@pytest.mark.parametrize("deactivated_for", [timedelta(0), 3 * HOUR], ids=str)
def test_deactivating_an_account_ends_its_sessions_for_good(browser, viewer, administrator, deactivated_for):
    assert is_in(browser, AT)
    accounts.change(viewer, role=Role.VIEW, is_active=False)
    if deactivated_for:
        assert not is_in(browser, AT)
    accounts.change(viewer, role=Role.VIEW, is_active=True)

    assert not is_in(browser, AT + deactivated_for)


def test_an_old_cookie_does_not_come_to_life_when_nobody_used_it_meanwhile(viewer_client, viewer, administrator_client):
    edit = reverse("system:users_edit", args=[viewer.pk])
    administrator_client.post(edit, {"role": "view"})
    administrator_client.post(edit, {"role": "view", "is_active": "on"})
    viewer.refresh_from_db()

    assert viewer.is_active
    assert viewer_client.get(PAGE).status_code == 302


def test_another_role_ends_no_session(viewer_client, viewer, administrator):
    accounts.change(viewer, role=Role.OPERATE, is_active=True)

    assert viewer_client.get(PAGE).status_code == 200


def test_saving_an_active_account_unchanged_ends_no_session(viewer_client, viewer, administrator):
    accounts.change(viewer, role=Role.VIEW, is_active=True)

    assert viewer_client.get(PAGE).status_code == 200


def test_the_heartbeat_removes_sessions_that_have_ended_once_an_hour(db, key_file, settings, tmp_path):
    settings.STORE = tmp_path / "store"
    long_ago, later = AT - DAY, AT + 365 * DAY
    for number, ends in enumerate([long_ago, later]):
        Session.objects.create(session_key=f"{number}" * 32, session_data="", expire_date=ends)
    Heartbeat.load()
    Heartbeat.objects.update(last_run=AT - timedelta(minutes=1))

    sessions.clear_ended_hourly(last=AT, now=AT + timedelta(minutes=1))
    assert Session.objects.count() == 2
    with machine_at(AT):
        heartbeat.beat()
    assert [one.expire_date for one in Session.objects.all()] == [later]


def test_the_first_heartbeat_removes_them_too(db):
    Session.objects.create(session_key="0" * 32, session_data="", expire_date=AT - DAY)
    sessions.clear_ended_hourly(last=None, now=AT)

    assert not Session.objects.exists()


def test_an_account_of_before_has_the_sessions_of_before(db):
    """What is mixed into a session's proof is empty until an account is deactivated for the first time."""
    user = User.objects.create_user("vera", password="seven copper kettles")
    plain = super(User, user).get_session_auth_hash()

    assert user.get_session_auth_hash() == plain
