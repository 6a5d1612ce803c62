"""Yealink, from its driver (`terminals.drivers.yealink`)."""

from datetime import timedelta

import pytest

from terminals.drivers.base import FirstNotify
from terminals.drivers.configuration import FileOf, OwnLinesError, PhoneTls
from terminals.drivers.yealink import driver

files = driver.files
TLS = PhoneTls("https://pbx.example.org:8443/001565AABBCC/7.00000000.aa.pem", "pbx.example.org", 5063)


def lines(name, tls=TLS, own=()):
    text = files.content(files.requested(name), tls, own_lines=own).decode()
    return text.splitlines()


def test_the_first_line_is_the_one_that_makes_it_a_configuration_file():
    assert lines("001565aabbcc.cfg")[0] == "#!version:1.0.0.1"
    assert lines("y000000000066.cfg") == ["#!version:1.0.0.1"]


def test_its_own_file_names_one_certificate_and_lets_a_notification_restart_nothing():
    assert lines("001565aabbcc.cfg")[1:] == [
        "# pbxcerts begin",
        f"static.trusted_certificates.url = {TLS.trust_url}",
        "static.security.ca_cert = 2",
        "sip.notify_reboot_enable = 0",
        "static.auto_provision.repeat.enable = 1",
        "static.auto_provision.repeat.minutes = 1440",
        "# pbxcerts end",
    ]


def test_whether_it_checks_is_left_alone():
    text = "\n".join(lines("001565aabbcc.cfg"))

    assert "trust_certificates" not in text
    assert "cn_validation" not in text


@pytest.mark.parametrize(("checking", "value"), [(True, "1"), (False, "0")])
def test_where_it_is_told_to_check_the_chain_is_meant_and_never_the_name(checking, value):
    text = lines("001565aabbcc.cfg", TLS._replace(checking=checking))

    assert text[-2] == f"static.security.trust_certificates = {value}"
    assert "cn_validation" not in "\n".join(text)
    assert lines("y000000000066.cfg", TLS._replace(checking=checking)) == ["#!version:1.0.0.1"]


def test_a_change_of_the_check_restarts_it_and_holds_for_its_files_too():
    assert driver.checks.switch.restarts
    assert driver.checks.switch.covers_files


def test_the_common_file_hands_no_certificate_over_because_it_would_be_fetched_twice():
    assert lines("y000000000066.cfg", own=["lang.gui = German"]) == ["#!version:1.0.0.1", "lang.gui = German"]


def test_our_lines_come_after_the_administrators_because_the_later_line_wins():
    text = lines("001565aabbcc.cfg", own=["account.1.enable = 1"])

    assert text.index("account.1.enable = 1") < text.index("sip.notify_reboot_enable = 0")


@pytest.mark.parametrize(
    ("name", "of", "mac"),
    [
        ("y000000000066.cfg", FileOf.ALL, ""),
        ("y000000000000.cfg", FileOf.ALL, ""),
        ("001565aabbcc.cfg", FileOf.TERMINAL, "001565AABBCC"),
        ("001565AABBCC.cfg", FileOf.TERMINAL, "001565AABBCC"),
        ("00:15:65:aa:bb:cc.cfg", FileOf.TERMINAL, "001565AABBCC"),
        ("$MAC.cfg", FileOf.TERMINAL, ""),
    ],
)
def test_a_file_is_for_all_or_for_one_terminal_by_its_name(name, of, mac):
    file = files.requested(name)

    assert (file.of, file.mac) == (of, mac)


@pytest.mark.parametrize(
    ("text", "model", "mac", "firmware"),
    [
        ("Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37", "T46G", "0015654AA937", "28.72.0.1"),
        ("Yealink SIP-T56A 58.80.0.25 001565f429a4", "T56A", "001565F429A4", "58.80.0.25"),
        ("Yealink SIP-T31G 124.85.257.55 80:5e:c0:d5:7d:72", "T31G", "805EC0D57D72", "124.85.257.55"),
    ],
)
def test_the_user_agent_names_model_mac_and_firmware(text, model, mac, firmware):
    named = files.telephone(text)

    assert (named.model, named.mac, named.firmware) == (model, mac, firmware)


@pytest.mark.parametrize(
    "text",
    [
        "Yealink SIP-T46G 28.72.0.1",
        "Yealink SIP-T46G ../../x 00:15:65:4a:a9:37",
        "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9",
        "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37 and more",
        "Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP",
        "Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872",
        "Yealink " + "A" * 1_000_000,
        "Yealink " + "A " * 100_000 + "28.72.0.1 00:15:65:4a:a9:37",
    ],
    ids=range(8),
)
def test_what_is_none_of_its_user_agents_names_nobody(text):
    assert files.telephone(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("static.trusted_certificates.url = http://x/y", "line_is_ours"),
        ("trusted_certificates.url = http://x/y", "line_is_ours"),
        ("SIP.notify_reboot_enable=1", "line_is_ours"),
        ("# pbxcerts end", "line_is_ours"),
        ("no equals sign", "line_syntax"),
        ("[section]", "line_syntax"),
        ("account.1.password = 1234", "line_holds_secret"),
        ("phone_setting.phone_lock.unlock_pin = 12", "line_holds_secret"),
        ("static.auto_provision.aes_key.16.com = 12", "line_holds_secret"),
        ("static.auto_provision.server.url = https://anna:seven@x/", "line_holds_secret"),
    ],
)
def test_own_lines_are_refused_with_what_is_wrong(text, code):
    with pytest.raises(OwnLinesError) as refused:
        files.own_lines.checked(f"# a comment\n{text}", path_is_secret=False)

    assert (refused.value.fault, refused.value.line) == (code, 2)


def test_own_lines_are_taken_as_they_are():
    text = "account.1.enable = 1\n\nlang.gui=German\naccount.1.password = 1234"

    assert files.own_lines.checked(text, path_is_secret=True) == [line for line in text.splitlines() if line]


def test_the_line_for_the_boot_file_lets_the_telephone_put_its_mac_in():
    assert files.ways_in("https://pbx.example.org:8443")[0].line == (
        'include:config "https://pbx.example.org:8443/$MAC.cfg"'
    )


def test_it_is_asked_to_read_its_files_and_not_to_restart():
    assert driver.event("") == "check-sync;reboot=false"
    assert not driver.capabilities.restarts
    assert driver.capabilities.first_notify is FirstNotify.RESTARTS


def test_it_asks_by_itself_more_often_than_an_overlap_is_short():
    minutes = int(next(line for line in lines("001565aabbcc.cfg") if "repeat.minutes" in line).rpartition(" ")[2])

    assert timedelta(minutes=minutes) <= timedelta(days=1)
