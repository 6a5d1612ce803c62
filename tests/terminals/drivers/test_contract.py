"""What every driver keeps, whatever its terminals are (`terminals.drivers.base`)."""

import ast
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import terminals.drivers
from terminals.drivers import base
from terminals.drivers.base import AnchorsCome, Checks, Confirmation, FirstNotify, TrustFormat
from terminals.drivers.configuration import (
    ConfigurationFile,
    FileOf,
    MarkedBlockError,
    OwnLinesError,
    PhoneTls,
    TrustAnchor,
)
from terminals.drivers.registry import drivers

FOLDER = Path(terminals.drivers.__path__[0])
DRIVERS = list(drivers().values())
WITH_FILES = [driver for driver in DRIVERS if driver.files is not None]
WITH_OWN_LINES = [driver for driver in WITH_FILES if driver.files.own_lines is not None]
WITH_BLOCK = [driver for driver in WITH_FILES if driver.files.block is not None]
FIRST = PhoneTls("https://pbx.example.org:8443/0008/7-6.00000000.aa.pem")
ANCHORS = tuple(
    TrustAnchor(f"-----BEGIN CERTIFICATE-----\nMIIB{n}\n-----END CERTIFICATE-----\n", f"https://x.example/{n}.der", n)
    for n in (4, 3)
)
SECOND = PhoneTls("https://pbx.example.org:8443/0008/8-7.11111111.bb.pem", "pbx.example.org", 5063, ANCHORS)
MAC = "00085D4A905F"
OWN_FILE = ConfigurationFile(FileOf.TERMINAL, mac=MAC)

each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
each_with_files = pytest.mark.parametrize("driver", WITH_FILES, ids=lambda driver: driver.name)
each_with_own_lines = pytest.mark.parametrize("driver", WITH_OWN_LINES, ids=lambda driver: driver.name)
each_with_block = pytest.mark.parametrize("driver", WITH_BLOCK, ids=lambda driver: driver.name)


def test_each_file_of_the_folder_is_a_driver_or_the_protocol_itself():
    assert {file.stem for file in FOLDER.glob("*.py")} - {"__init__", "base", "configuration", "registry"} == set(
        drivers()
    )


@each_driver
def test_it_has_tests_of_its_own_or_nothing_but_data(driver):
    own = Path(__file__).with_name(f"test_{driver.name}.py")

    assert own.exists() or driver.files is None


@each_driver
def test_it_is_called_by_a_name_that_the_database_takes_and_by_texts_of_the_catalogue(driver):
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", driver.name)
    source = ast.walk(ast.parse((FOLDER / f"{driver.name}.py").read_text()))
    marked = {
        ast.literal_eval(node.args[0])
        for node in source
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == base.gettext_noop.__name__
    }
    own = {
        driver.label,
        driver.summary,
        driver.note,
        driver.silence,
        driver.sureness,
        driver.checks.told,
        driver.in_call,
    } - {""}
    own |= {driver.checks.switch.means} if driver.checks.switch else set()
    for way in driver.files.ways_in("https://pbx.example.org") if driver.files else ():
        own |= {way.title, way.where, way.does}
    assert own == marked
    assert all((driver.label, driver.summary, driver.silence, driver.sureness))


@each_driver
def test_what_confirms_without_a_person_can_be_asked(driver):
    """A NOTIFY starts it; how long it may take afterwards is known."""
    assert driver.event("something;else") == "something;else"
    assert bool(driver.event("")) == driver.capabilities.automatic
    assert driver.capabilities.answers_within > timedelta(0)


@each_driver
def test_it_says_what_a_restart_does_to_a_call_wherever_one_is_of_its_doing(driver):
    can, switch = driver.capabilities, driver.checks.switch
    restarts = can.restarts or can.first_notify is not FirstNotify.AS_ALWAYS or (switch is not None and switch.restarts)

    # What a setting of its own makes of the first NOTIFY is told by the doubts about it.
    assert bool(driver.in_call) == (restarts and can.first_notify is not FirstNotify.DANGEROUS)


@each_driver
def test_it_says_whether_its_terminals_check_at_all_or_that_nothing_is_known(driver):
    """Where one can't be told to check nothing, that is said as well; a person who installs knows the telephone, not pbxcerts."""
    assert isinstance(driver.checks, Checks)
    assert driver.checks.told or not driver.checks.always
    assert driver.checks.told or not driver.capabilities.automatic


@each_driver
def test_what_can_be_told_to_check_has_a_file_that_says_so_and_does_not_check_anyway(driver):
    if driver.checks.switch is not None:
        assert driver.files is not None
        assert not driver.checks.always


@each_with_files
def test_its_file_says_whether_to_check_only_where_pbxcerts_says_it(driver):
    """Where it says nothing not a byte differs, so that no telephone restarts for it (rule checking)."""
    untold, on, off = (driver.files.content(OWN_FILE, SECOND._replace(checking=said)) for said in (None, True, False))

    assert untold == driver.files.content(OWN_FILE, SECOND)
    assert len({untold, on, off}) == (3 if driver.checks.switch else 1)


@each_with_own_lines
def test_what_makes_it_check_may_be_an_own_line_because_ours_stands_last_where_there_is_one(driver):
    on = driver.files.content(OWN_FILE, FIRST._replace(checking=True)).decode().splitlines()
    ours = set(on) - set(driver.files.content(OWN_FILE, FIRST).decode().splitlines())

    for line in ours:
        assert driver.files.own_lines.checked(line, path_is_secret=False) == [line]
        told = driver.files.content(OWN_FILE, FIRST._replace(checking=True), own_lines=["own = 1", line]).decode()
        assert told.splitlines()[-2] == line


@each_driver
def test_it_names_the_formats_that_its_terminals_read(driver):
    assert driver.capabilities.formats
    assert set(driver.capabilities.formats) <= set(TrustFormat)


@pytest.mark.parametrize(
    "can", [{"formats": (TrustFormat.PEM, TrustFormat.DER)}, {"formats": (TrustFormat.PEM,), "anchors": 1}]
)
def test_no_driver_can_let_the_new_trust_anchor_drive_out_the_old_one(can):
    with pytest.raises(ValueError, match="must hold several"):
        replace(drivers()["mitel_sip"].capabilities, **can)

    assert replace(drivers()["mitel_sip"].capabilities, replaces=False, **can).formats == can["formats"]


@each_driver
def test_it_names_its_makers_as_the_ieee_does(driver):
    """A telephone that asks before it is in the list is told from an invented one by its maker (rule discovered)."""
    assert all(re.fullmatch("[0-9A-F]{6}", oui) for oui in driver.ouis)
    assert driver.ouis or driver.files is None


@each_driver
def test_what_confirms_by_fetching_has_files_to_fetch_and_nothing_else_has(driver):
    assert (driver.capabilities.confirmation is Confirmation.FETCH) == (driver.files is not None)


# -- configuration files -----------------------------------------------------------------------------------------------


@each_with_files
def test_the_terminals_own_file_hands_over_the_trust_anchors(driver):
    told = driver.files.content(OWN_FILE, SECOND).decode()

    match driver.capabilities.come:
        case AnchorsCome.TOGETHER | AnchorsCome.IN_TURN:
            assert SECOND.trust_url in told
        case AnchorsCome.EACH:
            assert all(anchor.url in told for anchor in SECOND.anchors)
        case AnchorsCome.INLINE:
            assert all(anchor.pem in told for anchor in SECOND.anchors)


@each_with_files
def test_a_file_names_the_server_where_that_is_told_and_the_method_does_so(driver):
    told, untold = driver.files.content(OWN_FILE, SECOND), driver.files.content(OWN_FILE, FIRST)

    assert b"pbx.example.org" not in untold.replace(FIRST.trust_url.encode(), b"")
    assert (b"5063" in told) is driver.files.names_server


@each_with_files
@pytest.mark.parametrize("of", list(FileOf))
def test_who_is_nobody_gets_a_file_that_sets_nothing(driver, of):
    nothing = driver.files.content(ConfigurationFile(of), None)

    assert len(nothing) < 200
    assert b"pbx.example.org" not in nothing


@each_with_files
def test_what_is_to_be_pasted_names_pbxcerts_in_one_line(driver):
    for way in driver.files.ways_in("https://pbx.example.org:8443"):
        assert "https://pbx.example.org:8443/" in way.line
        assert way.line == way.line.strip()
        assert "\n" not in way.line


@pytest.mark.parametrize(
    "can",
    [
        {"come": AnchorsCome.IN_TURN, "replaces": True},
        {"come": AnchorsCome.IN_TURN, "replaces": False, "holds": 1},
        {"come": AnchorsCome.INLINE, "holds": 2},
    ],
)
def test_no_driver_can_leave_a_gap_between_two_trust_anchors(can):
    with pytest.raises(ValueError, match="must"):
        replace(drivers()["mitel_sip"].capabilities, **can)


@each_with_files
def test_its_pattern_matches_a_name_whole_and_no_path(driver):
    for path in ("../x.cfg", "a/b.cfg", "", ".", "%2e%2e.cfg", "a\n.cfg"):
        assert not re.fullmatch(driver.files.pattern, path)


@each_with_files
def test_a_terminal_is_named_by_a_mac_in_capitals(driver):
    names = [f"{MAC}.cfg", f"{MAC.lower()}.cfg", f"cfg{MAC}.xml", f"{MAC}.xml"]
    found = [driver.files.requested(name) for name in names if re.fullmatch(driver.files.pattern, name)]

    assert MAC in {file.mac for file in found if file.of is FileOf.TERMINAL}


@each_with_files
def test_a_stranger_names_no_telephone(driver):
    for user_agent in ("", "curl/8.0", "Mozilla/5.0 (X11)", "\x00", "A" * 5000):
        assert driver.files.telephone(user_agent) is None


@each_with_block
def test_our_block_follows_the_trust_file_and_leaves_every_other_byte(driver):
    before, after = b"own: \xff\r\n", b"own: 2\r\n"
    first = driver.files.block.put(before, FIRST)
    second = driver.files.block.put(first + after, SECOND)

    assert second.startswith(before)
    assert second.endswith(after)
    assert SECOND.trust_url.encode() in second
    assert FIRST.trust_url.encode() not in second
    assert driver.files.block.put(second, SECOND) == second


@each_with_block
def test_a_block_that_somebody_has_edited_is_left_alone(driver):
    edited = driver.files.block.put(b"", FIRST).replace(b"pbx.example.org", b"pbx.example.org\r\nown: 1")

    with pytest.raises(MarkedBlockError):
        driver.files.block.put(edited, SECOND)


@each_with_own_lines
def test_what_pbxcerts_writes_itself_is_no_own_line(driver):
    ours = driver.files.content(OWN_FILE, FIRST).decode()

    with pytest.raises(OwnLinesError):
        driver.files.own_lines.checked(ours, path_is_secret=True)
