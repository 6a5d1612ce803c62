"""The work list shrinks as people tick it."""

import re

import pytest
from cryptography import x509
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from certificates.models import Generation
from terminals.models import Installation, Terminal, TerminalType
from terminals.rollout import orders, rounds
from tests.support.generations import HOUR, MINUTE

PAGE = "/terminals/work-list/"
TICK = "/terminals/work-list/tick/"


@pytest.fixture
def left():
    def numbers():
        rows = Installation.objects.filter(generation=2, wave=0).exclude(state__in=["confirmed", "skipped"])
        return set(rows.values_list("terminal__number", flat=True))

    return numbers


@pytest.fixture
def by_hand(mixed):
    return list(Terminal.objects.filter(type__method="sip_standard"))


def test_it_says_what_is_due_until_when_and_how(mixed, by_hand, viewer_client, text):
    deadline = Generation.objects.get(number=2).deadline

    page = text(viewer_client.get(PAGE))

    assert "3 terminals need generation 2 by hand" in page
    assert f"Due until {deadline.day} {deadline:%b %Y, %H:%M}" in page
    assert "A Yealink 3 of 3 left" in page
    assert "Security > Trusted Certificates" in page.replace("&gt;", ">")
    assert "Not verified on a device." in page
    for terminal in by_hand:
        assert str(terminal) in page


def test_the_guide_is_in_the_readers_language(mixed, viewer_client):
    viewer_client.cookies["django_language"] = "de"
    with translation.override("de"):
        assert "Sicherheit &gt; Zertifikate" in viewer_client.get(PAGE).content.decode()


def test_after_the_switch_it_is_due_now(mixed, viewer_client, text):
    mixed.world.activate()
    rounds.reconcile_rollouts(mixed.world.situation)

    assert "Due now: the communication server presents the new certificate already." in text(viewer_client.get(PAGE))


def test_without_a_rollout_it_says_why(fleet, yealink, viewer_client, text):
    nobody = "There is no terminal that could be given the certificates."
    soon = "The rollout begins with the next heartbeat, within a minute."
    page = text(viewer_client.get(PAGE))
    assert nobody in page
    assert soon not in page

    fleet.add(1, yealink)
    page = text(viewer_client.get(PAGE))
    assert soon in page
    assert nobody not in page

    rounds.reconcile_rollouts(fleet.world.situation)
    page = text(viewer_client.get(PAGE))
    assert soon not in page
    assert "1 terminal needs generation 1 by hand" in page


def test_before_the_first_generation_nobody_is_said_to_have_its_certificates(db, viewer_client, text):
    viewer_client.cookies["django_language"] = "en"
    page = text(viewer_client.get(PAGE))

    assert "No certificates have been generated yet." in page
    assert "has its certificates" not in page


def test_who_holds_only_one_certificate_comes_with_the_switch(fleet, viewer_client, text):
    fleet.add(2, fleet.type("Only one", "sip_standard", holds_only_one=True))
    orders.confirm(fleet.world.situation, Terminal.objects.all(), generation=1, by="otto", at=fleet.world.now)
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    page = text(viewer_client.get(PAGE))
    assert "Nothing to be done by hand" in page
    assert "2 terminals hold only one certificate: they appear here when the communication server is switched" in page

    fleet.world.activate()
    rounds.reconcile_rollouts(fleet.world.situation)
    page = text(viewer_client.get(PAGE))
    assert "2 terminals need generation 2 by hand" in page
    assert "hold only one certificate" not in page


def test_one_that_was_added_meanwhile_gets_the_certificate_that_is_served_first(mixed, operator_client, text, left):
    [phone] = mixed.add(1, mixed.type("B Snom", "sip_standard", wants="root", trust_format="der"))
    rounds.reconcile_rollouts(mixed.world.situation)
    page = operator_client.get(PAGE)
    words = text(page)
    first = f"/terminals/work-list/types/{phone.terminal.type_id}/first/"

    assert "1 terminal needs generation 1 by hand Due now: the communication server presents this certificate" in words
    assert "3 terminals need generation 2 by hand" in words
    assert "B Snom 1 of 1 left generation 1, due now" in words
    assert words.index("B Snom 1 of 1 left") < words.index("A Yealink 3 of 3 left")
    assert f'href="{first}download/"' in page.content.decode()
    served = x509.load_der_x509_certificate(operator_client.get(f"{first}download/").content)
    assert served.serial_number == Generation.objects.get(number=1).root.serial_number
    assert "1 terminal is taken to have the certificates of generation 1" in text(operator_client.get(first))

    operator_client.post(first, {"told": "1:1"})

    page = operator_client.get(PAGE)
    assert "4 terminals need generation 2 by hand" in text(page)
    assert "generation 1" not in text(page)
    assert first not in page.content.decode()
    assert phone.terminal.number in left()


def test_the_same_form_sent_twice_confirms_no_generation_that_nobody_installed(mixed, operator_client, text, left):
    [phone] = mixed.add(1, mixed.type("B Snom", "sip_standard", wants="root", trust_format="der"))
    rounds.reconcile_rollouts(mixed.world.situation)
    ticked = f"{phone.terminal.pk}:1"
    assert f'value="{ticked}"' in operator_client.get(PAGE).content.decode()

    first = text(operator_client.post(TICK, {"confirm": "", "terminal": [ticked]}, follow=True))
    again = text(operator_client.post(TICK, {"confirm": "", "terminal": [ticked]}, follow=True))

    assert "1 terminal is confirmed." in first
    assert "Tick at least one terminal." in again
    assert phone.terminal.number in left()

    operator_client.post(TICK, {"confirm": "", "terminal": [f"{phone.terminal.pk}:2"]})
    assert phone.terminal.number not in left()


def test_where_that_is_all_the_list_says_nothing_else(fleet, operator_client, text):
    fleet.world.generate()
    [phone] = fleet.add(1, fleet.type("Only one", "sip_standard", holds_only_one=True))
    rounds.reconcile_rollouts(fleet.world.situation)
    words = text(operator_client.get(PAGE))

    assert "1 terminal needs generation 1 by hand" in words
    assert "1 terminal holds only one certificate: it appears here when the communication server is switched" in words
    assert "Nothing to be done by hand" not in words
    assert "No rollout" not in words

    page = text(operator_client.post(TICK, {"confirm": "", "terminal": [f"{phone.terminal.pk}:1"]}, follow=True))
    assert "1 terminal is confirmed." in page
    assert "Nothing to be done by hand" in page


def test_automatic_terminals_are_not_on_it(mixed, put, viewer_client, text):
    [failed] = put("mitel_sip", 1, state="failed", failure="refused")

    assert str(failed.terminal) not in text(viewer_client.get(PAGE))


def test_what_is_ticked_is_confirmed_with_the_persons_name(mixed, by_hand, operator_client, text, left):
    first, second, third = by_hand

    page = text(
        operator_client.post(TICK, {"confirm": "", "terminal": [f"{first.pk}:2", f"{second.pk}:2"]}, follow=True)
    )

    assert "2 terminals are confirmed." in page
    assert left() == {third.number}
    row = Installation.objects.get(generation=2, terminal=first)
    assert (row.confirmed_by, row.evidence) == ("otto", "person")
    assert row.confirmed_at is not None


def test_a_tick_confirms_no_terminal_that_is_not_on_the_list(mixed, operator_client, text):
    automatic = Terminal.objects.filter(type__method="mitel_sip").first()

    page = text(
        operator_client.post(
            TICK, {"confirm": "", "terminal": [f"{automatic.pk}:2", "x", "٣:٢", f"{automatic.pk}"]}, follow=True
        )
    )

    assert "Tick at least one terminal." in page
    assert not Installation.objects.filter(generation=2, confirmed_at__isnull=False).exists()


def test_after_ticking_the_person_is_where_they_were(mixed, by_hand, operator_client):
    sent = {"confirm": "", "terminal": [f"{by_hand[0].pk}:2"], "query": "text=desk&page=1"}

    assert operator_client.post(TICK, sent)["Location"] == "/terminals/work-list/?text=desk&page=1"


def test_all_of_a_type_are_ticked_after_being_told_how_many(mixed, yealink, operator_client, text, left):
    mixed.add(2, mixed.type("B Snom", "sip_standard"))
    rounds.reconcile_rollouts(mixed.world.situation)
    url = f"/terminals/work-list/types/{yealink.pk}/"

    assert "3 terminals are taken to have the certificates of generation 2, on your word." in text(
        operator_client.get(url)
    )
    assert len(left()) == 5
    told = {"told": "2:3"}
    assert 'name="told" value="2:3"' in operator_client.get(url).content.decode()
    assert "3 terminals are confirmed." in text(operator_client.post(url, told, follow=True))
    assert len(left()) == 2
    assert "Nobody of this type is left" in text(operator_client.post(url, told, follow=True))


@pytest.mark.parametrize("told", ["1:3", "2:2", ""], ids=["another generation", "another number", "nothing"])
def test_all_of_a_type_are_not_ticked_on_a_word_that_was_given_for_others(
    yealink, mixed, operator_client, text, left, told
):
    url = f"/terminals/work-list/types/{yealink.pk}/"

    page = text(operator_client.post(url, {"told": told}, follow=True))

    assert "The work list has changed meanwhile. Nothing has been confirmed." in page
    assert "3 terminals are taken to have the certificates of generation 2" in page
    assert len(left()) == 3


def test_the_filter_finds_by_type_number_and_name(mixed, by_hand, yealink, viewer_client, text):
    other = mixed.add(1, mixed.type("B Snom", "sip_standard"))[0].terminal
    rounds.reconcile_rollouts(mixed.world.situation)

    found = text(viewer_client.get(PAGE, {"type": yealink.pk, "text": by_hand[1].number}))

    assert str(by_hand[1]) in found
    assert str(by_hand[0]) not in found
    assert str(other) not in found
    assert str(other) in text(viewer_client.get(PAGE, {"type": "no number"}))


def test_from_a_filtered_list_a_link_leads_to_all_of_it(mixed, by_hand, viewer_client):
    link = f'<a class="btn btn-secondary" href="{PAGE}">Show all</a>'

    assert link in viewer_client.get(PAGE, {"text": "desk"}).content.decode()
    assert link not in viewer_client.get(PAGE).content.decode()


def test_only_a_list_that_is_longer_than_a_screen_has_a_filter_or_one_that_is_filtered(mixed, yealink, viewer_client):
    assert 'id="id_text"' not in viewer_client.get(PAGE).content.decode()
    assert 'id="id_text"' in viewer_client.get(PAGE, {"text": "1"}).content.decode()
    mixed.add(8, yealink)
    rounds.reconcile_rollouts(mixed.world.situation)

    assert 'id="id_text"' in viewer_client.get(PAGE).content.decode()


def test_fifty_are_shown_on_a_page(mixed, yealink, viewer_client, text):
    mixed.add(60, yealink)
    rounds.reconcile_rollouts(mixed.world.situation)

    assert "Page 1 of 2" in text(viewer_client.get(PAGE))


def test_the_download_is_what_the_type_wants(mixed, yealink, viewer_client):
    answer = viewer_client.get(f"/terminals/work-list/types/{yealink.pk}/download/")

    roots = x509.load_pem_x509_certificates(answer.content)
    assert {root.serial_number for root in roots} == {
        pair.root.serial_number for pair in Generation.objects.filter(number__in=[1, 2])
    }
    assert answer["Content-Type"] == "application/x-pem-file"
    assert 'filename="zuerich-sued-a-yealink-2-1.' in answer["Content-Disposition"]
    assert b"PRIVATE KEY" not in answer.content


def test_where_nothing_can_be_downloaded_the_page_says_why(mixed, yealink, viewer_client, text):
    TerminalType.objects.filter(pk=yealink.pk).update(size_limit=10)

    assert "larger than this type takes" in text(viewer_client.get(PAGE))
    assert viewer_client.get(f"/terminals/work-list/types/{yealink.pk}/download/").status_code == 404


def test_a_type_with_an_event_string_can_be_notified(mixed, by_hand, yealink, operator_client, text):
    TerminalType.objects.filter(pk=yealink.pk).update(event="check-sync")
    rows = Installation.objects.filter(generation=2, terminal__in=by_hand)
    rows.update(attempts=1, state="downloaded")

    page = text(operator_client.post(TICK, {"notify": "", "terminal": [f"{by_hand[0].pk}:2"]}, follow=True))

    assert "1 terminal is notified, as soon as terminals may restart." in page
    assert rows.get(terminal=by_hand[0]).state == "waiting"
    assert rows.get(terminal=by_hand[0]).next_at is not None
    assert rows.get(terminal=by_hand[1]).state == "downloaded"
    mixed.world.after(6 * HOUR)
    mixed.during(5 * MINUTE)
    assert [mixed.notified([mixed.phones[one.pk]]) for one in by_hand] == [1, 0, 0]


def test_without_an_event_string_nobody_is_notified(mixed, by_hand, operator_client, text):
    page = text(operator_client.post(TICK, {"notify": "", "terminal": [f"{by_hand[0].pk}:2"]}, follow=True))

    assert "have no event string" in page


def test_who_is_not_asked_in_this_rollout_is_not_said_to_have_no_event_string(fleet, operator_client, text):
    fleet.add(1, fleet.type("A Yealink", "sip_standard"))
    fleet.world.generate()
    [phone] = fleet.add(1, fleet.type("One", "sip_standard", holds_only_one=True, event="check-sync"))
    rounds.reconcile_rollouts(fleet.world.situation)

    page = text(operator_client.post(TICK, {"notify": "", "terminal": [f"{phone.terminal.pk}:1"]}, follow=True))

    assert "this rollout does not ask them now" in page
    assert "event string: they" not in page


@pytest.mark.parametrize("url", [TICK, "/terminals/work-list/types/1/", "/terminals/work-list/1/link/"])
def test_a_viewer_can_change_nothing(mixed, viewer_client, url):
    assert viewer_client.post(url, {"confirm": "", "terminal": [1]}).status_code == 403


def test_a_viewer_sees_the_list_without_buttons(mixed, viewer_client, text):
    page = text(viewer_client.get(PAGE))

    assert "Confirm the ticked ones" not in page
    assert "Confirm all of this type" not in page
    assert "Personal link" not in page


def queries(client):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(PAGE).status_code == 200
    return len(captured)


def test_its_queries_do_not_grow_with_the_terminals(mixed, yealink, operator_client):
    few = queries(operator_client)
    mixed.add(300, yealink)
    rounds.reconcile_rollouts(mixed.world.situation)

    assert queries(operator_client) == few <= 21


def test_its_file_is_that_of_the_same_name_on_the_page_of_the_certificates(mixed, yealink, viewer_client):
    for wants, trust_format in (("root", "pem"), ("root", "der"), ("bundle", "pem"), ("bundle", "p7b")):
        TerminalType.objects.filter(pk=yealink.pk).update(wants=wants, trust_format=trust_format)
        rounds.reconcile_rollouts(mixed.world.situation)
        page, certificates = (viewer_client.get(path).content.decode() for path in (PAGE, "/certificates/"))
        address, title = re.search(r'(?s)href="([^"]*/download/)"[^>]*>\s*Download: ([^<]*?)\s*</a>', page).groups()
        same = re.search(rf'href="([^"]*)">{re.escape(title)}<', certificates)[1]

        assert viewer_client.get(address).content == viewer_client.get(same).content


def test_a_type_that_takes_less_than_it_wants_is_told_what_it_gets(mixed, yealink, viewer_client, text):
    bundle = len(viewer_client.get("/certificates/download/trust.pem").content)
    TerminalType.objects.filter(pk=yealink.pk).update(wants="bundle", size_limit=bundle)
    assert "Download: Trust bundle of generations 2, 1, PEM" in text(viewer_client.get(PAGE))

    TerminalType.objects.filter(pk=yealink.pk).update(size_limit=bundle - 1)
    assert "Download: Root certificates of generations 2, 1, PEM" in text(viewer_client.get(PAGE))
