"""A language needs nothing but its catalogue (rule languages), and German has a Swiss spelling (rule swiss-spelling)."""

import re
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import available_timezones

import pytest
from django.apps import apps
from django.db import models
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language_info

from pbxcerts.system import languages
from pbxcerts.system.models import EventMessage, General, User
from pbxcerts.system.notifications.letters import letter_of
from pbxcerts.system.notifications.models import Delivery, Destination
from tests.browser.conftest import everything, fleet, mixed, world, yealink
from tests.browser.test_accessibility import addresses
from tests.support import catalogues
from tests.support.visible_text import VisibleText

pytestmark = pytest.mark.simulation


__all__ = ["addresses", "everything", "fleet", "mixed", "world", "yealink"]

CODE = "eo"
NAMES = re.compile(
    r"\b(pbxcerts|Mitel|SIP|TLS|UDP|TCP|STARTTLS|PEM|DER|PKCS|SHA|RSA|UTC|GMT|URL|CSV|Esperanto|NTP|SMTP|HTTPS?|Apprise|Webhook"
    r"|Syslog|daemon|user|Root|localhost|iPhone|Yealink|Zero|Touch|LDAP|MAC|JSON|EST|S?RTP)\b"
)
"""What is called so in every language: products, protocols, formats, the names in a certificate, facilities of syslog."""
WORD = re.compile(r"(?<![\w.@/:-])[A-Za-z]{3,}(?![\w@/])")


@pytest.fixture
def pseudo_language(db, settings, tmp_path):
    place = tmp_path / "locale" / CODE / "LC_MESSAGES"
    place.mkdir(parents=True)
    catalogues.pseudo().save_as_mofile(str(place / "django.mo"))
    settings.LOCALE_PATHS = [tmp_path / "locale", *settings.LOCALE_PATHS]
    settings.LANGUAGES = [*settings.LANGUAGES, (CODE, "Esperanto")]
    return CODE


def strings_in(value):
    if isinstance(value, str):
        yield from value.splitlines()
    elif isinstance(value, dict):
        yield from (text for one in value.values() for text in strings_in(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in strings_in(one))


def data():
    """Whatever stands in the database and is no word of ours, and languages under their own names, as one pattern; the longest first."""
    kinds = (models.CharField, models.TextField, models.JSONField)
    found = {zone.rpartition("/")[2].replace("_", " ") for zone in available_timezones()}
    found |= {zone.partition("/")[2].replace("_", " ") for zone in available_timezones()}
    found |= {zone.partition("/")[0] for zone in available_timezones()}
    found |= {get_language_info(code)["name_local"].capitalize() for code in ("de", "en")}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, kinds) and not field.choices:
                for value in model._default_manager.values_list(field.name, flat=True).distinct():
                    found.update(text.strip() for text in strings_in(value))
    wanted = sorted((text for text in found if len(text) > 2), key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(' '.join(text.split()))}(?!\w)" for text in wanted))


def untranslated(html, known):
    """What a person reads of the page that no catalogue can change."""
    for text in VisibleText(html).texts:
        if WORD.search(text) and WORD.search(NAMES.sub("", known.sub("", text))):
            yield text


def test_whatever_a_person_reads_can_be_translated(pseudo_language, addresses, administrator_client, client):
    General.objects.update(language=pseudo_language)
    known = data()
    found = []
    for name, address in [*addresses.items(), ("login", reverse("login")), ("404", "/no-such-page/")]:
        reader = client if name == "login" else administrator_client
        html = reader.get(address).content.decode()
        assert catalogues.OPENS in html, name
        found += [f"{name}: {text}" for text in untranslated(html, known)]

    assert found == []


def test_it_would_find_what_cannot_be_translated(db):
    known = re.compile("Anna Huber")
    html = '<p title="Good">Hello there, Anna Huber</p><p>⟦ĥéĺĺó⟧</p><code>not this</code><p lang="en">English</p>'

    assert list(untranslated(html, known)) == ["Good", "Hello there, Anna Huber"]
    assert list(untranslated("<p>Anna Huber, SIP, ⟦ţĥéŕé⟧</p>", known)) == []


def test_a_catalogue_is_a_language(monkeypatch, tmp_path):
    for code in ("de", "de_CH", "fr"):
        place = tmp_path / code / "LC_MESSAGES"
        place.mkdir(parents=True)
        (place / "django.mo").touch()
    monkeypatch.setattr(languages, "LOCALES", tmp_path)

    with translation.override("de"):
        named = [(code, str(name)) for code, name in languages.languages()]
    assert named == [("de", "Deutsch"), ("en", "Englisch"), ("fr", "Französisch")]


def test_it_can_be_chosen_then_for_the_system_a_person_and_a_destination(pseudo_language, administrator_client):
    for address in (reverse("system:general"), reverse("account"), "/system/events/destinations/add/syslog/"):
        assert '<option value="eo"' in administrator_client.get(address).content.decode()
    administrator_client.post(reverse("account"), {"language": CODE, "theme": ""})

    assert User.objects.get().language == CODE
    assert catalogues.OPENS in administrator_client.get("/").content.decode()


@pytest.fixture
def swiss(db):
    General.load()
    General.objects.update(language="de", swiss_spelling=True)


def test_no_page_has_the_letter_that_the_swiss_do_not_write(addresses, administrator_client):
    General.objects.update(language="de")

    def with_it():
        for name, address in addresses.items():
            html = administrator_client.get(address).content.decode()
            if "ß" in "".join(VisibleText(html).texts):
                yield name

    assert len([*islice(with_it(), 11)]) == 11
    General.objects.update(swiss_spelling=True)
    assert [*with_it()] == []
    html = administrator_client.get("/").content.decode()
    assert '<html lang="de-ch"' in html
    assert re.search(r'value="de"\s+lang="de"\s+aria-current="true"', html)


def test_who_chose_german_has_it_too_and_english_stays(swiss, viewer_client):
    viewer_client.post(reverse("set_language"), {"language": "de"})
    assert '<html lang="de-ch"' in viewer_client.get("/").content.decode()
    viewer_client.post(reverse("set_language"), {"language": "en"})
    assert '<html lang="en"' in viewer_client.get("/").content.decode()


def test_nobody_chooses_it_as_a_language(swiss, viewer_client):
    assert "de-ch" not in viewer_client.get("/login/").content.decode().replace('<html lang="de-ch"', "")
    viewer_client.post(reverse("set_language"), {"language": "de-ch"})
    assert User.objects.get().language is None


@pytest.mark.parametrize(
    ("spelt", "words"), [(False, "von außen antwortet nicht"), (True, "von aussen antwortet nicht")]
)
def test_messages_are_spelt_so_too(db, spelt, words):
    General.load()
    General.objects.update(swiss_spelling=spelt)
    place = Destination.objects.create(name="a", kind="syslog", language="de")
    raised = datetime(2031, 1, 31, tzinfo=UTC)
    message = EventMessage.objects.create(kind="watchdog_unanswered", severity="serious", raised_at=raised)
    delivery = Delivery(
        destination=place, kind="events", entries=[[message.pk, "raised", "serious"]], counts={"serious": 1}
    )
    letter = letter_of(delivery, place, General.load())

    assert words in letter.text
    assert letter.language == "de"
