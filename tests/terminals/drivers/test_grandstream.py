"""Grandstream, from its driver (`terminals.drivers.grandstream`)."""

from xml.etree import ElementTree

import pytest

from terminals.drivers.configuration import FileOf, PhoneTls, TrustAnchor
from terminals.drivers.grandstream import driver

files = driver.files
PEM = "-----BEGIN CERTIFICATE-----\nMIIB{n}\nAAAA==\n-----END CERTIFICATE-----\n"
TLS = PhoneTls("", anchors=(TrustAnchor(PEM.format(n=7), "", 5), TrustAnchor(PEM.format(n=8), "", 0)), emptied=(3,))


def values(name, tls=TLS):
    root = ElementTree.fromstring(files.content(files.requested(name), tls))
    assert (root.tag, root.get("version"), root.find("config").get("version")) == ("gs_provision", "1", "1")
    return {element.tag: element.text for element in root.find("config")}


def test_each_certificate_stands_in_its_place_with_its_line_breaks():
    found = values("cfg000b82aabbcc.xml")

    assert (found["P8438"], found["P8433"]) == (PEM.format(n=7), PEM.format(n=8))


def test_the_place_of_a_withdrawn_one_is_emptied_and_all_others_are_left_alone():
    assert values("cfg000b82aabbcc.xml")["P8436"] is None
    assert {name for name in values("cfg000b82aabbcc.xml") if name.startswith("P843")} == {"P8433", "P8436", "P8438"}


def test_own_certificates_count_and_it_asks_by_itself():
    found = values("cfg000b82aabbcc.xml")

    assert (found["P8502"], found["P194"], found["P193"]) == ("2", "1", "1440")


def test_beside_a_server_of_the_site_it_is_said_which_lines_of_its_own_have_to_go():
    *beside, alone = files.ways_in("https://pbx.example.org:8443")

    assert len(beside) == 2
    for way in beside:
        assert "Remove P8433 to P8438 and P8502 from your own cfg<mac>.xml" in way.does
    assert "Remove" not in alone.does


def test_the_lines_of_nginx_and_apache_lead_to_the_one_file():
    nginx, apache, _alone = (way.line for way in files.ways_in("https://pbx.example.org:8443"))

    assert nginx == "location = /cfg.xml { return 302 https://pbx.example.org:8443/cfg.xml; }"
    assert apache == r"RedirectMatch 302 ^/cfg\.xml$ https://pbx.example.org:8443/cfg.xml"


def test_whether_it_checks_is_left_alone():
    assert not {"P2311", "P2367", "P8463", "P22030", "P4428"}.intersection(values("cfg000b82aabbcc.xml"))


@pytest.mark.parametrize(("checking", "value"), [(True, "1"), (False, "0")])
def test_where_it_is_told_to_check_the_chain_of_six_accounts_is_meant_and_nothing_else(checking, value):
    found, untold = values("cfg000b82aabbcc.xml", TLS._replace(checking=checking)), values("cfg000b82aabbcc.xml")

    assert {name: found[name] for name in found.keys() - untold.keys()} == dict.fromkeys(
        ["P2367", "P2467", "P2567", "P2667", "P2767", "P2867"], value
    )
    assert not {"P2311", "P8463", "P22030"}.intersection(found)


def test_the_check_is_of_calls_alone_and_what_it_holds_counts_from_a_restart_on():
    assert driver.checks.switch.restarts
    assert not driver.checks.switch.covers_files


def test_its_own_file_says_for_whom_it_is_and_the_common_one_does_not():
    own, common = (
        ElementTree.fromstring(files.content(files.requested(name), TLS)) for name in ("cfg000B82AABBCC.xml", "cfg.xml")
    )

    assert own.findtext("mac") == "000b82aabbcc"
    assert common.find("mac") is None
    assert values("cfg.xml")["P8433"] == PEM.format(n=8)


def test_who_is_nobody_gets_a_file_that_sets_nothing():
    assert values("cfg.xml", None) == {}


@pytest.mark.parametrize(
    ("name", "of", "model", "mac"),
    [
        ("cfg000b82aabbcc.xml", FileOf.TERMINAL, "", "000B82AABBCC"),
        ("cfggxp2135.xml", FileOf.MODEL, "gxp2135", ""),
        ("cfg.xml", FileOf.ALL, "", ""),
    ],
)
def test_a_file_is_for_all_for_a_model_or_for_one_terminal_by_its_name(name, of, model, mac):
    file = files.requested(name)

    assert (file.of, file.model, file.mac) == (of, model, mac)


@pytest.mark.parametrize(
    ("text", "model", "firmware"),
    [
        ("Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872", "GXP2135", "1.0.7.97"),
        ("Grandstream Model HW GRP2614 V1.2A SW 1.0.5.47 DevId 000b828aa872", "GRP2614", "1.0.5.47"),
    ],
)
def test_the_user_agent_names_model_mac_and_firmware(text, model, firmware):
    named = files.telephone(text)

    assert (named.model, named.mac, named.firmware) == (model, "000B828AA872", firmware)


@pytest.mark.parametrize("model", ["GXP2135", "GXP1782", "GRP2614", "GHP611", "WP816", "GDS3710"])
@pytest.mark.parametrize("other", ["HT812", "DP752", "GXV3240", "GXV3370", "WP820", "GXP1625"])
def test_families_with_other_parameters_are_not_meant(model, other):
    text = "Grandstream Model HW {} SW 1.0.7.97 DevId 000b828aa872"

    assert files.telephone(text.format(model)).is_meant
    assert not files.telephone(text.format(other)).is_meant


@pytest.mark.parametrize(
    "text",
    [
        "Grandstream Model HW GXP2135 SW 1.0.7.97",
        "Grandstream Model HW ../.. SW 1.0.7.97 DevId 000b828aa872",
        "Grandstream Model HW GXP2135 SW x DevId 000b828aa872",
        "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37",
        "Grandstream Model HW " + "A" * 1_000_000,
    ],
    ids=range(5),
)
def test_what_is_none_of_its_user_agents_names_nobody(text):
    assert files.telephone(text) is None


def test_it_restarts_in_the_night_because_what_it_has_taken_may_count_only_then():
    assert driver.event("") == "check-sync;reboot=true"
    assert driver.capabilities.restarts_by in driver.event("")
    assert driver.capabilities.restarts_by not in driver.event("resync")
    assert driver.capabilities.restarts
