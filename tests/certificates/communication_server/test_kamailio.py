"""What Kamailio says of its telephones, in its own words, and a program that says anything else (rule kamailio-asked)."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.communication_server import kamailio
from certificates.communication_server.errors import KamailioError
from certificates.communication_server.kamailio import Kamailio, Registered, calls, local_clock, places, registrations
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
CALL = """\
{{
	h_entry: 1882
	call-id: 8b1e5a22106fc91d
	from_uri: sip:{says}@pbx.test:14336
	to_uri: sip:{to}@pbx.test:14336;transport=tls
	state: {state}
	start_ts: 1796000000
	caller: {{
		tag: 1
		contact: {caller}
		socket: tls:127.0.0.1:5061
	}}
	callee: {{
		tag: 2
		contact: {callee}
		socket: tls:127.0.0.1:5061
	}}
}}
"""
ANNA = "sip:anna-0x55@127.0.0.1:43999;transport=tls"
ECHO = "sip:echo@127.0.0.1:5080"


def call(says="anna", *, to="echo", state=4, caller=ANNA, callee=ECHO):
    return CALL.format(says=says, to=to, state=state, caller=caller, callee=callee)


def in_call(*said, dump=DUMP):
    return calls("".join(said)).parties(places(dump))


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


def test_who_is_in_a_call_is_so_on_either_side_until_it_is_over():
    assert in_call(call()) == {"anna"}
    assert in_call(call(says="echo", to="anna", caller=ECHO, callee=ANNA)) == {"anna"}
    assert in_call(call(state=5)) == frozenset()
    assert in_call(call(state=5), call()) == {"anna"}
    assert in_call() == frozenset()


@pytest.mark.parametrize("state", [3, 4])
def test_a_caller_who_says_that_he_is_somebody_else_makes_nobody_busy(state):
    stranger = "sip:anna@203.0.113.7:5060"

    assert in_call(call("anna", to="berta", state=state, caller=stranger)) == frozenset()
    assert in_call(call("anna", state=state)) == {"anna"}


@pytest.mark.parametrize("state", [1, 2])
def test_who_is_called_is_busy_while_it_rings(state):
    assert in_call(call("anna", to="berta", state=state, caller="sip:x@203.0.113.7", callee="")) == {"berta"}


def test_a_telephone_behind_nat_is_known_by_the_address_that_it_was_received_from():
    dump = DUMP.replace("43065;transport=tls\n", "43065;transport=tls\n\t\t\tReceived: sip:198.51.100.4:1024\n")
    assert dump != DUMP
    seen = call(caller="sip:anna-0x55@198.51.100.4:1024")

    assert (in_call(seen), in_call(seen, dump=dump)) == (frozenset(), {"anna"})
    assert in_call(seen, dump=dump.replace("sip:198.51.100.4:1024", "[not set]")) == frozenset()


def test_a_contact_without_a_user_is_that_of_nobody():
    dump = DUMP.replace("anna-0x55@127.0.0.1", "127.0.0.1")
    assert in_call(call(caller="sip:127.0.0.1:43065"), dump=dump) == frozenset()


def test_words_of_a_telephone_put_nobody_else_at_its_contact():
    dump = DUMP.replace("User-Agent: a telephone", f"User-Agent: x\n\tAoR: clara\n\tAddress: {ANNA}")
    with pytest.raises(KamailioError):
        places(dump)


@pytest.mark.parametrize("said", ["", "{}", "now: yesterday", "now: Xxx Dec 99 00:00:54 2026"])
def test_a_clock_that_says_nothing_is_an_error(said):
    with pytest.raises(KamailioError):
        local_clock(said, NOW)


@pytest.mark.parametrize(
    "garbage", ["\0" * 1000, "AoR", "Tcpconn-Id: 1\n" * 10, "state: 4\n" * 10, "id: 1\ntimestamp: x"]
)
def test_garbage_is_nobody(garbage):
    assert registrations(garbage, garbage, clock=LocalClock(timedelta())) == []
    assert in_call(garbage, dump=garbage) == frozenset()


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
