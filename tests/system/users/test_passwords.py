"""Every page that asks for a password, under attack and beside one (rule slowed-never-locked)."""

import re
from contextlib import ExitStack

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from django.urls import reverse

from pbxcerts.system.models import Role, User
from pbxcerts.system.users import accounts, passwords

LOGIN = "/login/"
MINE = "/password/"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Stands still until a test lets it go on."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(passwords, "monotonic", lambda: Clock.now)
    return Clock


def a_browser(address="192.0.2.1"):
    browser = Client(REMOTE_ADDR=address)
    browser.cookies["django_language"] = "en"
    return browser


def log_in(browser, name, password):
    return browser.post(LOGIN, {"username": name, "password": password})


def fail(browser, name, times):
    return [log_in(browser, name, f"wrong {number}").status_code for number in range(times)]


def known_browser(user, password, address="192.0.2.200"):
    """One that has logged in to this account before, and out."""
    browser = a_browser(address)
    assert log_in(browser, user.username, password).status_code == 302
    browser.post(reverse("logout"))
    return browser


def says(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_fifteen_addresses_at_one_account_are_slowed_and_the_page_says_for_how_long(administrator, viewer):
    answers = [log_in(a_browser(f"192.0.2.{number}"), viewer.username, "wrong") for number in range(15)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 5
    assert [answer.headers["Retry-After"] for answer in answers[10:]] == ["1", "2", "3", "4", "5"]
    assert "Try again in 1 second." in says(answers[10])
    assert "Try again in 5 seconds." in says(answers[14])
    # What was typed is not lost but for the password.
    assert f'value="{viewer.username}"' in answers[14].content.decode()


def test_slowed_is_not_locked(viewer, password, clock):
    newcomer = a_browser("198.51.100.1")
    fail(a_browser(), viewer.username, 10)
    answer = log_in(newcomer, viewer.username, password)
    assert answer.status_code == 429

    clock.now += int(answer.headers["Retry-After"])
    assert log_in(newcomer, viewer.username, password).status_code == 302


def test_who_asks_all_the_time_keeps_nobody_out(viewer, password, clock):
    newcomer, attacker = a_browser("198.51.100.1"), a_browser()
    fail(attacker, viewer.username, 10)
    fail(attacker, viewer.username, 3)
    wait = int(log_in(newcomer, viewer.username, password).headers["Retry-After"])
    for _ in range(wait):
        clock.now += 1
        fail(attacker, viewer.username, 3)

    assert log_in(newcomer, viewer.username, password).status_code == 302


def test_twenty_five_accounts_from_one_address_are_slowed(db):
    assert [fail(a_browser(), f"user{number}", 1)[0] for number in range(25)] == [200] * 20 + [429] * 5
    assert fail(a_browser("192.0.2.2"), "user25", 1) == [200]


def test_a_network_of_64_bit_is_one_address(db):
    hosts = [a_browser(f"2001:db8:1:2::{number:x}") for number in range(1, 26)]

    assert [fail(host, f"user{at}", 1)[0] for at, host in enumerate(hosts)] == [200] * 20 + [429] * 5
    assert fail(a_browser("2001:db8:1:3::1"), "user25", 1) == [200]


def test_an_account_that_does_not_exist_is_slowed_all_the_same(db):
    """Else the answer would tell which exist."""
    assert fail(a_browser(), "nobody", 12) == [200] * 10 + [429] * 2


def test_a_known_browser_is_slowed_by_neither(viewer, password):
    """A whole site behind one address goes on working."""
    known = known_browser(viewer, password, address="192.0.2.1")
    fail(a_browser("192.0.2.1"), viewer.username, 30)
    for number in range(20):
        fail(a_browser("192.0.2.1"), f"user{number}", 1)
    assert log_in(a_browser("192.0.2.1"), viewer.username, password).status_code == 429

    assert log_in(known, viewer.username, password).status_code == 302


def test_it_is_known_to_its_own_account_only(viewer, operator, password):
    known = known_browser(viewer, password)
    fail(a_browser(), operator.username, 10)

    assert log_in(known, operator.username, password).status_code == 429


def test_a_browser_may_be_known_to_several_accounts(viewer, operator, password):
    known = known_browser(viewer, password)
    assert log_in(known, operator.username, password).status_code == 302
    known.post(reverse("logout"))
    for user in (viewer, operator):
        fail(a_browser(), user.username, 10)

    assert log_in(known, viewer.username, password).status_code == 302


def test_a_known_browser_has_failures_of_its_own(viewer, password):
    """It may be in other hands by now. What it fails does not slow the account for others."""
    known = known_browser(viewer, password)

    assert fail(known, viewer.username, 12) == [200] * 10 + [429] * 2
    assert log_in(a_browser(), viewer.username, password).status_code == 302


@pytest.mark.parametrize("end", ["new password", "deactivated", "another key"])
def test_a_browser_is_no_longer_known_after(viewer, administrator, password, settings, end):
    known = known_browser(viewer, password)
    if end == "new password":
        password = "nine silver spoons"
        accounts.set_password(viewer, password)
    elif end == "deactivated":
        accounts.change(viewer, role=Role.VIEW, is_active=False)
        accounts.change(viewer, role=Role.VIEW, is_active=True)
    else:
        settings.SECRET_KEY = "another key that is as long as a key should be, or longer"
    fail(a_browser(), viewer.username, 10)

    assert log_in(known, viewer.username, password).status_code == 429


def test_a_cookie_that_somebody_invents_is_no_known_browser(viewer, password, settings):
    fail(a_browser(), viewer.username, 10)
    for value in ("", "x", "a.b", "ä.ö", f"{'0' * 22}.{'0' * 64}"):
        stranger = a_browser()
        stranger.cookies[f"{settings.KNOWN_BROWSER_COOKIE_NAME}-{viewer.pk}"] = value
        assert log_in(stranger, viewer.username, password).status_code == 429


def test_the_cookie_lasts_a_year_and_no_script_reads_it(viewer, password, settings):
    answer = log_in(a_browser(), viewer.username, password)
    cookie = answer.cookies[f"{settings.KNOWN_BROWSER_COOKIE_NAME}-{viewer.pk}"]

    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (365 * 24 * 3600, True, "Lax")


def test_the_browser_that_changes_the_own_password_stays_known(viewer, password):
    browser = a_browser()
    log_in(browser, viewer.username, password)
    new = {"new_password1": "nine silver spoons", "new_password2": "nine silver spoons"}
    assert browser.post(MINE, {"old_password": password, **new}).status_code == 302
    browser.post(reverse("logout"))
    fail(a_browser(), viewer.username, 10)

    assert log_in(browser, viewer.username, "nine silver spoons").status_code == 302


def test_the_old_password_is_asked_for_through_the_same_throttle(viewer_client, viewer, password):
    new = {"new_password1": "nine silver spoons", "new_password2": "nine silver spoons"}
    tries = [viewer_client.post(MINE, {"old_password": f"wrong {number}", **new}) for number in range(15)]

    assert [answer.status_code for answer in tries] == [200] * 10 + [429] * 5
    assert viewer_client.post(MINE, {"old_password": password, **new}).status_code == 429
    viewer.refresh_from_db()
    assert viewer.check_password(password)


def test_a_new_password_ends_the_waiting(viewer):
    fail(a_browser(), viewer.username, 10)
    accounts.set_password(viewer, "nine silver spoons")

    assert log_in(a_browser("192.0.2.2"), viewer.username, "nine silver spoons").status_code == 302


def test_what_is_refused_fills_no_log(viewer, caplog):
    fail(a_browser(), viewer.username, 30)

    assert len(caplog.records) == 1


def test_a_password_is_not_hashed_while_it_is_slowed(viewer, password, monkeypatch):
    fail(a_browser(), viewer.username, 10)
    monkeypatch.setattr(MD5PasswordHasher, "verify", lambda *_: pytest.fail("hashed"))

    assert log_in(a_browser(), viewer.username, password).status_code == 429


def test_a_stranger_is_sent_away_while_four_others_are_inside_but_no_known_browser(viewer, password):
    known = known_browser(viewer, password)
    with ExitStack() as places:
        for _ in range(4):
            places.enter_context(passwords.place_of_a_stranger())
        answer = log_in(a_browser(), viewer.username, password)

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert log_in(known, viewer.username, password).status_code == 302
    assert log_in(a_browser(), viewer.username, password).status_code == 302


def test_a_place_is_given_back_however_it_ends(viewer, password):
    for _ in range(6):
        with pytest.raises(ZeroDivisionError), passwords.place_of_a_stranger():
            raise ZeroDivisionError
    fail(a_browser(), viewer.username, 12)

    assert log_in(a_browser("192.0.2.2"), "nobody", "any").status_code == 200


def test_a_client_that_a_proxy_does_not_name_by_its_address_can_log_in(viewer, password):
    for address in ("unknown", "unix:", "_hidden", ""):
        assert fail(a_browser(address), viewer.username, 1) == [200]
        assert log_in(a_browser(address), viewer.username, password).status_code == 302


def test_a_deactivated_account_costs_the_same_as_a_wrong_password(viewer, password):
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    answers = [log_in(a_browser(), viewer.username, password).status_code for _ in range(12)]

    assert answers == [200] * 10 + [429] * 2
