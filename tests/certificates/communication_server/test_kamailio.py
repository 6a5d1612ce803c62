"""What Kamailio says of its telephones, in its own words, and a program that says anything else (rule kamailio-asked)."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.communication_server import kamailio
from certificates.communication_server.errors import KamailioError
from certificates.communication_server.kamailio import Kamailio, Registered, local_clock, parties, registrations
from certificates.communication_server.local_clock import LocalClock
from tests.support.generations import HOUR, utc
from tests.support.tls_server import script

ZURICH = ZoneInfo("Europe/Zurich")
NOW = utc("2026-11-30 23:00:54")
UPTIME = "{\n\tnow: Tue Dec  1 00:00:54 2026\n\tup_since: Mon Nov 30 20:00:00 2026\n\tuptime: 14454\n}\n"
DUMP = """\
				Info: {
					AoR: anna
					HashID: 1776258701
					Contacts: {
						Contact: {
							Address: sip:anna-0x55@127.0.0.1:43065;transport=tls
							Socket: tls:127.0.0.1:5061
							Tcpconn-Id: 2
						}
						Contact: {
							Address: sip:anna-0x56@127.0.0.1:43066;transport=tls
							Socket: tls:127.0.0.1:5061
							Tcpconn-Id: 3
						}
					}
				}
				Info: {
					AoR: berta@pbx.test
					Contacts: {
						Contact: {
							User-Agent: a telephone
							Socket: tls:127.0.0.1:5061
							Tcpconn-Id: 9
						}
					}
				}
			Stats: {
				Records: 2
				Max-Slots: 1
			}
"""
CONNECTIONS = """\
{
	id: 2
	sni: pbx.test
	timestamp: 2026-12-01 00:00:00
	timeout: 4
}
{
	id: 3
	timestamp: 2026-11-30 12:00:00
}
"""
CALLS = """\
{
	h_entry: 1882
	call-id: 8b1e5a22106fc91d
	from_uri: sip:anna@pbx.test:14336
	to_uri: sip:echo@pbx.test:14336;transport=tls
	state: 4
	caller: {
		contact: sip:anna-0x5652329e6260@127.0.0.1:35029;transport=tls
	}
}
{
	from_uri: sip:clara@pbx.test
	to_uri: sip:dora@pbx.test
	state: 5
}
"""


def test_each_number_counts_by_its_oldest_connection_in_our_time():
    clock = local_clock(UPTIME, NOW, zone=ZURICH)
    assert clock.ahead == HOUR
    assert registrations(DUMP, CONNECTIONS, clock=clock) == [
        Registered("anna", utc("2026-11-30 11:00")),
        Registered("berta", None),
    ]


def stranger(sni):
    return f"{{\n\tid: 12\n\tsni: {sni}\n\ttimestamp: 2026-12-01 00:00:30\n\ttimeout: 4\n}}\n"


@pytest.mark.parametrize(
    "sni",
    [
        "x\n\tid: 3\n\ttimestamp: 2026-12-01 00:00:30",
        "x\n\ttimestamp: 2026-12-01 00:00:30\n}\n{\n\tid: 3\n\tsni: x",
        "x\n\tid: 77\n\ttimestamp: 2026-99-99 99:99:99",
    ],
)
def test_a_stranger_in_a_handshake_makes_no_connection_newer(sni):
    clock = local_clock(UPTIME, NOW, zone=ZURICH)
    for connections in (CONNECTIONS + stranger(sni), stranger(sni) + CONNECTIONS):
        assert registrations(DUMP, connections, clock=clock)[0] == Registered("anna", utc("2026-11-30 11:00"))


def test_nor_one_of_tls_of_what_is_none():
    dump = DUMP.replace("Socket: tls:", "Socket: tcp:")
    assert {one.since for one in registrations(dump, CONNECTIONS, clock=LocalClock(timedelta()))} == {None}


@pytest.mark.parametrize(
    "agent",
    [
        "x\n\t\t\t\t\tAoR: clara",
        "x\n AoR: clara\n Socket: tls:x\n Tcpconn-Id: 2",
        "x\n AoR: clara\n Records: 1",
        "x\n Records: 99",
    ],
)
def test_words_of_a_telephone_that_look_like_another_number_show_nothing_of_anybody(agent):
    dump = DUMP.replace("User-Agent: a telephone", f"User-Agent: {agent}")
    assert dump != DUMP
    with pytest.raises(KamailioError):
        registrations(dump, CONNECTIONS, clock=LocalClock(timedelta()))


def test_several_tables_are_counted_each():
    assert registrations(DUMP * 2, CONNECTIONS, clock=LocalClock(timedelta()))


def test_who_is_in_a_call_or_called_is_so_until_it_is_over():
    assert parties(CALLS) == {"anna", "echo"}
    assert parties("") == frozenset()


@pytest.mark.parametrize("said", ["", "{}", "now: yesterday", "now: Xxx Dec 99 00:00:54 2026"])
def test_a_clock_that_says_nothing_is_an_error(said):
    with pytest.raises(KamailioError):
        local_clock(said, NOW)


@pytest.mark.parametrize(
    "garbage", ["\0" * 1000, "AoR", "Tcpconn-Id: 1\n" * 10, "state: 4\n" * 10, "id: 1\ntimestamp: x"]
)
def test_garbage_is_nobody(garbage):
    assert registrations(garbage, garbage, clock=LocalClock(timedelta())) == []
    assert parties(garbage) == frozenset()


def test_it_asks_for_what_reads_and_nothing_else(tmp_path):
    asked = tmp_path / "asked"
    program = script(tmp_path / "kamcmd", f'#!/bin/sh\necho "$@" >> {asked}\nprintf "{UPTIME}"\n')
    Kamailio([*program, "-s", "unix:/x"]).registered(NOW)
    Kamailio([*program, "-s", "unix:/x"]).in_call()

    assert asked.read_text().splitlines() == [
        f"-s unix:/x {what}" for what in ("ul.dump", "tls.list", "core.uptime", "dlg.list")
    ]


def test_one_that_fails_hangs_or_is_missing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(kamailio, "WITHIN", 0.2)
    for command in (
        script(tmp_path / "fails", "#!/bin/sh\nexit 3\n"),
        script(tmp_path / "hangs", "#!/bin/sh\nsleep 600\n"),
        [str(tmp_path / "missing")],
    ):
        with pytest.raises(KamailioError):
            Kamailio(command).in_call()
