import re
from contextlib import closing

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pbxcerts import __version__
from pbxcerts.system.models import EventMessage, General, Severity

pytestmark = pytest.mark.simulation

PAGES = [
    "certificates:overview",
    "system:general",
    "system:users",
    "system:users_add",
    "system:events",
    "system:events_destinations",
    "system:events_watchdog",
    "account",
    "password_change",
]
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)


def is_strict(response) -> bool:
    policy = response.headers["Content-Security-Policy"]
    return "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_keeps_to_a_strict_policy_without_inline_code(administrator_client, page, language):
    administrator_client.cookies["django_language"] = language
    response = administrator_client.get(reverse(page))
    html = response.content.decode()
    assert response.status_code == 200
    assert is_strict(response)
    assert not INLINE.search(html)
    assert f'<html lang="{language}">' in html
    assert html.count("<h1") == 1


def test_the_search_for_inline_code_would_find_some():
    found = ["<script>x</script>", '<p style="a">', "<style>", '<a onclick="x">', '<a href="javascript:x">']
    assert all(INLINE.search(html) for html in found)
    assert not INLINE.search('<script src="/x.js" defer></script><p class="style">')


def test_the_version_stands_at_the_foot_of_every_page_but_for_strangers(administrator_client, client):
    """Who has not logged in learns nothing about which mistakes are still in it."""
    for page in PAGES:
        html = administrator_client.get(reverse(page)).content.decode()
        assert re.search(r'<footer class="frame-foot">\s*pbxcerts (\S+)\s', html)[1] == __version__
    for page in ("/login/", "/no-such-page/", reverse("home_state")):
        answer = client.get(page, headers={"HX-Request": "true"})
        assert __version__ not in answer.content.decode()
        assert __version__ not in answer.headers.values()


@pytest.mark.parametrize("path", ["/login/", "/no-such-page/", "/static/css/panel.css", "/static/no-such-file.css"])
def test_the_policy_stands_on_every_response_also_before_the_login(db, client, path):
    with closing(client.get(path)) as response:
        assert is_strict(response)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_behind_the_login_is_kept_by_a_cache(administrator_client, page):
    assert "no-store" in administrator_client.get(reverse(page)).headers["Cache-Control"]


def test_it_speaks_the_system_language_whatever_the_browser_asks_for(administrator_client):
    General.load()
    General.objects.update(language="en")
    html = administrator_client.get(reverse("system:general"), headers={"Accept-Language": "de"}).content.decode()
    assert '<html lang="en">' in html


def test_the_language_that_somebody_chose_stands_above_the_system_language(administrator_client):
    page = reverse("system:users")
    response = administrator_client.post(reverse("set_language"), {"language": "en", "next": page})
    assert response.headers["Location"] == page
    assert '<html lang="en">' in administrator_client.get(page).content.decode()
    assert General.load().language == "de"


def test_a_language_that_does_not_exist_changes_nothing(administrator_client):
    administrator_client.cookies["django_language"] = "xx"
    assert '<html lang="de">' in administrator_client.get(reverse("system:users")).content.decode()


def test_the_language_of_one_request_does_not_stay_for_the_next(viewer_client, db):
    viewer_client.cookies["django_language"] = "en"
    viewer_client.get(reverse("system:events"))
    assert '<html lang="de">' in Client().get(reverse("login")).content.decode()


def test_times_are_shown_in_the_time_zone_of_the_installation(viewer_client):
    General.load()
    General.objects.update(time_zone="Pacific/Auckland")
    at = timezone.datetime(2026, 1, 1, 12, 0, tzinfo=timezone.get_fixed_timezone(0))
    EventMessage.objects.create(kind="a", severity=Severity.NORMAL, raised_at=at)
    assert "02.01.2026, 01:00" in viewer_client.get(reverse("system:events")).content.decode()


def test_the_title_bar_counts_the_open_event_messages_by_severity(viewer_client):
    now = timezone.now()
    for kind, severity, cleared in [
        ("a", Severity.CRITICAL, None),
        ("b", Severity.SERIOUS, None),
        ("c", Severity.SERIOUS, None),
        ("d", Severity.NORMAL, now),
    ]:
        EventMessage.objects.create(kind=kind, severity=severity, raised_at=now, cleared_at=cleared)
    html = viewer_client.get(reverse("certificates:overview")).content.decode()
    bar = re.sub(
        r"<[^>]+>|\s+", " ", html[html.index('class="states"') : html.index("</a>", html.index('class="states"'))]
    )
    assert re.findall(r"\d+", bar) == ["1", "2"]


def test_the_title_bar_says_in_words_when_no_event_message_is_open(viewer_client):
    html = viewer_client.get(reverse("system:events")).content.decode()
    assert "state-ok" in html
    assert "state-critical" not in html


def test_the_title_bar_names_the_site_and_its_system_id(viewer_client):
    General.load()
    General.objects.update(site_name="Werk <Süd>", system_id="4711")
    html = viewer_client.get(reverse("system:events")).content.decode()
    assert "Werk &lt;Süd&gt;" in html
    assert "4711" in html


@pytest.mark.parametrize(("page", "href"), [("system:users_add", "system:users"), ("system:general", "system:general")])
def test_the_navigation_marks_where_one_is(administrator_client, page, href):
    html = administrator_client.get(reverse(page)).content.decode()
    assert re.findall(r'<a href="([^"]+)"\s+aria-current="page"', html) == [reverse(href)]


def test_the_navigation_shows_users_to_administrators_alone(viewer_client, administrator_client):
    link = f'href="{reverse("system:users")}"'
    assert link in administrator_client.get(reverse("system:events")).content.decode()
    assert link not in viewer_client.get(reverse("system:events")).content.decode()


def test_the_frame_costs_few_queries(viewer_client, django_assert_max_num_queries):
    General.load()
    # session, user, the row of System / General, open event messages; then the page's own two
    with django_assert_max_num_queries(6):
        viewer_client.get(reverse("system:events"))
