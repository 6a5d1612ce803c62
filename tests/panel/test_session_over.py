"""What was typed into a form comes back after the log-in, and nothing is carried out by that (rule kept-entries)."""

import re
from datetime import timedelta

import pytest
import time_machine
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from certificates.models import Generation
from pbxcerts.system.models import General, Role, Session, User
from pbxcerts.system.pages import kept_entries
from terminals.models import TerminalType

pytestmark = pytest.mark.simulation

GENERAL = reverse("system:general")


@pytest.fixture(autouse=True)
def _in_english(db):
    General.load()
    General.objects.update(language="en")


def log_in(client, user, password, **fields):
    return client.post(reverse("login"), {"username": user.username, "password": password, **fields})


@pytest.fixture
def browser(administrator, password):
    """Somebody has logged in here, and the session is over."""
    client = Client()
    assert log_in(client, administrator, password).status_code == 302
    Session.objects.all().delete()
    return client


def sealed_in(answer):
    found = re.search(r'name="kept_entries" value="([^"]+)"', answer.content.decode())
    return found and found[1]


def come_back(client, user, password, path, answer):
    """Log in on the page that `answer` is, and open the form as the page after it does."""
    resumed = log_in(client, user, password, kept_entries=sealed_in(answer))
    assert f'action="{path}"' in resumed.content.decode()
    return client.post(path, {"kept_entries": sealed_in(resumed)}, follow=True)


def typed_general(**changes):
    return {"version": "0", "time_zone": "Europe/Zurich", "language": "en", "logout_after_minutes": "480"} | changes


def test_what_was_typed_stands_in_the_form_again_and_is_not_applied(browser, administrator, password):
    refused = browser.post(GENERAL, typed_general(site_name="Werk Süd"))
    assert refused.status_code == 403
    assert "nothing was carried out" in refused.content.decode()
    page = come_back(browser, administrator, password, GENERAL, refused)

    html = page.content.decode()
    assert page.status_code == 200
    assert 'value="Werk Süd"' in html
    assert "Look this over and send it again." in html
    assert General.load().site_name == ""
    assert "<h1>" in html
    assert "System / General" in html


def test_in_a_step_of_the_first_start_too(browser, administrator, password):
    step = reverse("first_start_names")
    refused = browser.post(step, {"version": "0", "site_name": "Werk Süd", "fqdn": "pbx.example.org"})
    html = come_back(browser, administrator, password, step, refused).content.decode()

    assert 'value="Werk Süd"' in html
    assert General.load().site_name == ""


def test_sent_again_it_is_applied(browser, administrator, password):
    refused = browser.post(GENERAL, typed_general(site_name="Werk"))
    come_back(browser, administrator, password, GENERAL, refused)
    values = {
        "ntp_enabled": "false",
        "on_this_machine": "true",
        "redirect_to_https": "false",
        "backup_days": "1",
        "backup_time": "03:30",
        "backup_keep": "14",
    }
    assert browser.post(GENERAL, typed_general(site_name="Werk", **values)).status_code == 302
    assert General.load().site_name == "Werk"


def test_a_wrong_password_in_between_loses_nothing(browser, administrator, password):
    refused = browser.post(GENERAL, typed_general(site_name="Werk"))
    wrong = log_in(browser, administrator, "wrong", kept_entries=sealed_in(refused))
    assert sealed_in(wrong)

    assert 'value="Werk"' in come_back(browser, administrator, password, GENERAL, wrong).content.decode()


def test_nobody_else_sees_it(browser, viewer, password):
    refused = browser.post(GENERAL, typed_general(site_name="Werk"))
    answer = log_in(browser, viewer, password, kept_entries=sealed_in(refused))

    assert answer.status_code == 302
    assert "What was typed in another person" in browser.get("/").content.decode()
    page = browser.post(GENERAL, {"kept_entries": sealed_in(refused)})
    assert "no longer kept" in page.content.decode()
    assert "Werk" not in page.content.decode()


def test_passwords_travel_nowhere_and_that_is_said(browser, administrator, password):
    add = reverse("system:users_add")
    typed = {
        "username": "otto",
        "role": "operate",
        "password1": "nine silver spoons",
        "password2": "nine silver spoons",
    }
    refused = browser.post(add, typed)
    assert "nine silver spoons" not in str(kept_entries.read(sealed_in(refused)))
    html = come_back(browser, administrator, password, add, refused).content.decode()

    assert 'value="otto"' in html
    assert "Passwords and other secrets were not kept" in html
    assert "silver" not in html
    assert User.objects.count() == 1


def test_what_is_on_the_log_in_page_can_be_read_by_nobody(browser):
    refused = browser.post(GENERAL, typed_general(site_name="Werk Nord"))

    assert "Werk Nord" not in refused.content.decode()
    assert kept_entries.read(sealed_in(refused)).entries["site_name"] == ["Werk Nord"]


def test_files_are_not_kept_and_that_is_said(browser, administrator, password):
    upload = reverse("terminals:import")
    refused = browser.post(upload, {"file": SimpleUploadedFile("a.csv", b"number\n101\n")})
    html = come_back(browser, administrator, password, upload, refused).content.decode()

    assert "Files were not kept: choose them again." in html


def test_what_is_very_long_is_not_kept_and_that_is_said(browser, administrator, password):
    refused = browser.post(GENERAL, typed_general(dns_names="x" * (kept_entries.LONGEST + 1)))
    page = come_back(browser, administrator, password, GENERAL, refused)

    assert "too long to be kept" in page.content.decode()
    assert 'role="alert"' not in page.content.decode(), "the form is as it is stored, without complaints"


def test_a_button_leads_back_to_its_page_and_does_nothing(browser, administrator, password):
    one = reverse("terminals:accept_network")
    refused = browser.post(one, {"network": "192.0.2.0/24"}, headers={"Referer": "http://testserver/terminals/"})
    answer = come_back(browser, administrator, password, one, refused)

    assert answer.redirect_chain == [("http://testserver/terminals/", 302)]
    assert "nothing was carried out" in answer.content.decode()


def test_a_button_of_another_site_leads_to_the_start(browser, administrator, password):
    one = reverse("terminals:accept_network")
    refused = browser.post(one, {}, headers={"Referer": "https://evil.example/"})

    assert come_back(browser, administrator, password, one, refused).redirect_chain == [("/", 302)]


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("certificates:generate", {"reason": "because", "newest": "0"}),
        ("certificates:overview", {"version": "0", "interval_days": "180"}),
        ("terminals:add", {"number": "101", "type": "1"}),
        ("terminals:types:add", {"name": "Other"}),
        ("terminals:bootstrap:windows", {"minutes": "5"}),
        ("terminals:delivery:settings", {"version": "0", "proxy_host": "pbx"}),
        ("account", {"language": "de", "theme": "dark"}),
        ("system:users_add", {"username": "otto", "role": "operate"}),
    ],
)
def test_nothing_is_carried_out_by_what_comes_back(browser, administrator, password, path, typed, key_file):
    def counts():
        return [model.objects.count() for model in (Generation, TerminalType, User)]

    before, url = counts(), reverse(path)
    page = come_back(browser, administrator, password, url, browser.post(url, typed))

    assert page.status_code == 200
    assert counts() == before
    assert User.objects.get(pk=administrator.pk).language is None


def test_who_only_views_gets_no_form_of_others_by_it(viewer, password):
    client = Client()
    log_in(client, viewer, password)
    Session.objects.all().delete()
    refused = client.post(reverse("system:users_add"), {"username": "otto"})
    resumed = log_in(client, viewer, password, kept_entries=sealed_in(refused))

    assert client.post(reverse("system:users_add"), {"kept_entries": sealed_in(resumed)}).status_code == 403


def test_where_nobody_has_logged_in_before_it_is_the_plain_way_to_the_log_in(client, administrator):
    answer = client.post(GENERAL, typed_general())

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("login"))


def test_a_part_of_a_page_is_told_so_and_gets_no_page(browser):
    answer = browser.post(reverse("system:general_check"), headers={"HX-Request": "true"})

    assert answer.status_code == 401


@pytest.mark.parametrize("what", ["", "x", "gAAAAA"])
def test_what_is_not_ours_shows_nothing_and_does_nothing(administrator_client, what):
    page = administrator_client.post(GENERAL, typed_general(site_name="Werk", kept_entries=what))

    assert page.status_code == 200
    assert "no longer kept" in page.content.decode()
    assert General.load().site_name == ""


def test_what_is_too_old_is_no_longer_kept(browser):
    sealed = sealed_in(browser.post(GENERAL, typed_general()))
    assert kept_entries.read(sealed)
    with time_machine.travel(timedelta(seconds=kept_entries.LASTS.total_seconds() + 60)):
        assert kept_entries.read(sealed) is None


def test_it_belongs_to_one_page(browser, administrator, password):
    sealed = sealed_in(browser.post(GENERAL, typed_general(site_name="Werk")))
    log_in(browser, administrator, password)
    page = browser.post(reverse("account"), {"kept_entries": sealed})

    assert "no longer kept" in page.content.decode()


def test_a_forged_form_shows_nothing(administrator, password, browser):
    """Another site can get something sealed, but not past the check against forged forms."""
    sealed = sealed_in(browser.post(GENERAL, typed_general(site_name="evil")))
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    log_in(browser, administrator, password)
    answer = strict.post(GENERAL, {"kept_entries": sealed}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert "kept_entries" not in answer.content.decode()


def test_who_has_logged_in_anew_in_another_tab_gets_back_what_was_typed_in_this_one(administrator, password):
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/login/").content.decode())[1]
    log_in(client, administrator, password, csrfmiddlewaretoken=token)
    old = {**typed_general(site_name="Werk"), "csrfmiddlewaretoken": token}

    refused = client.post(GENERAL, old, headers={"Origin": "http://testserver"})
    assert refused.status_code == 403
    assert "What you typed is not lost." in refused.content.decode()
    new = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', refused.content.decode())[1]
    page = client.post(GENERAL, {"kept_entries": sealed_in(refused), "csrfmiddlewaretoken": new})
    assert 'value="Werk"' in page.content.decode()

    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert sealed_in(client.post(GENERAL, old, headers=origin)) is None


def every_form(of=forms.BaseForm):
    for one in of.__subclasses__():
        yield one
        yield from every_form(one)


def test_no_field_for_a_secret_has_a_name_under_which_it_would_be_kept():
    names = {
        name
        for form in every_form()
        if form.__module__.startswith(("pbxcerts", "certificates", "terminals", "django.contrib.auth"))
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field.widget, forms.PasswordInput)
    }

    assert {"password1", "old_password", "sip_password", "account_password", "url"} <= names
    assert [name for name in names if not kept_entries.SECRET.search(name)] == []
    assert not any(kept_entries.SECRET.search(name) for name in ("site_name", "key_type", "reason", "own_lines"))


def test_somebody_who_lost_a_role_meanwhile_sees_only_what_the_role_shows(browser, administrator, password):
    refused = browser.post(GENERAL, typed_general(site_name="Werk"))
    User.objects.filter(pk=administrator.pk).update(role=Role.VIEW)
    html = come_back(browser, administrator, password, GENERAL, refused).content.decode()

    assert "Only administrators can change these settings." in html
    assert 'value="Werk"' not in html
