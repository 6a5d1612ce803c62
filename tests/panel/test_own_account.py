"""The own account: where a person is logged in, language, theme (rules own-sessions, own-appearance)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from pbxcerts.system.models import General, Role, Session, User
from pbxcerts.system.users import accounts

AT = datetime(2031, 1, 31, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
PAGE = "/account/"


@pytest.fixture(autouse=True)
def _in_english(db):
    General.load()
    General.objects.update(language="en")


@pytest.fixture
def log_in(password):
    def logged_in(user, *, agent=FIREFOX, address="192.0.2.7", at=AT):
        client = Client(REMOTE_ADDR=address, headers={"User-Agent": agent})
        with time_machine.travel(at, tick=False):
            answer = client.post(reverse("login"), {"username": user.username, "password": password})
        assert answer.status_code == 302
        return client

    return logged_in


def look(client, at=AT + MINUTE, path=PAGE):
    with time_machine.travel(at, tick=False):
        return client.get(path)


def post(client, path, at=AT + MINUTE, **fields):
    with time_machine.travel(at, tick=False):
        return client.post(path, fields)


def sessions(client, at=AT + MINUTE):
    return look(client, at).context["sessions"]


def test_it_says_browser_address_begin_and_last_use_of_each_session_and_which_is_this(viewer, log_in):
    log_in(viewer, agent=IPHONE, address="2001:db8::7", at=AT - timedelta(hours=2))
    here = log_in(viewer)
    html = look(here).content.decode()

    this, other = sessions(here)
    assert (this.browser, this.address, this.is_this) == ("Firefox, Windows", "192.0.2.7", True)
    assert (other.browser, other.address, other.is_this) == ("Safari, iPhone", "2001:db8::7", False)
    assert (other.began, other.last_use) == (AT - timedelta(hours=2), AT - timedelta(hours=2))
    assert all(words in html for words in ("Firefox, Windows", "Safari, iPhone", "2001:db8::7", "this browser"))


def test_another_session_that_is_ended_is_over_at_its_next_request(viewer, log_in):
    there, here = log_in(viewer, agent=IPHONE), log_in(viewer)
    (name,) = [one.name for one in sessions(here) if not one.is_this]
    answer = post(here, reverse("account_end_session"), session=name)

    assert answer.status_code == 302
    assert look(there).status_code == 302
    assert look(here).status_code == 200
    assert len(sessions(here)) == 1


def test_all_others_are_ended_and_nobody_elses(viewer, operator, log_in):
    others, here, colleague = [log_in(viewer), log_in(viewer)], log_in(viewer), log_in(operator)
    post(here, reverse("account_end_other_sessions"))

    assert [look(client).status_code for client in others] == [302, 302]
    assert [look(client).status_code for client in (here, colleague)] == [200, 200]


def test_nobody_sees_or_ends_anybody_elses_session(viewer, operator, log_in):
    victim, attacker = log_in(operator), log_in(viewer)
    (name,) = [one.name for one in sessions(victim)]
    answer = post(attacker, reverse("account_end_session"), session=name)

    assert answer.status_code == 302
    assert "That session had ended already." in look(attacker).content.decode()
    assert look(victim).status_code == 200
    assert [one.is_this for one in sessions(attacker)] == [True]


@pytest.mark.parametrize("name", ["", "x", "\0", "é"])
def test_a_name_that_nobody_has_ends_nothing(viewer, log_in, name):
    there, here = log_in(viewer), log_in(viewer)
    post(here, reverse("account_end_session"), session=name)

    assert look(there).status_code == 200


def test_its_own_session_is_ended_by_logging_out_alone(viewer, log_in):
    here = log_in(viewer)
    (this,) = sessions(here)
    post(here, reverse("account_end_session"), session=this.name)

    assert look(here).status_code == 200


def test_no_key_of_a_session_stands_on_the_page(viewer, log_in):
    log_in(viewer)
    html = look(log_in(viewer)).content.decode()

    keys = list(Session.objects.values_list("session_key", flat=True))
    assert len(keys) == 2
    assert [key for key in keys if key in html] == []


def test_what_another_password_has_ended_is_not_listed(viewer, log_in, password):
    log_in(viewer)
    here = log_in(viewer)
    assert len(sessions(here)) == 2
    new = {"new_password1": "nine silver spoons", "new_password2": "nine silver spoons"}
    post(here, reverse("password_change"), old_password=password, **new)

    assert [one.is_this for one in sessions(here)] == [True]


def test_what_ended_while_the_account_was_deactivated_is_not_listed(viewer, administrator, log_in):
    log_in(viewer)
    accounts.change(viewer, role=Role.VIEW, is_active=False)
    accounts.change(viewer, role=Role.VIEW, is_active=True)

    assert [one.is_this for one in sessions(log_in(viewer))] == [True]


def test_what_is_over_by_time_is_not_listed(viewer, log_in):
    log_in(viewer)
    later = AT + timedelta(hours=9)

    assert [one.is_this for one in sessions(log_in(viewer, at=later), later)] == [True]


def test_the_last_use_is_written_down_once_a_minute_to_the_very_end(viewer, log_in):
    """Also in the last hours of the fourteen days, in which no use moves the end."""
    here, at = log_in(viewer), AT
    while at < AT + timedelta(days=14) - timedelta(hours=1):
        at = min(at + timedelta(hours=7), AT + timedelta(days=14) - timedelta(hours=1))
        look(here, at)
    (this,) = sessions(here, at + 2 * MINUTE)

    assert this.last_use == at
    assert this.began == AT


def test_a_part_of_a_page_that_asks_for_itself_is_no_last_use(viewer, log_in):
    here = log_in(viewer)
    with time_machine.travel(AT + 5 * MINUTE, tick=False):
        here.get(reverse("certificates:status"), headers={"HX-Request": "true"})

    other = log_in(viewer, at=AT + 6 * MINUTE)
    (found,) = [one for one in sessions(other, AT + 6 * MINUTE) if not one.is_this]
    assert found.last_use == AT


def test_the_list_costs_the_same_however_many_there_are(viewer, log_in, django_assert_num_queries):
    def queries(client):
        with time_machine.travel(AT + MINUTE / 2, tick=False), django_assert_num_queries(5, exact=True):
            client.get(PAGE)

    here = log_in(viewer)
    queries(here)
    for _time in range(40):
        log_in(viewer)
    queries(here)


def test_a_browser_that_says_nonsense_is_unknown_and_writes_nothing_into_the_page(viewer, log_in):
    here = log_in(viewer, agent="<script>alert(1)</script>\0" + "x" * 5000)

    assert [one.browser for one in sessions(here)] == ["unknown browser"]
    assert b"<script>alert" not in look(here).content


def test_language_and_theme_follow_into_another_browser(viewer, log_in):
    here = log_in(viewer)
    assert post(here, PAGE, language="de", theme="dark").status_code == 302

    there = look(log_in(viewer, agent=IPHONE)).content.decode()
    assert '<html lang="de" data-theme="dark">' in there
    assert "Eigenes Konto" in there
    assert General.load().language == "en"


def test_the_buttons_of_the_menu_keep_it_too(viewer, log_in):
    here = log_in(viewer)
    post(here, reverse("set_language"), language="de")
    post(here, reverse("theme"), theme="light")

    assert '<html lang="de" data-theme="light">' in look(log_in(viewer)).content.decode()


def test_a_choice_of_one_person_is_not_anothers(viewer, operator, log_in):
    post(log_in(viewer), PAGE, language="de", theme="dark")

    assert '<html lang="en">' in look(log_in(operator)).content.decode()


def test_what_the_person_chose_stands_above_what_the_browser_remembers(viewer, log_in):
    post(log_in(viewer), PAGE, language="", theme="")
    there = log_in(viewer)
    there.cookies[settings.LANGUAGE_COOKIE_NAME], there.cookies[settings.THEME_COOKIE_NAME] = "de", "dark"

    assert '<html lang="en">' in look(there).content.decode()


def test_until_a_person_has_chosen_the_browser_decides_and_before_the_log_in(viewer, log_in):
    there = log_in(viewer)
    there.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    assert '<html lang="de">' in look(there).content.decode()

    post(there, PAGE, language="de", theme="dark")
    post(there, reverse("logout"))
    assert '<html lang="de" data-theme="dark">' in look(there, path=reverse("login")).content.decode()


def test_a_stranger_who_chooses_changes_no_account(client, viewer):
    client.post(reverse("set_language"), {"language": "de"})

    assert User.objects.get().language is None
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == "de"


@pytest.mark.parametrize("chosen", [{"language": "xx"}, {"theme": "pink"}, {"language": "de-ch-1996-x"}])
def test_what_there_is_not_is_refused_with_its_sentence_and_changes_nothing(viewer, log_in, chosen):
    answer = post(log_in(viewer), PAGE, **{"language": "", "theme": ""} | chosen)

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert User.objects.get().language is None


def test_it_says_so_in_the_language_that_was_chosen(viewer, log_in):
    here = log_in(viewer)
    post(here, PAGE, language="de", theme="")

    assert "in jedem Browser" in look(here).content.decode()


def test_the_password_is_to_be_repeated_in_words_without_a_spelling_mistake(administrator, administrator_client):
    """Django's own say "das selbe Passwort"."""
    administrator_client.cookies["django_language"] = "de"
    pages = [
        reverse("password_change"),
        reverse("system:users_add"),
        reverse("system:users_password", args=[administrator.pk]),
    ]

    for page in pages:
        said = administrator_client.get(page).content.decode()
        assert "Geben Sie dasselbe Passwort noch einmal ein." in said, page
        assert "das selbe" not in said, page
