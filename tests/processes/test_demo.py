"""`pbxcerts demo`: what it starts, what it leaves alone, and that nothing stays behind."""

import ipaddress
import re
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.demonstration import Demonstration
from tests.support.panel import Browser, hidden_fields, links
from tests.support.running import wait_for

pytestmark = pytest.mark.process


def rows(demonstration, query):
    database = demonstration.directory / "data" / "pbxcerts.sqlite3"
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
        suppress(sqlite3.OperationalError),
    ):
        return connection.execute(query).fetchall()


def listening_addresses(pids):
    """The IPv4 addresses at which these processes listen, over TCP and UDP (proc(5)); IPv6 is an error."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                inodes.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    found = set()
    for table, state in (("tcp", "0A"), ("udp", "07"), ("tcp6", "0A"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and fields[9] in inodes:
                assert table in {"tcp", "udp"}
                found.add(str(ipaddress.IPv4Address(bytes.fromhex(fields[1].partition(":")[0])[::-1])))
    return found


def by_hand(browser):
    return [
        link for link in links(browser.page("/terminals/work-list/"), "/work-list/types/") if "download" not in link
    ]


def test_a_renewal_goes_through_by_itself_and_the_callers_installation_is_not_touched(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "pbxcerts.sqlite3").write_text("not to be opened")

    with Demonstration(
        tmp_path, "--terminals", "10", PBXCERTS_DATA=str(real), PBXCERTS_STORE=str(real)
    ) as demonstration:
        browser = Browser(demonstration.address).log_in("demo", demonstration.password)
        assert "Step 1 of 6" in browser.page("/")
        addresses = listening_addresses(demonstration.processes())
        assert "127.0.0.1" in addresses
        assert [each for each in addresses if not ipaddress.ip_address(each).is_loopback] == []

        browser.post(
            "/certificates/generate/", **hidden_fields(browser.page("/certificates/generate/")), how="handover"
        )
        wait_for(lambda: "Step 2 of 6" in browser.page("/"), what="a prepared pair")
        browser.post("/demo/night/")
        wait_for(lambda: "Step 3 of 6" in browser.page("/"), what="the telephones that need nobody")
        for link in by_hand(browser):
            browser.post(link, **hidden_fields(browser.page(link)))
        wait_for(lambda: "Step 5 of 6" in browser.page("/"), what="the switch")

        assert rows(demonstration, "SELECT why, outcome FROM certificates_switch ORDER BY id") == [
            ("at_once", "verified"),
            ("confirmed", "verified"),
        ]
        assert rows(
            demonstration, "SELECT state, count(*) FROM terminals_installation WHERE generation_id = 2 GROUP BY 1"
        ) == [("confirmed", 10)]
        # Nobody has helped any but those that are hand work.
        assert rows(
            demonstration,
            "SELECT type.method, shown.evidence, shown.proof FROM terminals_installation shown"
            " JOIN terminals_terminal terminal ON terminal.id = shown.terminal_id"
            " JOIN terminals_terminaltype type ON type.id = terminal.type_id"
            " WHERE generation_id = 2 GROUP BY 1, 2, 3 ORDER BY 1",
        ) == [
            ("flyingvoice", "fetched", "path"),
            ("grandstream", "fetched", "path"),
            ("ip_system", "proved", ""),
            ("mitel_sip", "fetched", "record"),
            ("sip_standard", "person", ""),
            ("snom", "fetched", "path"),
            ("yealink", "fetched", "path"),
        ]
        proofs = "SELECT outcome FROM call_proof_callproof WHERE generation_id = 2"
        wait_for(
            lambda: rows(demonstration, proofs) == [("proved",)], what="the proof by call, in a process of its own"
        )
        # What is seen is a renewal without anything to worry about.
        assert (
            rows(
                demonstration, "SELECT kind FROM system_eventmessage WHERE severity != 'normal' AND cleared_at IS NULL"
            )
            == []
        )
        assert demonstration.end(signal.SIGINT) == 0

    assert "goes without PBXCERTS_DATA, PBXCERTS_STORE" in demonstration.log.read_text()
    assert demonstration.processes() == []
    assert [*demonstration.place.iterdir()] == []
    assert [place.name for place in real.iterdir()] == ["pbxcerts.sqlite3"]
    assert not re.search(r"Traceback|ERROR", demonstration.log.read_text())


def test_all_that_it_has_started_ends_with_it_whatever_ends_it(tmp_path):
    with Demonstration(tmp_path, "--terminals", "9", "--keep", str(tmp_path / "kept")) as demonstration:
        assert len(demonstration.processes()) >= 3

        demonstration.end(signal.SIGKILL)

        wait_for(lambda: not demonstration.processes(), what="the end of all")
    assert (tmp_path / "kept" / "data" / "store" / "current").exists()
