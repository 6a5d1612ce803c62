"""What each event message means: one page, made from the code that sends them."""

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from certificates.status.page import CertificateStatus
from pbxcerts.event_kinds import every_kind
from pbxcerts.panel.message_help import KindHelp
from pbxcerts.system.models import EventMessage, General, Severity
from tests.terminals.pages.conftest import world

__all__ = ["world"]

PAGE = "/system/events/meaning/"


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_kind_stands_there_with_its_text_and_no_placeholder(viewer_client, language):
    viewer_client.cookies["django_language"] = language
    page = viewer_client.get(PAGE).content.decode()

    assert len(every_kind()) > 70
    assert all(f'id="{kind.id}"' in page for kind in every_kind())
    assert "%(" not in page


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_kind_says_what_causes_it_what_follows_and_what_to_do(viewer_client, language):
    viewer_client.cookies["django_language"] = language
    page = viewer_client.get(PAGE).content.decode()

    with translation.override(language):
        for kind in every_kind():
            entry = re.search(rf'<details id="{kind.id}".*?</details>', page, re.DOTALL)[0]
            said = [unescape(" ".join(text.split())) for text in re.findall(r"<dd>(.*?)</dd>", entry, re.DOTALL)]
            cause, consequence, remedy = said[:3]
            assert cause == str(kind.cause) != "", kind.id
            assert consequence == str(kind.consequence) != "", kind.id
            assert remedy.startswith(KindHelp(kind).remedy), kind.id
            assert KindHelp(kind).remedy, kind.id


def test_what_follows_says_whether_it_costs_calls():
    """An administrator asks that first. A message that was given up says who does not know what."""
    tells_something_else = {"delivery_given_up"}
    about_calls = re.compile(
        r"\bcall|telephones? .*refuse|Until the switch none|communication server has no certificate", re.IGNORECASE
    )
    with translation.override("en"):
        silent = {kind.id for kind in every_kind() if not about_calls.search(str(kind.consequence))}

    assert silent <= tells_something_else, silent


def test_the_worst_stand_first():
    severities = [kind.severity for kind in every_kind()]

    assert severities == sorted(severities, key=[Severity.CRITICAL, Severity.SERIOUS, Severity.NORMAL].index)


def test_a_message_leads_to_its_place_there(viewer_client, db):
    EventMessage.objects.create(kind="clock_off", severity="critical", raised_at=timezone.now())

    assert f'href="{PAGE}#clock_off"' in viewer_client.get(reverse("system:events")).content.decode()


@pytest.mark.parametrize("view", ["home", "certificates:overview"])
def test_the_worst_that_is_true_leads_there_too(view, world, viewer_client):
    """Not only the event list and the warnings that are folded below the worst."""
    General.objects.update(fqdn="", ip_addresses=[])
    worst = CertificateStatus.load().warnings[0]
    page = viewer_client.get(reverse(view)).content.decode()

    assert page.count(f'href="{PAGE}#{worst.id}"') == 1
    assert f'href="{PAGE}#pair_ended"' not in page


def test_what_stands_above_every_page_leads_there(viewer_client, monkeypatch):
    monkeypatch.setattr("pbxcerts.env.is_weak", lambda _key: True)

    assert f'href="{PAGE}#secret_key_weak"' in viewer_client.get("/help/").content.decode()


def test_in_german_a_server_that_is_not_named_by_its_task_is_in_no_message():
    """Who reads it in a letter can't see whether the communication server, an NTP server or pbxcerts is meant."""
    alone = re.compile(r"(?<![\w-])Server(n|s)?(?!\w)")
    assert alone.search("Der Server wird umgeschaltet.")
    assert not alone.search("Der Kommunikationsserver, ein NTP-Server und der Mailserver.")

    with translation.override("de"):
        for kind in every_kind():
            texts = [kind.text, kind.cleared, kind.hint, kind.cause, kind.consequence, kind.remedy]
            assert [str(text) for text in texts if alone.search(str(text))] == [], kind.id


def test_in_german_what_went_wrong_has_a_cause_and_what_a_person_enters_is_a_reason():
    with translation.override("de"):
        for kind in every_kind():
            assert not re.search(r"\bGr(und|ünde)\b", f"{kind.text} {kind.hint} {kind.remedy}"), kind.id
