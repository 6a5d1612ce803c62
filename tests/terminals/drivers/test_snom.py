"""Snom and the desk telephones of Gigaset, from their driver (`terminals.drivers.snom`)."""

from xml.etree import ElementTree

import pytest

from terminals.drivers.base import FirstNotify
from terminals.drivers.configuration import FileOf, PhoneTls, TrustAnchor
from terminals.drivers.snom import driver

files = driver.files
ANCHORS = tuple(TrustAnchor("", f"https://pbx.example.org:8443/x/{n}.der?a=1&b=2", n) for n in (7, 8))
TLS = PhoneTls(ANCHORS[0].url, anchors=ANCHORS)


def content(name, tls=TLS):
    return ElementTree.fromstring(files.content(files.requested(name), tls))


def test_its_own_file_names_every_certificate_and_makes_a_notification_harmless():
    settings = content("000413AABBCC.xml")

    assert [one.get("url") for one in settings.iter("certificate")] == [anchor.url for anchor in ANCHORS]
    assert settings.findtext("phone-settings/checksync_action") == "sync"
    assert settings.findtext("phone-settings/settings_refresh_timer") == "86400"


def test_what_is_special_in_xml_is_escaped_in_the_url():
    assert b"a=1&amp;b=2" in files.content(files.requested("000413AABBCC.xml"), TLS)


def test_whether_it_checks_is_left_alone():
    names = {element.tag for element in content("000413AABBCC.xml").iter()}

    assert names == {
        "settings",
        "phone-settings",
        "checksync_action",
        "settings_refresh_timer",
        "certificates",
        "certificate",
    }


@pytest.mark.parametrize(("checking", "value"), [(True, "on"), (False, "off")])
def test_where_it_is_told_to_check_servers_are_meant_and_never_the_name(checking, value):
    settings = content("000413AABBCC.xml", TLS._replace(checking=checking))

    assert settings.findtext("phone-settings/tls_server_authentication") == value
    assert settings.find("phone-settings/check_fqdn_against_server_cert") is None
    assert settings.findtext("phone-settings/checksync_action") == "sync"


def test_a_change_of_the_check_restarts_nothing_and_holds_for_its_files_too():
    assert not driver.checks.switch.restarts
    assert driver.checks.switch.covers_files


def test_the_file_of_a_model_sets_nothing():
    assert [element.tag for element in content("snomD785.htm").iter()] == ["settings", "phone-settings"]


@pytest.mark.parametrize(
    ("name", "of", "model", "mac"),
    [
        ("snomD785-000413922D24.htm", FileOf.TERMINAL, "D785", "000413922D24"),
        ("snom720-000413922D24.htm", FileOf.TERMINAL, "720", "000413922D24"),
        ("000413922D24.xml", FileOf.TERMINAL, "", "000413922D24"),
        ("7c2f80e0d605.xml", FileOf.TERMINAL, "", "7C2F80E0D605"),
        ("snomD785.htm", FileOf.MODEL, "D785", ""),
        ("{mac}.xml", FileOf.TERMINAL, "", ""),
        ("%7Bmac%7D.xml", FileOf.TERMINAL, "", ""),
    ],
)
def test_a_file_is_for_a_model_or_for_one_terminal_by_its_name(name, of, model, mac):
    file = files.requested(name)

    assert (file.of, file.model, file.mac) == (of, model, mac)


@pytest.mark.parametrize(
    ("text", "model", "mac", "firmware"),
    [
        (
            "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-00004-g1 000413922D24 SXM:0 UXM:0)",
            "D785",
            "000413922D24",
            "10.1.33.33",
        ),
        ("Mozilla/4.0 (compatible; snom710-SIP 8.7.5.35 1.1.3-u 000413741767)", "710", "000413741767", "8.7.5.35"),
    ],
)
def test_the_user_agent_names_model_mac_and_firmware(text, model, mac, firmware):
    named = files.telephone(text)

    assert (named.model, named.mac, named.firmware) == (model, mac, firmware)


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/4.0 (compatible; Snom M900 05.20.0001 000413b60680)",
        "Mozilla/4.0 (compatible; snomD785-SIP 10.1 000413922D24)",
        "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 000413922D)",
        "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37",
        "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 " + "a" * 1_000_000,
        "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 " + "a " * 500_000 + "000413922D24)",
    ],
    ids=range(6),
)
def test_what_is_none_of_its_user_agents_names_nobody(text):
    assert files.telephone(text) is None


def test_the_entry_for_a_file_that_names_others_lets_the_telephone_put_its_mac_in():
    line = files.ways_in("https://pbx.example.org:8443")[0].line

    assert ElementTree.fromstring(line).get("url") == "https://pbx.example.org:8443/{mac}.xml"


def test_it_is_not_notified_before_it_has_read_what_a_notification_is_to_do():
    assert driver.event("") == "check-sync;reboot=false"
    assert driver.capabilities.first_notify is FirstNotify.DANGEROUS
