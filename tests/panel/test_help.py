"""The help: a page for each view, a word for each field, a sentence for each term."""

import re

import polib
import pytest
from django import forms
from django.urls import reverse
from django.utils import translation

from pbxcerts.event_kinds import every_kind
from pbxcerts.panel.help.pages import PARAMETERS, WORDS, HelpPage, every_page
from pbxcerts.panel.help.parameters import ParametersOf
from pbxcerts.panel.help.terms import TERMS
from pbxcerts.panel.tree import View, every_view
from pbxcerts.panel.where_to_act import PLACES
from pbxcerts.system.forms.general import MOST_NTP_SERVERS
from pbxcerts.system.models import Role
from terminals.forms.bootstrap import WindowForm
from terminals.web.bootstrap import MINUTES_AT_MOST
from tests.terminals.pages.conftest import english, fleet, text, world
from tests.test_translations import CATALOGUE, ROOT

__all__ = ["english", "fleet", "text", "world"]

pytestmark = pytest.mark.simulation

CODES = [view.code for view in every_view()]
INVENTED = View("zz", "Nothing", "home")


def of_code(code):
    return next(page for page in every_page() if page.view.code == code)


def has_template(page):
    return (ROOT / "pbxcerts" / "templates" / page.template).is_file()


def test_every_view_has_a_help_page_of_its_own():
    assert [page.view.code for page in every_page() if not has_template(page)] == []
    assert not has_template(HelpPage(INVENTED))


def test_every_help_page_belongs_to_a_view():
    """One of a view that is gone would never be seen again."""
    texts = {path.stem for path in (ROOT / "pbxcerts" / "templates" / "help" / "views").iterdir()}

    assert texts == set(CODES)
    assert PARAMETERS.keys() <= set(CODES)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("language", ["de", "en"])
def test_a_help_page_says_what_for_how_and_what_can_go_wrong(administrator_client, code, language):
    administrator_client.cookies["django_language"] = language
    page = administrator_client.get(reverse("help_view", args=(code,))).content.decode()

    for heading in ("purpose", "steps", "trouble"):
        part = page.partition(f'<h2 id="{heading}">')[2].partition("</section>")[0]
        assert re.search(r"<(p|li)>\s*\w", part), heading
    assert f'href="{of_code(code).view.url}"' in page.partition("<main")[2]
    assert "%(" not in page
    assert "{{" not in page


def test_a_view_leads_to_its_help_and_a_page_without_a_view_to_the_contents(world, administrator_client):
    for view in every_view():
        page = administrator_client.get(view.url).content.decode()
        assert re.search(rf'id="help"[^>]*href="{reverse("help_view", args=(view.code,))}"', page), view.code
    for path in ("/search/", "/help/", "/password/"):
        page = administrator_client.get(path).content.decode()
        assert re.search(r'id="help"[^>]*href="/help/"', page), path


def test_a_page_below_a_view_leads_to_the_help_of_that_view(world, administrator_client):
    assert 'href="/help/sc/"' in administrator_client.get("/certificates/generate/").content.decode()


def test_a_stranger_finds_no_help(client, db):
    assert 'id="help"' not in client.get("/login/").content.decode()
    assert client.get("/help/sc/").status_code == 302


@pytest.mark.parametrize("code", ["zz", "SC", "x" * 500])
def test_there_is_no_help_for_what_is_no_view(administrator_client, code):
    assert administrator_client.get(reverse("help_view", args=(code,))).status_code == 404


def test_each_role_reads_the_help_of_what_it_may_see(viewer_client, operator_client, administrator_client):
    for view in every_view():
        answers = [
            client.get(reverse("help_view", args=(view.code,))).status_code
            for client in (viewer_client, operator_client, administrator_client)
        ]
        assert answers == ([403, 403, 200] if view.role is Role.ADMINISTER else [200, 200, 200]), view.code
    assert 'href="/help/us/"' not in viewer_client.get("/help/").content.decode()
    assert 'href="/help/us/"' in administrator_client.get("/help/").content.decode()


def test_numbers_of_the_help_come_from_the_code(monkeypatch, administrator_client, text):
    administrator_client.cookies["django_language"] = "en"
    assert f"1 to {MINUTES_AT_MOST}" in text(administrator_client.get("/help/bw/"))

    monkeypatch.setattr(WindowForm.base_fields["minutes"], "max_value", 77)
    assert "1 to 77" in text(administrator_client.get("/help/bw/"))


def test_what_holds_at_first_and_what_is_possible_is_read_off_form_and_model():
    with translation.override("en"):
        settings = {one.anchor: one for one in PARAMETERS["sc"][0]}
        general = {one.anchor: one for one in PARAMETERS["ge"][0]}

    assert settings["settings-interval_days"].default == "365"
    assert settings["settings-interval_days"].possible == "1 to 3650"
    assert settings["settings-generation_time"].default == "02:00"
    assert settings["settings-key_type"].possible == "RSA 2048, RSA 3072, EC P-256"
    assert settings["settings-addresses_as_dns"].default == "off"
    assert general["settings-ntp_servers"].possible == f"up to {MOST_NTP_SERVERS} entries"
    assert general["settings-time_zone"].possible == "one of the list"


def every_parameter():
    return [
        (code, form, name, field)
        for code, forms in PARAMETERS.items()
        for form in forms
        for name, field in form.fields.items()
    ]


def test_a_number_that_nobody_has_entered_is_called_empty():
    with translation.override("en"):
        defaults = {one.default for forms in PARAMETERS.values() for form in forms for one in form}

    assert "empty" in defaults
    assert "None" not in defaults


def test_no_parameter_is_without_an_explanation():
    assert [(code, form.name, name) for code, form, name, field in every_parameter() if not field.help_text] == []


def test_the_search_for_parameters_would_find_one_without():
    class Bare(forms.Form):
        name = forms.CharField()

    assert [one.explanation for one in ParametersOf("bare", "Bare", Bare)] == [""]


def test_messages_on_which_a_person_acts_in_a_view_stand_in_its_help(viewer_client):
    kinds = {kind.id for kind in every_kind()}
    views = {view.url_name: view for view in every_view()}
    for kind, (url_name, _words) in PLACES.items():
        if kind in kinds and url_name in views:
            page = viewer_client.get(reverse("help_view", args=(views[url_name].code,))).content.decode()
            assert f'href="/system/events/meaning/#{kind}"' in page, kind


def test_buttons_that_the_help_names_are_called_so():
    """What stands in quotation marks is a label of the panel, in both languages."""
    entries = polib.pofile(str(CATALOGUE))
    german = {entry.msgid: entry.msgstr for entry in entries}
    texts = [entry for entry in entries if any("help/views/" in file for file, _line in entry.occurrences)]
    named = [(label, entry.msgstr) for entry in texts for label in re.findall("“([^”]+)”", entry.msgid)]

    assert len(named) > 8
    assert [label for label, _msgstr in named if label not in german] == []
    assert [msgstr for label, msgstr in named if f"„{german[label]}“" not in msgstr] == []


def test_each_term_has_one_word_in_each_language_and_one_sentence():
    for language in ("de", "en"):
        with translation.override(language):
            words = [str(term.word).lower() for term in TERMS]
            assert len(words) == len(set(words)), language
            assert all(str(term.meaning).endswith(".") and str(term.meaning).count(". ") == 0 for term in TERMS)
    assert len({term.name for term in TERMS}) == len(TERMS)


@pytest.mark.parametrize("word", ["Vertrauenspaket", "Automatik", "Gewartet wird auf", "NOTIFY-Event"])
def test_a_word_that_nobody_knows_is_found_by_the_search_and_explained(viewer_client, word, db):
    viewer_client.cookies["django_language"] = "de"
    found = viewer_client.get("/search/", {"q": word})
    page = (
        found.content.decode()
        if found.status_code == 200
        else viewer_client.get(found.headers["Location"]).content.decode()
    )

    assert word in page
    assert found.status_code == 200 or found.headers["Location"].startswith("/help/terms/#")


def test_the_help_is_found_by_the_words_of_its_title(administrator_client, text):
    administrator_client.cookies["django_language"] = "en"

    assert administrator_client.get("/search/", {"q": "help rollout"}).headers["Location"] == "/help/ro/"
    assert "Help: Rollout" in text(administrator_client.get("/search/", {"q": "help"}))


def test_a_parameter_of_a_form_is_found_by_its_name_where_it_is_explained(viewer_client, administrator_client, text):
    for client in (viewer_client, administrator_client):
        client.cookies["django_language"] = "en"

    place = viewer_client.get("/search/", {"q": "private enterprise"}).headers["Location"]
    page, _, anchor = place.partition("#")
    assert f'id="{anchor}"' in viewer_client.get(page).content.decode()
    assert "Users: Role" in text(administrator_client.get("/search/", {"q": "role"}))
    assert "Users: Role" not in text(viewer_client.get("/search/", {"q": "role"}))


def test_a_view_is_still_opened_by_its_name_alone(administrator_client):
    administrator_client.cookies["django_language"] = "en"

    assert administrator_client.get("/search/", {"q": "work list"}).headers["Location"] == "/terminals/work-list/"


def test_who_may_not_see_a_view_does_not_find_its_help(viewer_client, text):
    viewer_client.cookies["django_language"] = "en"

    assert "Help: Users" not in text(viewer_client.get("/search/", {"q": "users"}))


def test_every_view_names_terms_that_there_are():
    assert {name for names in WORDS.values() for name in names} <= {term.name for term in TERMS}
    assert WORDS.keys() == set(CODES)


def test_a_word_with_a_link_leads_to_a_term_that_there_is():
    templates = (ROOT / "pbxcerts" / "templates").rglob("*.html")
    linked = {
        name
        for path in templates
        for name in re.findall(r'help_terms. %}#([a-z-]+)"', path.read_text(encoding="utf-8"))
    }

    assert {"bundle", "heartbeat", "waited-for", "event-string"} <= linked
    assert linked <= {term.name for term in TERMS}


@pytest.mark.parametrize(
    ("path", "word", "term"),
    [
        ("/certificates/", "Vertrauenspaket", "bundle"),
        ("/certificates/", "Automatik", "heartbeat"),
        ("/help/sc/", "Gewartet wird auf", "waited-for"),
        ("/help/bw/", "Einrichtungsfenster", "bootstrap-window"),
        ("/help/tt/", "NOTIFY-Event", "event-string"),
        ("/help/cs/", "Kommunikationsserver", "communication-server"),
        ("/help/te/", "deaktiviert", "disabled"),
        ("/help/hi/", "Grund", "reason"),
        ("/help/ro/", "Zeitfenster", "restart-window"),
        ("/help/wl/", "bestätigt", "confirmed"),
        ("/help/ev/", "quittieren", "acknowledge"),
    ],
)
def test_a_word_that_is_new_or_could_mean_two_things_leads_to_its_sentence(world, viewer_client, path, word, term):
    viewer_client.cookies["django_language"] = "de"
    page = viewer_client.get(path).content.decode()

    assert re.search(rf'href="/help/terms/#{term}">\s*{word}', page)
