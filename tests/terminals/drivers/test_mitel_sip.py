import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminals.drivers.base import mac_of
from terminals.drivers.configuration import BEGIN, END, FileOf, MarkedBlockError, OwnLinesError, PhoneTls
from terminals.drivers.mitel_sip import driver, parameters

own_lines, with_block = driver.files.own_lines.checked, driver.files.block.put

OLD = PhoneTls("https://pbx.example.org:8443/p/abc/trust-0007.pem")
NEW = PhoneTls("https://pbx.example.org:8443/p/abc/trust-0008.pem")


def test_it_names_the_versioned_file_in_both_trust_stores_and_resets_what_was_set_at_the_phone():
    lines = parameters(NEW)

    assert f"^sips trusted certificates: {NEW.trust_url}" in lines
    assert f"^https user certificates: {NEW.trust_url}" in lines
    assert all(line.startswith("^") for line in lines)


def test_our_lines_come_after_the_administrators_because_the_later_line_wins():
    text = driver.files.content(
        driver.files.requested("1400e91edb52.cfg"), NEW, own_lines=["time zone name: CH-Zurich"]
    ).decode()

    assert text.index("time zone name") < text.index(BEGIN) < text.index("sips trusted") < text.index(END)


def test_the_server_is_named_only_where_pbxcerts_is_told_it():
    assert not any("outbound proxy" in line for line in parameters(NEW))
    assert "^sip outbound proxy: pbx.example.org" in parameters(PhoneTls("https://x/y", proxy_host="pbx.example.org"))


def test_a_file_without_a_block_gets_one_at_its_end():
    assert with_block(b"sip line1 user name: 201", NEW).startswith(b"sip line1 user name: 201\n# pbxcerts begin\n")


def test_a_block_is_replaced_where_it_stands():
    old = b"a: 1\n" + with_block(b"", OLD) + b"z: 9\n"

    new = with_block(old, NEW)

    assert new.startswith(b"a: 1\n# pbxcerts begin\n")
    assert new.endswith(b"# pbxcerts end\nz: 9\n")
    assert b"trust-0007" not in new


@given(before=st.binary(max_size=60), after=st.binary(max_size=60))
def test_every_other_byte_is_untouched(before, after):
    before, after = before.replace(b"# pbxcerts", b"#"), after.replace(b"# pbxcerts", b"#")
    before = before + b"\n" if before and not before.endswith(b"\n") else before
    start = before + with_block(b"", OLD) + after

    new = with_block(start, NEW)

    assert new.startswith(before)
    assert new.endswith(after)
    assert with_block(new, NEW) == new


def test_it_keeps_the_line_ends_of_the_file():
    assert b"\n" not in with_block(b"a: 1\r\n", NEW).replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"# pbxcerts begin\nx: 1\n", "block_cut"),
        (b"x: 1\n# pbxcerts end\n", "block_cut"),
        (b"# pbxcerts end\n# pbxcerts begin\n", "block_cut"),
        (b"# pbxcerts begin\n# pbxcerts end\n# pbxcerts begin\n# pbxcerts end\n", "block_doubled"),
        (b"# pbxcerts begin\n# pbxcerts end\n", "block_edited"),
        (with_block(b"", OLD).replace(b"hostname: 1", b"hostname: 0"), "block_edited"),
        (with_block(b"", OLD).replace(b"# pbxcerts end", b"x: 1\n# pbxcerts end"), "block_edited"),
    ],
    ids=["no end", "no begin", "turned round", "doubled", "emptied", "changed", "more in it"],
)
def test_a_block_that_a_person_has_edited_is_refused_not_mended(content, code):
    with pytest.raises(MarkedBlockError) as refused:
        with_block(content, NEW)

    assert refused.value.fault == code


@pytest.mark.parametrize("tls", [OLD, PhoneTls(OLD.trust_url, proxy_host="pbx.example.org", proxy_port=5063)])
def test_a_block_of_ours_is_known_whatever_it_names(tls):
    assert with_block(with_block(b"", tls), NEW) == with_block(b"", NEW)


@pytest.mark.parametrize(
    ("name", "of", "model", "mac"),
    [
        ("startup.cfg", FileOf.ALL, "", ""),
        ("aastra.cfg", FileOf.ALL, "", ""),
        ("6930.cfg", FileOf.MODEL, "6930", ""),
        ("1400e91edb52.cfg", FileOf.TERMINAL, "", "1400E91EDB52"),
    ],
)
def test_a_file_is_for_all_for_a_model_or_for_one_terminal_by_its_name(name, of, model, mac):
    file = driver.files.requested(name)

    assert (file.of, file.model, file.mac) == (of, model, mac)


def test_a_mark_inside_a_line_is_no_mark():
    assert with_block(b"x: # pbxcerts begin\n", NEW).count(b"# pbxcerts begin") == 2


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\nsips trusted certificates: mine.pem", "line_is_ours", 2),
        ("^https user certificates: mine.pem", "line_is_ours", 1),
        ("# pbxcerts end", "line_is_ours", 1),
        ("no colon here", "line_syntax", 1),
        ("sip line1 password: 1234", "line_holds_secret", 1),
        ("admin password: 22222", "line_holds_secret", 1),
        ("contact url: https://anna:seven@pbx.example.org/list", "line_holds_secret", 1),
        ("\nbackground image: ftp://anna@pbx.example.org/a.png", "line_holds_secret", 2),
        ("contact url: http://anna:se/v#en@pbx.example.org/", "line_holds_secret", 1),
    ],
)
def test_own_lines_are_refused_with_the_number_of_the_line(text, code, line):
    with pytest.raises(OwnLinesError) as refused:
        own_lines(text, path_is_secret=False)

    assert (refused.value.fault, refused.value.line) == (code, line)


def test_passwords_are_allowed_where_the_path_is_a_secret_of_the_terminals_own():
    assert own_lines("sip line1 password: 1234", path_is_secret=True) == ["sip line1 password: 1234"]


@pytest.mark.parametrize(
    "text", ["00:08:5d:4a:90:5f", "00-08-5D-4A-90-5F", "0008.5d4a.905f", "00085D4A905F", "00 08 5d 4a 90 5f"]
)
def test_a_mac_is_the_same_in_five_spellings(text):
    assert mac_of(text) == "00085D4A905F"


@pytest.mark.parametrize("text", ["", "00085D4A905", "00085D4A905FF", "00085D4A905G", "..", "0008/5D4A905F"])
def test_what_is_no_mac_is_none(text):
    assert mac_of(text) is None


@pytest.mark.parametrize(
    ("text", "model", "mac"),
    [
        ("Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP", "6930", "1400E91EDB52"),
        ("Aastra6863i MAC:00-08-5D-40-90-5F V:4.1.0.128-SIP", "6863i", "00085D40905F"),
    ],
)
def test_the_user_agent_names_model_mac_and_firmware(text, model, mac):
    named = driver.files.telephone(text)

    assert named is not None
    assert (named.model, named.mac) == (model, mac)
    assert named.firmware.endswith("-SIP")


def test_another_user_agent_names_nobody():
    assert driver.files.telephone("curl/8.0") is None
