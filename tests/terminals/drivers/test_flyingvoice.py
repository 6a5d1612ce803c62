"""Flyingvoice, from its driver (`terminals.drivers.flyingvoice`): what of a Yealink is taken for its own, and what is not."""

import pytest

from terminals.drivers import yealink
from terminals.drivers.configuration import FileOf, OwnLinesError, PhoneTls
from terminals.drivers.flyingvoice import driver

files = driver.files
TLS = PhoneTls("https://pbx.example.org:8443/0021F2AABBCC/7.00000000.aa.pem", "pbx.example.org", 5063)


def lines(name, tls=TLS, own=()):
    return files.content(files.requested(name), tls, own_lines=own).decode().splitlines()


def test_its_own_file_names_one_certificate_as_that_of_a_yealink_does():
    assert lines("0021f2aabbcc.cfg") == [
        "#!version:1.0.0.1",
        "# pbxcerts begin",
        f"static.trusted_certificates.url = {TLS.trust_url}",
        "static.security.ca_cert = 2",
        "sip.notify_reboot_enable = 0",
        "static.auto_provision.repeat.enable = 1",
        "static.auto_provision.repeat.minutes = 1440",
        "# pbxcerts end",
    ]


@pytest.mark.parametrize("checking", [True, False])
def test_nobody_tells_it_to_check_or_not_to(checking):
    assert driver.checks.switch is None
    assert lines("0021f2aabbcc.cfg", TLS._replace(checking=checking)) == lines("0021f2aabbcc.cfg")


def test_its_list_fills_up_and_only_a_person_makes_room():
    assert driver.capabilities.holds == 10
    assert not driver.capabilities.empties
    assert yealink.driver.capabilities.empties


@pytest.mark.parametrize(
    ("text", "model", "mac", "firmware"),
    [
        ("Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE:F1", "FIP13G", "0021F222AEF1", "0.6.24"),
        ("Flyingvoice P23GW V1.2.3.4 0021f222aef1", "P23GW", "0021F222AEF1", "1.2.3.4"),
    ],
)
def test_its_user_agent_tells_model_mac_and_firmware(text, model, mac, firmware):
    said = files.telephone(text)

    assert (said.model, said.mac, said.firmware) == (model, mac, firmware)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37",
        "Flyingvoice FIP13G 0.6.24 00:21:F2:22:AE:F1",
        "Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE",
        "Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE:F1 Yealink",
        "x Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE:F1",
    ],
)
def test_any_other_is_nobodys(text):
    assert files.telephone(text) is None


def test_a_yealink_does_not_take_it_for_one_of_its_own():
    assert yealink.driver.files.telephone("Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE:F1") is None


@pytest.mark.parametrize(
    ("name", "of", "mac"),
    [
        ("y000000000000.cfg", FileOf.ALL, ""),
        ("0021f2aabbcc.cfg", FileOf.TERMINAL, "0021F2AABBCC"),
        ("$MAC.cfg", FileOf.TERMINAL, ""),
    ],
)
def test_a_file_is_for_all_or_for_one_terminal_by_its_name(name, of, mac):
    file = files.requested(name)

    assert (file.of, file.mac) == (of, mac)


def test_the_line_to_paste_names_the_file_that_it_asks_for():
    beside, _whole = files.ways_in("https://pbx.example.org:8443/s3cret")

    assert beside.line == 'include:config "https://pbx.example.org:8443/s3cret/$MAC.cfg"'


def test_what_pbxcerts_answers_for_is_no_own_line():
    with pytest.raises(OwnLinesError):
        files.own_lines.checked("sip.notify_reboot_enable = 1", path_is_secret=True)
