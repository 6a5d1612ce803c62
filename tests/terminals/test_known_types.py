"""What a new installation knows of telephones."""

from importlib import import_module

import pytest
from django.apps import apps
from django.utils import translation
from django.utils.translation import gettext

from terminals.drivers.configuration import PhoneTls
from terminals.drivers.mitel_sip import driver, parameters
from terminals.drivers.registry import drivers
from terminals.models import TerminalType
from tests.support.known_types import know_types

PROVISIONING = import_module("terminals.migrations.0013_guides_of_own_provisioning")
GUIDES = import_module("terminals.migrations.0005_guides_of_known_types")
MAKERS = import_module("terminals.migrations.0025_guides_of_three_makers")


@pytest.fixture
def types(db):
    know_types()
    return {one.name: one for one in TerminalType.objects.all()}


def test_every_known_type_is_a_row_that_its_page_would_take(types):
    for one in types.values():
        one.full_clean()


def test_each_guide_says_format_and_restart_in_both_languages_and_claims_no_device(types):
    for one in types.values():
        assert "Restart:" in one.guide_en, one
        assert "Neustart:" in one.guide_de, one
        assert one.guide_en.count("\n") == one.guide_de.count("\n"), one
        assert not one.verified, one


@pytest.mark.parametrize("name", ["Yealink", "Snom", "Grandstream", "Gigaset", "Linphone", "baresip"])
def test_the_guide_of_one_that_a_person_equips_says_what_a_notification_would_do(types, name):
    assert "Notification:" in types[name].guide_en
    assert "Benachrichtigung:" in types[name].guide_de


def test_the_guide_of_a_mitel_phone_names_every_parameter_that_its_file_sets(types):
    lines = parameters(PhoneTls("https://pbx.example.org/trust.pem", proxy_host="pbx.example.org"))
    for name in (line.lstrip("^").partition(":")[0] for line in lines):
        last = name.removeprefix("https validate").removesuffix(" port").strip()
        for guide in (types["Mitel 6930"].guide_en, types["Mitel 6930"].guide_de):
            assert last in guide


def test_each_method_has_its_terminals(types):
    of = {method: [one.name for one in types.values() if one.method == method] for method in drivers()}

    assert {"Mitel 5360 IP", "Mitel 5361 IP", "Mitel 5370 IP", "Mitel 5380 IP", "pbxcerts-agent"} == set(
        of["ip_system"]
    )
    assert {"Mitel 6757i", "Mitel 6867i", "Mitel 6930w"} <= set(of["mitel_sip"])
    assert {"Yealink", "Snom", "Grandstream", "Gigaset", "Linphone", "baresip", "Other"} == set(of["sip_standard"])


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Aastra6863i MAC:00-08-5D-40-90-5F V:4.1.0.128-SIP", "Mitel 6863i"),
        ("Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP", "Mitel 6930"),
    ],
)
def test_a_mitel_phone_is_found_by_what_it_calls_itself(types, agent, name):
    model = driver.files.telephone(agent).model

    assert [one.name for one in types.values() if one.model == model] == [name]


def test_the_original_ip_system_phones_say_that_their_own_firmware_is_not_known_to_speak_the_protocol(types):
    assert "not known to speak" in types["Mitel 5380 IP"].guide_en
    assert "ist nicht bekannt" in types["Mitel 5380 IP"].guide_de


def test_a_grandstream_gets_no_more_than_its_slot_takes(types):
    assert (types["Grandstream"].size_limit, types["Grandstream"].trust_format) == (4096, "pem")


def test_a_standard_terminal_is_not_restarted_by_a_notification_unless_somebody_wants_it(types):
    assert {one.event for one in types.values() if one.method == "sip_standard"} == {""}


# -- guides that are written anew --------------------------------------------------------------------------------------


def test_the_guide_of_a_mitel_phone_does_not_promise_that_a_call_is_waited_for(types):
    assert "a call may end" in types["Mitel 6930"].guide_en
    assert "ein Gespräch kann also enden" in types["Mitel 6730i"].guide_de


@pytest.mark.parametrize("words", ["[registration]", "[sip]", "[hook]"])
def test_the_guide_of_the_agent_says_how_it_is_notified_and_what_it_does_afterwards(types, words):
    assert words in types["pbxcerts-agent"].guide_en
    assert words in types["pbxcerts-agent"].guide_de


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["as-added", "saved-on-its-page"])
def test_a_guide_that_stands_as_it_was_added_is_written_anew(types, line_end):
    agent = types["pbxcerts-agent"]
    TerminalType.objects.filter(pk=agent.pk).update(guide_de=GUIDES.AGENT_DE.replace("\n", line_end))

    GUIDES.renew(apps, None)

    assert TerminalType.objects.get(pk=agent.pk).guide_de == agent.guide_de != GUIDES.AGENT_DE


def test_a_guide_that_an_administrator_has_changed_stays_as_it_is(types):
    own = GUIDES.MITEL_EN + "\nOurs stand in the cellar."
    TerminalType.objects.filter(name="Mitel 6930").update(guide_en=own, guide_de=GUIDES.MITEL_DE)

    GUIDES.renew(apps, None)

    changed = TerminalType.objects.get(name="Mitel 6930")
    assert (changed.guide_en, changed.guide_de) == (own, types["Mitel 6930"].guide_de)


def test_every_word_that_is_written_anew_stands_in_the_guide_before():
    for _field, given, changes in GUIDES.CHANGES:
        assert [given.count(old) for old in changes] == [1] * len(changes)


# -- telephones that can take their trust by their own provisioning ------------------------------------------------------


@pytest.mark.parametrize("name", list(PROVISIONING.INSTEAD))
def test_the_guide_says_how_it_is_done_without_a_hand_and_the_type_stays_by_hand_until_then(types, name):
    one = types[name]

    assert "Without a hand:" in one.guide_en
    assert "Ohne Handgriff:" in one.guide_de
    assert "First load:" in one.guide_en
    assert "Erstes Laden:" in one.guide_de
    assert one.method == "sip_standard"


@pytest.mark.parametrize("name", list(PROVISIONING.INSTEAD))
def test_what_the_guide_tells_to_choose_is_what_the_form_calls_it(types, name):
    label = drivers()[name.lower()].label

    assert f"“{label}”" in types[name].guide_en.replace(f'"{label}"', f"“{label}”")
    with translation.override("de"):
        assert f"„{gettext(label)}“" in types[name].guide_de


def test_a_guide_of_a_type_that_an_administrator_has_changed_is_not_touched(types):
    TerminalType.objects.filter(name="Snom").update(guide_en="Ours.", guide_de=PROVISIONING.KNOWN["Snom"]["guide_de"])

    PROVISIONING.renew(apps, None)
    MAKERS.renew(apps, None)

    assert TerminalType.objects.get(name="Snom").guide_en == "Ours."
    assert TerminalType.objects.get(name="Snom").guide_de == types["Snom"].guide_de


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["as-added", "saved-on-its-page"])
@pytest.mark.parametrize(("name", "field"), list(MAKERS.CHANGES))
def test_a_makers_guide_is_written_anew_where_it_stands_word_for_word(types, name, field, line_end):
    written, before = getattr(types[name], field), MAKERS.given(name, field)
    rows = TerminalType.objects.filter(name=name)
    for stands, becomes in ((before.replace("\n", line_end), written), (f"{before} Ours.", f"{before} Ours.")):
        rows.update(**{field: stands})

        MAKERS.renew(apps, None)

        assert getattr(rows.get(), field) == becomes
    assert written != before


@pytest.mark.parametrize(("name", "field"), list(MAKERS.CHANGES))
def test_what_is_written_anew_of_a_maker_stands_in_the_guide_once(name, field):
    assert {MAKERS.given(name, field).count(old) for old in MAKERS.CHANGES[name, field]} == {1}


@pytest.mark.parametrize(
    ("name", "says", "not_said"),
    [
        ("Snom", "tls_server_authentication", "check_trusted_certificate must be on"),
        ("Snom", "may be factory-reset: set it to sync", ""),
        ("Gigaset", f'"{drivers()["snom"].label}"', ""),
        ("Grandstream", "P8467 = 1", "load mode P8502"),
        ("Grandstream", "Remove P8433 to P8438 and P8502", ""),
    ],
)
def test_the_guide_of_a_maker_says_what_its_documents_do(types, name, says, not_said):
    assert says in types[name].guide_en
    assert not not_said or not_said not in types[name].guide_en
