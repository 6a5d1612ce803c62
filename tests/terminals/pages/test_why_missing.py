"""Why a telephone has not got the pair is answered on its page and in the list: each state is brought about by a rollout."""

import pytest

from pbxcerts.system.models import General
from terminals.drivers.base import Reaction
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from tests.support.generations import MINUTE

LIST = "/terminals/"


@pytest.fixture(params=["en", "de"])
def answered(request, text, viewer_client):
    """Whether the page of a terminal, and its row in the list, say this sentence."""

    def said(phone, english, german):
        General.objects.update(language=request.param)
        sentence = german if request.param == "de" else english
        page = text(viewer_client.get(f"{LIST}{phone.terminal.pk}/"))
        row = text(viewer_client.get(LIST, {"text": phone.terminal.number}))
        assert (sentence in page, sentence in row) == (True, True), (page, row)
        return True

    return said


@pytest.fixture
def rolled_out(fleet):
    """Twelve Mitel phones of one model; the second generation is prepared, and they may be restarted now."""
    fleet.add(12)
    fleet.world.generate()
    return fleet


def restart_now(fleet):
    fleet.beat()
    Rollout.objects.update(restart_now=True)


def of_wave(fleet, *waves):
    row = Installation.objects.filter(generation=2, wave__in=waves).order_by("pk").first()
    return fleet.phones[row.terminal_id]


def test_before_the_first_heartbeat_it_is_not_in_the_generation(rolled_out, answered):
    phone = next(iter(rolled_out.phones.values()))

    assert answered(phone, "the next heartbeat takes it in", "Die Automatik nimmt es innerhalb einer Minute auf")


def test_it_waits_for_the_night_and_says_for_which(rolled_out, answered):
    rolled_out.beat()
    first = of_wave(rolled_out, 1)

    assert answered(
        first, "It must restart, and waits for the night: from", "Es muss neu starten und wartet auf die Nacht: ab"
    )


def test_nothing_was_ever_heard_of_it(rolled_out, answered):
    rolled_out.beat()

    assert answered(of_wave(rolled_out, 1), "Nothing has ever been heard of it.", "noch nie etwas gehört")


def test_it_waits_for_its_turn_and_says_who_comes_before_it(rolled_out, answered):
    rolled_out.beat()

    assert answered(of_wave(rolled_out, 2, 3, 4), "before it come first ones", "Vorher kommen: ")


def test_a_rollout_that_is_paused_asks_nobody(rolled_out, answered):
    rolled_out.beat()
    Rollout.objects.update(state=Rollout.State.PAUSED)

    assert answered(of_wave(rolled_out, 1), "nobody is asked until a person", "Niemand wird angefragt, bis jemand")


def test_it_was_asked_and_was_silent(rolled_out, answered):
    for phone in rolled_out.phones.values():
        phone.answer = Reaction.ABSENT
    restart_now(rolled_out)
    rolled_out.world.after(MINUTE)
    rolled_out.beat()
    silent = Installation.objects.filter(state="absent").first()
    assert silent is not None

    phone = rolled_out.phones[silent.terminal_id]
    assert answered(phone, "and was silent.", "und hat geschwiegen.")


def test_it_refused_with_this_response(rolled_out, answered):
    for phone in rolled_out.phones.values():
        phone.answer = Reaction.REFUSED
    restart_now(rolled_out)
    rolled_out.world.after(MINUTE)
    rolled_out.beat()
    refused = Installation.objects.filter(state="failed").first()
    assert refused is not None

    phone = rolled_out.phones[refused.terminal_id]
    assert answered(phone, "It refuses the notification. (Response: SIP 403)", "(Antwort: SIP 403)")


def test_by_hand_leads_to_the_work_list(fleet, yealink, answered, viewer_client):
    (phone,) = fleet.add(1, yealink)
    fleet.world.generate()
    fleet.beat()

    assert answered(phone, "It is done by hand: it is on the work list.", "Es steht auf der Arbeitsliste.")
    assert (
        'href="/terminals/work-list/?type='
        in viewer_client.get(f"{LIST}{phone.terminal.pk}/").content.decode().split("<main", 1)[1]
    )


def test_one_that_holds_only_one_certificate_is_not_in_a_generation_that_is_prepared(fleet, answered):
    (phone,) = fleet.add(1, fleet.type("Only one", "sip_standard", wants="root", holds_only_one=True))
    fleet.world.generate()
    fleet.beat()

    assert answered(
        phone, "it gets this generation after the switch", "Es erhält diese Generation nach der Umschaltung"
    )


def test_one_that_fetched_before_a_rollout_is_on_no_work_list(fleet, text, viewer_client):
    (phone,) = fleet.equipped(1)
    page = text(viewer_client.get(f"{LIST}{phone.terminal.pk}/"))

    assert "Fetched, unproved: its trust file was fetched from 192.0.2.99" in page
    assert "work list" not in page


def test_a_disabled_one_is_not_asked(rolled_out, answered):
    rolled_out.beat()
    phone = of_wave(rolled_out, 1)
    Terminal.objects.filter(pk=phone.terminal.pk).update(enabled=False)

    assert answered(phone, "It is disabled, so it is not asked.", "Es ist deaktiviert und wird darum nicht angefragt.")


def test_one_that_has_it_needs_no_reason(fleet, viewer_client, text):
    (phone,) = fleet.add(1)
    assert "It has not got generation 1:" in text(viewer_client.get(f"{LIST}{phone.terminal.pk}/"))

    DeliverySettings.load()
    DeliverySettings.objects.update(telephone_networks=["192.0.2.0/24"])
    fleet.fetch(phone)
    assert "It has not got" not in text(viewer_client.get(f"{LIST}{phone.terminal.pk}/"))
