"""Terminal types: rows that an administrator changes."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from pbxcerts.system import sealing
from pbxcerts.system.models import General
from terminals.evidence.models import Requester
from terminals.models import Installation, Terminal, TerminalType

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


def test_a_bad_entry_is_refused_with_its_sentence(administrator_client, subtests):
    for change, field in [
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
    ]:
        with subtests.test(change=change, field=field):
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


def test_before_and_after_a_change_it_says_how_many_terminals_that_concerns(administrator_client, types, text):
    used, unused = types["Snom"], types["Yealink"]
    for number in ("101", "102"):
        Terminal.objects.create(number=number, type=used)

    def changed(one):
        page = administrator_client.get(f"{TYPES}{one.pk}/edit/")
        typed = {name: value for name, value in page.context["form"].initial.items() if value not in {None, False}}
        return text(page), text(administrator_client.post(f"{TYPES}{one.pk}/edit/", typed, follow=True))

    before, after = changed(used)
    assert "What is changed here concerns 2 terminals." in before
    assert "has been saved; that concerns 2 terminals." in after
    before, after = changed(unused)
    assert "What is changed here" not in before
    assert "has been saved; that concerns 0 terminals." in after


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
        ("Mitel 6867i", {"event": ""}, "that of the delivery method, through the communication server"),
    ],
)
def test_its_page_says_how_it_is_notified(viewer_client, types, text, name, changes, notified):
    TerminalType.objects.filter(name=name).update(**changes)

    assert notified in text(viewer_client.get(f"{TYPES}{types[name].pk}/"))


@pytest.mark.parametrize(("name", "restarts"), [("Mitel 6867i", True), ("Mitel 5370 IP", False)])
def test_its_page_says_what_a_restart_does_to_a_call_where_there_is_any(viewer_client, types, text, name, restarts):
    page = text(viewer_client.get(f"{TYPES}{types[name].pk}/"))

    assert ("A restart in a call By its documents it waits for the end of a call" in page) == restarts
    assert ("A restart in a call" in page) == restarts


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"manufacturer": "Ring AG"}, "Manufacturer Ring AG"),
        ({"wants": "host", "trust_format": "p7b"}, "Gets host certificate, PKCS#7"),
        ({"size_limit": 4096}, "(at most 4096 bytes)"),
        ({"holds_only_one": True}, "holds only one: it is due at the switch"),
        ({"holds_only_one": False}, "holds both"),
        ({"source": "its manual"}, "Source: its manual"),
        ({"verified": True}, "Verified on a device."),
        ({"verified": False}, "Not verified on a device."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_its_page_tells_what_is_entered(viewer_client, types, text, changes, told):
    TerminalType.objects.filter(name="Snom").update(**changes)

    assert told in text(viewer_client.get(f"{TYPES}{types['Snom'].pk}/")).replace(" )", ")").replace("( ", "(")


def test_the_list_tells_manufacturer_and_whether_the_guide_was_followed_on_a_device(viewer_client, types, text):
    TerminalType.objects.exclude(name="Snom").delete()
    TerminalType.objects.update(manufacturer="Ring AG", verified=True)
    page = text(viewer_client.get(TYPES))

    assert "Snom Ring AG" in page
    assert "on a device" in page
    TerminalType.objects.update(verified=False)
    assert "on a device" not in text(viewer_client.get(TYPES))


def test_a_type_that_is_notified_directly_from_now_on_lets_the_passwords_of_its_terminals_go(
    administrator_client, types, text, key_file
):
    kind = types["Snom"]
    for number, way in (("101", ""), ("102", "server"), ("103", "direct")):
        Terminal.objects.create(number=number, type=kind, way=way, sip_password=sealing.seal(b"secret"))
    edit = f"/terminals/types/{kind.pk}/edit/"
    form = administrator_client.get(edit).context["form"]
    sent = {name: form[name].value() or "" for name in form.fields} | {"way": "direct"}

    told = administrator_client.post(edit, sent)
    assert "deletes the stored SIP password of 1 terminal of this type" in text(told)
    assert Terminal.objects.filter(sip_password=None).count() == 0

    administrator_client.post(edit, sent | {"password_goes": told.context["form"]["password_goes"].value()})
    kind.refresh_from_db()
    assert kind.way == "direct"
    assert list(Terminal.objects.filter(sip_password=None).values_list("number", flat=True)) == ["101"]


def test_its_page_says_where_old_challenges_are_answered(administrator_client, types, text):
    kind = types["Snom"]
    told = "Questions for a password without qop are answered."
    assert told not in text(administrator_client.get(f"/terminals/types/{kind.pk}/"))
    form = administrator_client.get(f"/terminals/types/{kind.pk}/edit/").context["form"]
    sent = {name: form[name].value() or "" for name in form.fields} | {"answers_without_qop": "on"}

    assert told in text(administrator_client.post(f"/terminals/types/{kind.pk}/edit/", sent, follow=True))


def test_a_type_that_is_notified_through_the_server_from_now_on_lets_no_password_go(
    administrator_client, types, key_file
):
    kind = types["Snom"]
    TerminalType.objects.filter(pk=kind.pk).update(way="direct")
    Terminal.objects.create(number="101", type=kind, sip_password=sealing.seal(b"secret"))
    edit = f"/terminals/types/{kind.pk}/edit/"
    form = administrator_client.get(edit).context["form"]

    administrator_client.post(edit, {name: form[name].value() or "" for name in form.fields} | {"way": "server"})

    kind.refresh_from_db()
    assert kind.way == "server"
    assert sealing.unseal(Terminal.objects.get().sip_password) == b"secret"


def test_types_without_terminals_are_folded_below_those_that_are_used(operator_client):
    used = TerminalType.objects.order_by("pk").first()
    Terminal.objects.create(number="101", type=used)
    page = operator_client.get(TYPES).content.decode()
    first, _, folded = page.partition('<details id="unused-types"')

    assert f"{TYPES}{used.pk}/" in first
    assert f"{TYPES}{used.pk}/" not in folded
    assert all(f"{TYPES}{one.pk}/" in folded for one in TerminalType.objects.exclude(pk=used.pk))


# -- telephones that get their trust by their maker's own provisioning --------------------------------------------------


LINE = 'include:config "https://pbxcerts.example.com:8443/$MAC.cfg"'


@pytest.fixture
def yealink(administrator_client, types):
    """The known type, by hand until an administrator chooses otherwise."""
    page, kind = f"{TYPES}{types['Yealink'].pk}/", types["Yealink"]
    General.load()
    General.objects.update(own_names=["pbxcerts.example.com"])
    assert LINE not in html.unescape(administrator_client.get(page).content.decode())
    values = {"name": "Yealink", "method": "yealink", "way": "server", "wants": "root", "trust_format": "pem"}
    assert administrator_client.post(f"{page}edit/", values).status_code == 302
    kind.refresh_from_db()
    assert kind.method == "yealink"
    return kind


def came(client, kind, text):
    return text(client.get(f"{TYPES}{kind.pk}/first/"))


def test_an_administrator_chooses_it_and_the_page_has_the_line_to_paste(viewer_client, yealink, text):
    page = viewer_client.get(f"{TYPES}{yealink.pk}/")

    assert LINE in html.unescape(page.content.decode())
    assert "not tried on a device" in text(page)
    assert "may check no certificate at all" in text(page)


def test_the_page_asks_for_itself_until_the_first_telephone_has_come(viewer_client, yealink, text):
    page = f"{TYPES}{yealink.pk}/first/"
    assert "None has come yet" in came(viewer_client, yealink, text)
    assert f'hx-get="{page}"' in viewer_client.get(page).content.decode()

    one = Terminal.objects.create(number="100", name="Reception", type=yealink, mac="001565AABBCC", address="192.0.2.7")
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    Requester.objects.create(terminal=one, source="192.0.2.7", address="192.0.2.7", last_at=at, first_at=at)

    assert "100 Reception came as the first" in came(viewer_client, yealink, text)
    assert "192.0.2.7" in came(viewer_client, yealink, text)
    assert "hx-get=" not in viewer_client.get(page).content.decode().partition("</p>")[0]


def test_until_one_has_come_the_page_says_to_paste_first(viewer_client, yealink, text):
    """Whoever is the only one to ask after a notification is taken for the telephone."""
    page, warns = f"{TYPES}{yealink.pk}/", re.compile(r"message-serious.{0,900}Paste first", re.DOTALL)
    assert "Paste first, then give telephones this delivery." in text(viewer_client.get(page))
    assert not warns.search(viewer_client.get(page).content.decode())

    one = Terminal.objects.create(number="100", name="Reception", type=yealink, mac="001565AABBCC", address="192.0.2.7")
    assert warns.search(viewer_client.get(page).content.decode())

    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    Requester.objects.create(terminal=one, source="192.0.2.7", address="192.0.2.7", last_at=at, first_at=at)
    assert "Paste first" not in text(viewer_client.get(page))


def test_a_stranger_who_knows_a_mac_is_not_the_first_telephone(viewer_client, yealink, text):
    one = Terminal.objects.create(number="100", name="Reception", type=yealink, mac="001565AABBCC")
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    Requester.objects.create(terminal=one, source="203.0.113.66", address="203.0.113.66", last_at=at, first_at=at)

    said = came(viewer_client, yealink, text)
    assert "somebody at 203.0.113.66 asked for the files of 100 Reception . Nothing shows yet" in said.replace(
        "ion.", "ion ."
    )
    assert "came as the first" not in said
    assert "hx-get=" in viewer_client.get(f"{TYPES}{yealink.pk}/first/").content.decode()

    later = at + timedelta(hours=1)
    row = Requester.objects.create(terminal=one, source="192.0.2.7", address="192.0.2.7", last_at=later, first_at=later)
    assert "came as the first" not in came(viewer_client, yealink, text)
    row.accepted_by = "anna"
    row.save()
    assert "100 Reception came as the first" in came(viewer_client, yealink, text)


def test_one_that_comes_by_its_own_address_is_the_first(viewer_client, yealink, world, text):
    one = Terminal.objects.create(number="100", name="Reception", type=yealink, mac="001565AABBCC")
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    Requester.objects.create(terminal=one, source="192.0.2.7", address="192.0.2.7", last_at=at, first_at=at)
    values = {"confirmed_at": at, "state": "confirmed", "evidence": "fetched", "proof": "path", "address": "192.0.2.7"}
    Installation.objects.create(terminal=one, generation=world.active, **values)

    assert "100 Reception came as the first" in came(viewer_client, yealink, text)


def test_one_of_another_type_is_not_the_first(viewer_client, yealink, types, text):
    other = Terminal.objects.create(number="100", type=types["Mitel 6930"], mac="00085DAABBCC")
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    Requester.objects.create(terminal=other, source="192.0.2.7", address="192.0.2.7", last_at=at, first_at=at)

    assert "None has come yet" in came(viewer_client, yealink, text)


def test_its_page_says_how_many_are_not_recognised_without_a_mac(viewer_client, yealink, types, text):
    Terminal.objects.create(number="100", type=yealink, mac="001565AABBCC")
    Terminal.objects.create(number="900", type=types["Mitel 6930"])
    assert "no MAC address" not in text(viewer_client.get(f"{TYPES}{yealink.pk}/"))

    Terminal.objects.bulk_create(Terminal(number=str(number), type=yealink) for number in (101, 102))
    assert "2 telephones of this type have no MAC address" in text(viewer_client.get(f"{TYPES}{yealink.pk}/"))


def test_where_nobody_has_said_its_name_the_page_says_what_is_missing(administrator_client, yealink, text):
    General.objects.update(own_names=[], own_addresses=[], on_this_machine=False)
    page = administrator_client.get(f"{TYPES}{yealink.pk}/")

    assert "The line that is to be pasted is not known yet" in text(page)
    assert "include:config" not in page.content.decode()


def test_its_own_address_is_a_line_too_for_who_administers(administrator_client, viewer_client, yealink):
    one = Terminal.objects.create(number="100", type=yealink, mac="001565AABBCC")
    line = f'include:config "https://pbxcerts.example.com:8443/{one.path_secret}/$MAC.cfg"'

    assert line in html.unescape(administrator_client.get(f"/terminals/{one.pk}/").content.decode())
    assert one.path_secret not in viewer_client.get(f"/terminals/{one.pk}/").content.decode()


@pytest.mark.parametrize(("language", "words"), [("de", "eigene Provisionierung"), ("en", "own provisioning")])
def test_the_form_explains_the_choice(administrator_client, types, language, words):
    administrator_client.cookies["django_language"] = language
    page = administrator_client.get(f"{TYPES}{types['Yealink'].pk}/edit/").content.decode()

    assert f"Yealink: {words}" in page


def test_own_lines_are_judged_by_the_form_of_its_own_files(administrator_client, yealink, text):
    values = {"name": "Yealink", "method": "yealink", "way": "server", "wants": "root", "trust_format": "pem"}
    page = administrator_client.post(f"{TYPES}{yealink.pk}/edit/", values | {"own_lines": "time zone: 1"})

    assert "name = value" in text(page)
