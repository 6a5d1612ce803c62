"""Terminal types: rows that an administrator changes."""

import pytest
from django.utils import translation

from terminals.models import Terminal, TerminalType

TYPES = "/terminals/types/"
NEW = {"name": "Door", "method": "sip_standard", "way": "server", "wants": "root", "trust_format": "pem"}


def test_the_list_says_how_many_terminals_each_has(viewer_client, types, text):
    Terminal.objects.create(number="101", type=types["Snom"])
    page = viewer_client.get(TYPES)

    assert "Mitel 6867i" in text(page)
    assert f'href="/terminals/?type={types["Snom"].pk}">1</a>' in page.content.decode()


@pytest.mark.parametrize(("language", "guide"), [("de", "Neustart: keiner"), ("en", "Restart: none")])
def test_its_page_has_the_guide_in_the_language_of_the_reader(viewer_client, types, language, guide):
    viewer_client.cookies["django_language"] = language
    page = viewer_client.get(f"{TYPES}{types['Snom'].pk}/").content.decode()

    assert guide in page


def test_a_guide_in_one_language_is_better_than_none(viewer_client, types, text):
    TerminalType.objects.filter(name="Snom").update(guide_en="", guide_de="Nur <b>deutsch</b>")

    assert "Nur &lt;b&gt;deutsch&lt;/b&gt;" in text(viewer_client.get(f"{TYPES}{types['Snom'].pk}/"))


def test_the_page_of_an_ip_system_phone_says_which_protocol_stands_in_its_place(viewer_client, types, text):
    sentence = "Mitel's own firmware is not known to speak it"

    assert sentence in text(viewer_client.get(f"{TYPES}{types['Mitel 5380 IP'].pk}/")).replace("&#x27;", "'")
    assert sentence not in text(viewer_client.get(f"{TYPES}{types['Snom'].pk}/")).replace("&#x27;", "'")


def test_an_administrator_adds_one_and_it_can_be_chosen(administrator_client, operator_client):
    administrator_client.post(f"{TYPES}add/", NEW)

    door = TerminalType.objects.get(name="Door")
    assert f'<option value="{door.pk}">Door</option>' in operator_client.get("/terminals/add/").content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Snom"}, "name"),
        ({"method": "fax"}, "method"),
        ({"event": "check sync"}, "event"),
        ({"event": "a\r\nX: y"}, "event"),
        ({"size_limit": "-1"}, "size_limit"),
        ({"size_limit": "many"}, "size_limit"),
        ({"wants": "bundle", "trust_format": "der"}, "trust_format"),
        ({"method": "mitel_sip", "trust_format": "der"}, "trust_format"),
        ({"own_lines": "sip line1 password: 1234"}, "own_lines"),
        ({"own_lines": "# pbxcerts begin"}, "own_lines"),
    ],
)
def test_a_bad_entry_is_refused_with_its_sentence(administrator_client, change, field):
    before = TerminalType.objects.count()

    response = administrator_client.post(f"{TYPES}add/", NEW | change)

    assert f'id="id_{field}_error"' in response.content.decode()
    assert TerminalType.objects.count() == before


def test_every_known_type_can_be_saved_as_it_is(administrator_client, types):
    for one in types.values():
        page = administrator_client.get(f"{TYPES}{one.pk}/edit/")
        typed = {name: value for name, value in page.context["form"].initial.items() if value not in {None, False}}

        response = administrator_client.post(f"{TYPES}{one.pk}/edit/", typed)

        assert response.status_code == 302, (one.name, response.context["form"].errors)
        unchanged = TerminalType.objects.get(pk=one.pk)
        assert unchanged.event == one.event
        assert unchanged.guide_de.split() == one.guide_de.split()


def test_one_that_is_used_is_not_deleted(administrator_client, types, text):
    Terminal.objects.create(number="101", type=types["Snom"])
    url = f"{TYPES}{types['Snom'].pk}/delete/"

    assert "give it another one first" in text(administrator_client.get(url))
    assert "give them another one first" in text(administrator_client.post(url, follow=True))
    assert TerminalType.objects.filter(name="Snom").exists()


def test_one_that_is_not_used_is_deleted(administrator_client, types):
    administrator_client.post(f"{TYPES}{types['Yealink'].pk}/delete/")

    assert not TerminalType.objects.filter(name="Yealink").exists()


def test_the_one_that_is_called_by_a_word_is_called_so_in_the_readers_language(operator_client):
    other = TerminalType.objects.get(name="Other")
    operator_client.cookies["django_language"] = "de"
    with translation.override("de"):
        word = str(other)
    assert word in operator_client.get("/terminals/types/").content.decode()
    other.name = "Fax"
    with translation.override("de"):
        assert str(other) == "Fax"


def test_names_are_in_the_order_of_the_alphabet_whatever_their_capitals(viewer_client, types, text):
    page = text(viewer_client.get(TYPES))

    assert page.index("baresip") < page.index("Gigaset") < page.index("pbxcerts-agent") < page.index("Yealink")


@pytest.mark.parametrize(
    ("name", "changes", "notified"),
    [
        ("Yealink", {}, "none: it is not notified"),
        ("Mitel 6867i", {}, "check-sync, through the communication server"),
        ("Mitel 6867i", {"event": ""}, "that of the delivery, through the communication server"),
    ],
)
def test_its_page_says_how_it_is_notified(viewer_client, types, text, name, changes, notified):
    TerminalType.objects.filter(name=name).update(**changes)

    assert notified in text(viewer_client.get(f"{TYPES}{types[name].pk}/"))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("Mitel 6930", {}, "Restart waits until it is idle"),
        ("Mitel 6930", {"waits_for_idle": False}, "Restart at once, in a call too"),
        ("Yealink", {"event": "check-sync;reboot=true"}, "Restart at once, in a call too"),
    ],
)
def test_its_page_says_whether_a_restart_waits(viewer_client, types, text, name, changes, said):
    TerminalType.objects.filter(name=name).update(**changes)

    assert said in text(viewer_client.get(f"{TYPES}{types[name].pk}/"))


@pytest.mark.parametrize("name", ["pbxcerts-agent", "Linphone"])
def test_of_one_that_nothing_restarts_its_page_says_nothing_of_it(viewer_client, types, text, name):
    assert "Restart waits" not in (page := text(viewer_client.get(f"{TYPES}{types[name].pk}/")))
    assert "Restart at once" not in page
