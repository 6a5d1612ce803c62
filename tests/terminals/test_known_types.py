"""What a new installation knows of telephones."""

import pytest

from terminals.drivers.mitel_configuration import Tls, parameters, user_agent
from terminals.known_types import KNOWN_TYPES
from terminals.models import Methods, TerminalType
from tests.support.known_types import know_types


@pytest.fixture
def types(db):
    know_types()
    return {one.name: one for one in TerminalType.objects.all()}


def test_every_known_type_is_a_row_that_its_page_would_take(types):
    assert len(types) == len(KNOWN_TYPES)
    for one in types.values():
        one.full_clean()


@pytest.mark.parametrize("values", KNOWN_TYPES, ids=lambda values: values["name"])
def test_its_guide_says_format_and_restart_in_both_languages_and_claims_no_device(values):
    assert "Restart:" in values["guide_en"]
    assert "Neustart:" in values["guide_de"]
    assert values["guide_en"].count("\n") == values["guide_de"].count("\n")
    assert not values.get("verified")
    assert len(values.get("source", "")) <= 200


@pytest.mark.parametrize("name", ["Yealink", "Snom", "Grandstream", "Gigaset", "Linphone", "baresip"])
def test_the_guide_of_one_that_a_person_equips_says_what_a_notification_would_do(types, name):
    assert "Notification:" in types[name].guide_en
    assert "Benachrichtigung:" in types[name].guide_de


def test_the_guide_of_a_mitel_phone_names_every_parameter_that_its_file_sets(types):
    lines = parameters(Tls("https://pbx.example.org/trust.pem", proxy_host="pbx.example.org"))
    for name in (line.lstrip("^").partition(":")[0] for line in lines):
        last = name.removeprefix("https validate").removesuffix(" port").strip()
        for guide in (types["Mitel 6930"].guide_en, types["Mitel 6930"].guide_de):
            assert last in guide


def test_each_method_has_its_terminals(types):
    of = {method: [one.name for one in types.values() if one.method == method] for method in Methods.values}

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
    model = user_agent(agent).model

    assert [one.name for one in types.values() if one.model == model] == [name]


def test_the_original_ip_system_phones_say_that_their_own_firmware_is_not_known_to_speak_the_protocol(types):
    assert "not known to speak" in types["Mitel 5380 IP"].guide_en
    assert "ist nicht bekannt" in types["Mitel 5380 IP"].guide_de


def test_a_grandstream_gets_no_more_than_its_slot_takes(types):
    assert (types["Grandstream"].size_limit, types["Grandstream"].trust_format) == (4096, "pem")


def test_a_standard_terminal_is_not_restarted_by_a_notification_unless_somebody_wants_it(types):
    assert {one.event for one in types.values() if one.method == Methods.SIP_STANDARD} == {""}
