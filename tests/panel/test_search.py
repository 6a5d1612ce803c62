"""The tree of views and the search box."""

import pytest
from django.urls import reverse

from certificates.models import Generation
from pbxcerts.panel.tree import every_view
from pbxcerts.system.models import Role
from terminals.models import Terminal
from tests.terminals.pages.conftest import english, fleet, mixed, text, world, yealink

__all__ = ["english", "fleet", "mixed", "text", "world", "yealink"]


def search(client, words):
    return client.get(reverse("search"), {"q": words})


def test_every_view_has_a_code_of_two_letters_of_its_own():
    codes = [view.code for view in every_view()]

    assert len(codes) == len(set(codes))
    assert all(len(code) == 2 and code.isalpha() for code in codes)


@pytest.mark.parametrize("view", every_view(), ids=lambda view: view.code)
def test_a_code_leads_to_its_view_which_the_tree_marks(world, administrator_client, view):
    answer = search(administrator_client, f"={view.code}")
    assert answer.headers["Location"] == view.url

    page = administrator_client.get(view.url).content.decode()
    marked = page.partition('aria-current="page"')
    assert page.count('aria-current="page"') == 1
    assert f"={view.code}</span>" in marked[2].partition("</a>")[0]


def test_the_list_of_all_registrations_is_found_by_its_word_and_stands_among_the_terminals(world, viewer_client):
    assert search(viewer_client, "registered tele").headers["Location"] == "/terminals/registered/"

    tree = viewer_client.get("/").content.decode().partition('href="/terminals/"')[2]
    assert 'href="/terminals/registered/"' in tree.partition("</ul>")[0]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/certificates/generate/", "sc"),
        ("/certificates/history/1/", "hi"),
        ("/system/events/destinations/add/email/", "ds"),
        ("/system/events/watchdog/", "ds"),
        ("/terminals/import/", "te"),
    ],
)
def test_a_page_below_a_view_marks_that_view(world, administrator_client, path, code):
    page = administrator_client.get(path).content.decode()

    assert f"={code}</span>" in page.partition('aria-current="page"')[2].partition("</a>")[0]


def test_what_a_person_may_not_see_is_not_in_the_tree_and_not_found(world, viewer_client, administrator_client):
    users = next(view for view in every_view() if view.role is Role.ADMINISTER)

    assert f'href="{users.url}"' in administrator_client.get("/").content.decode()
    assert f'href="{users.url}"' not in viewer_client.get("/").content.decode()
    assert search(viewer_client, "=us").status_code == 200


@pytest.mark.parametrize(
    "words", ["105", "desk 105", "00085D000005", "00:08:5d:00:00:05", "0008-5d00-0005", "00:05", "5d0000"]
)
def test_a_terminal_is_found_by_number_name_and_mac(mixed, viewer_client, words):
    phone = Terminal.objects.get(number="105")
    Terminal.objects.filter(pk=phone.pk).update(mac="00085D000005")

    assert search(viewer_client, words).headers["Location"] == reverse("terminals:terminal", args=(phone.pk,))


def test_three_digits_are_no_part_of_a_mac(mixed, viewer_client, text):
    Terminal.objects.filter(number="105").update(mac="00085DABCDEF")

    assert "Nothing is called" in text(search(viewer_client, "def"))
    assert search(viewer_client, "cdef").status_code == 302


def test_a_generation_is_found_by_its_fingerprint_as_a_telephone_shows_it(world, viewer_client):
    sha256 = Generation.objects.get().host_sha256.upper()
    shown = ":".join(sha256[place : place + 2] for place in range(0, 16, 2))

    assert search(viewer_client, shown).headers["Location"] == reverse("certificates:generation", args=(1,))


def test_a_setting_is_found_by_its_name_and_the_link_leads_to_its_row(world, administrator_client):
    place = search(administrator_client, "NTP servers").headers["Location"]
    page, _, anchor = place.partition("#")

    assert page == "/system/general/"
    assert f'id="{anchor}"' in administrator_client.get(page).content.decode()


def test_several_things_are_a_list_and_nothing_says_what_can_be_found(mixed, viewer_client, text):
    page = text(search(viewer_client, "desk"))
    assert "desk 101" in page
    assert "There is more" in page
    assert "Nothing is called “zzz”" in text(search(viewer_client, "zzz"))
    assert "Enter a word" in text(search(viewer_client, " \0 "))


@pytest.mark.parametrize("words", ["%", "'; --", "9" * 500, "=", "<script>alert(1)</script>", "2" * 9])
def test_strange_words_find_nothing_and_break_nothing(world, viewer_client, words):
    page = search(viewer_client, words)

    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()


def test_a_terminal_type_is_found_and_its_page_has_the_file_and_the_guide(mixed, yealink, viewer_client):
    answer = search(viewer_client, "a yealink")
    assert answer.headers["Location"] == reverse("terminals:types:type", args=(yealink.pk,))

    page = viewer_client.get(answer.headers["Location"]).content.decode()
    assert reverse("terminals:work_list:download", args=(yealink.pk,)) in page
    assert page.index("Download: Root certificates") < page.index("Trusted Certificates") < page.index("Manufacturer")
