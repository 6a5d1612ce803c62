import socket
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import ntplib
import pytest
import time_machine

from pbxcerts.system.network.endpoint import Endpoint, EndpointError
from pbxcerts.system.time.ntp import NtpAnswer, NtpFailure, NtpFault, NtpSurvey, ask, parse_ntp_server
from tests.support.ntp import NtpResponder
from tests.support.ports import free_port


@pytest.fixture
def responder():
    with NtpResponder() as responder:
        yield responder


def ask_one(responder, timeout=5.0):
    (outcome,) = ask([responder.server], timeout=timeout).outcomes
    return outcome


def answer(seconds, address="a"):
    return NtpAnswer(f"server {address}", address, timedelta(seconds=seconds), timedelta(), 2, 0)


class TestParseServer:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("ptbtime1.ptb.de", ("ptbtime1.ptb.de", 123)),
            (" NTP.example.com:1123 ", ("ntp.example.com", 1123)),
            ("ntp.example.com.", ("ntp.example.com", 123)),
            ("zeit", ("zeit", 123)),
            ("zeit.müller.example", ("zeit.xn--mller-kva.example", 123)),
            ("192.0.2.1", ("192.0.2.1", 123)),
            ("192.0.2.1:65535", ("192.0.2.1", 65535)),
            ("2001:DB8::1", ("2001:db8::1", 123)),
            ("[2001:db8::1]", ("2001:db8::1", 123)),
            ("[::1]:11123", ("::1", 11123)),
            ("[fe80::1%eth0]:123", ("fe80::1%eth0", 123)),
        ],
    )
    def test_it_takes_a_server_apart(self, text, expected):
        assert parse_ntp_server(text) == Endpoint(*expected)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "empty"),
            ("  ", "empty"),
            (":123", "host"),
            ("a b", "host"),
            ("ntp..example", "host"),
            ("-ntp.example", "host"),
            ("http://ntp.example", "port"),
            ("ntp.example/x", "host"),
            ("192.0.2.256", "host"),
            ("192.0.2", "host"),
            ("2001:db8::1::2", "host"),
            ("[192.0.2.1]:123", "host"),
            ("[::1]x", "host"),
            ("x" * 64 + ".example", "host"),
            (".".join(["x" * 60] * 5), "host"),
            ("ntp.example:", "port"),
            ("ntp.example:0", "port"),
            ("ntp.example:65536", "port"),
            ("ntp.example:ntp", "port"),
            ("ntp.example:１２３", "port"),
            ("[::1]:", "port"),
            ("[::1]:99999", "port"),
        ],
    )
    def test_it_says_which_part_is_wrong(self, text, code):
        with pytest.raises(EndpointError) as caught:
            parse_ntp_server(text)
        assert caught.value.fault == code


class TestAnswer:
    @pytest.mark.parametrize("offset", [0.0, 0.7, -3.0, 43_300.0, 400 * 86_400.0, -400 * 86_400.0])
    def test_it_holds_the_true_time_minus_the_machines(self, responder, offset):
        responder.offset = offset
        outcome = ask_one(responder)
        assert isinstance(outcome, NtpAnswer)
        assert abs(outcome.offset - timedelta(seconds=offset)) < timedelta(seconds=1)
        assert (outcome.server, outcome.stratum, outcome.leap) == (responder.server, 2, 0)
        assert timedelta() <= outcome.delay < timedelta(seconds=5)

    @pytest.mark.parametrize(
        ("machine", "true"),
        [
            (datetime(1970, 1, 1, 0, 5, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)),
            (datetime(2026, 7, 1, tzinfo=UTC), datetime(2036, 2, 7, 6, 30, tzinfo=UTC)),
            (datetime(2036, 2, 7, 6, 28, 15, tzinfo=UTC), datetime(2036, 2, 7, 6, 28, 17, tzinfo=UTC)),
            (datetime(2050, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)),
            (datetime(2050, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_it_is_right_across_the_end_of_ntps_era_in_2036(self, responder, machine, true):
        responder.clock = lambda: true.timestamp()
        with time_machine.travel(machine, tick=False):
            outcome = ask_one(responder)
        assert isinstance(outcome, NtpAnswer)
        assert abs(outcome.offset - (true - machine)) < timedelta(milliseconds=1)

    @pytest.mark.parametrize("leap", [1, 2])
    def test_it_counts_before_a_leap_second(self, responder, leap):
        responder.leap = leap
        outcome = ask_one(responder)
        assert isinstance(outcome, NtpAnswer)
        assert outcome.leap == leap

    @pytest.mark.parametrize("stratum", [1, 15])
    def test_it_counts_at_the_first_and_the_last_stratum(self, responder, stratum):
        responder.stratum = stratum
        assert isinstance(ask_one(responder), NtpAnswer)

    def test_it_counts_where_the_servers_clock_ticks_coarsely(self, responder):
        responder.delay = -0.015
        outcome = ask_one(responder)
        assert isinstance(outcome, NtpAnswer)
        assert outcome.delay >= timedelta()

    def test_it_counts_with_an_extension_after_the_packet(self, responder):
        responder.length = 68
        assert isinstance(ask_one(responder), NtpAnswer)

    def test_it_comes_from_the_next_address_of_a_name_where_the_first_leads_nowhere(self, responder, monkeypatch):
        # No name of every machine has two addresses of which only the second answers.
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [
                (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", free_port())),
                (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", responder.port)),
            ],
        )
        (outcome,) = ask(["ntp.example"]).outcomes
        assert isinstance(outcome, NtpAnswer)

    @pytest.mark.parametrize("hosts", [("::1", "127.0.0.1"), ("127.0.0.1", "::1")], ids=["IPv6 first", "IPv4 first"])
    @pytest.mark.parametrize(
        "bad", [{"silent": True}, {"kiss": "RATE"}, {"leap": 3}, {"stratum": 16}, {"length": 20}, None], ids=str
    )
    def test_it_comes_from_the_next_address_of_a_name_where_the_first_does_badly(self, names, hosts, bad):
        two = names("ntp.example", *hosts)
        began = time.monotonic()
        with ExitStack() as stack:
            if bad is not None:
                stack.enter_context(NtpResponder(host=hosts[0], port=two.port, **bad))
            stack.enter_context(NtpResponder(host=hosts[1], port=two.port))
            (outcome,) = ask([f"ntp.example:{two.port}"], timeout=5).outcomes
        assert isinstance(outcome, NtpAnswer)
        assert hosts[1] in outcome.address
        assert time.monotonic() - began < 2

    def test_where_the_first_does_well_the_next_is_not_asked(self, names):
        two = names("ntp.example", "::1", "127.0.0.1")
        with NtpResponder(host="::1", port=two.port), NtpResponder(port=two.port) as other:
            (outcome,) = ask([f"ntp.example:{two.port}"]).outcomes
        assert isinstance(outcome, NtpAnswer)
        assert other.asked == 0

    def test_where_none_does_well_what_was_answered_is_said(self, names):
        two = names("ntp.example", "::1", "127.0.0.1")
        with NtpResponder(host="::1", port=two.port, silent=True), NtpResponder(port=two.port, kiss="RATE"):
            (outcome,) = ask([f"ntp.example:{two.port}"], timeout=0.6).outcomes
        assert (outcome.reason, outcome.kiss_code) == (NtpFault.KISS_OF_DEATH, "RATE")

    def test_it_is_taken_from_nobody_but_the_server(self, responder):
        responder.stranger = True
        outcome = ask_one(responder)
        assert isinstance(outcome, NtpAnswer)
        assert abs(outcome.offset) < timedelta(seconds=1)


class TestRefusal:
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"leap": 3}, NtpFault.LEAP),
            ({"stratum": 0}, NtpFault.STRATUM),
            ({"stratum": 16}, NtpFault.STRATUM),
            ({"stratum": 255}, NtpFault.STRATUM),
            ({"origin_error": 3.0}, NtpFault.ORIGIN),
            ({"origin_error": -3.0}, NtpFault.ORIGIN),
            ({"delay": 6.0}, NtpFault.DELAY),
            ({"delay": -2.0}, NtpFault.DELAY),
            ({"length": 47}, NtpFault.MALFORMED),
            ({"length": 1}, NtpFault.MALFORMED),
            ({"mode": 3}, NtpFault.MALFORMED),
            ({"mode": 5}, NtpFault.MALFORMED),
            ({"timeless": True}, NtpFault.MALFORMED),
        ],
    )
    def test_it_gives_the_reason(self, responder, fault, reason):
        for name, value in fault.items():
            setattr(responder, name, value)
        assert ask_one(responder) == NtpFailure(responder.server, reason)

    @pytest.mark.parametrize("code", ["DENY", "RATE", "RSTR", "INIT"])
    def test_it_names_the_code_of_a_kiss_of_death(self, responder, code):
        responder.kiss = code
        responder.leap = 3
        assert ask_one(responder) == NtpFailure(responder.server, NtpFault.KISS_OF_DEATH, code)

    def test_it_says_when_a_server_is_silent(self, responder):
        responder.silent = True
        assert ask_one(responder, timeout=0.2) == NtpFailure(responder.server, NtpFault.TIMEOUT)
        assert responder.asked == 1

    def test_it_says_when_nobody_is_there(self):
        port = free_port()
        assert ask([f"127.0.0.1:{port}"]).outcomes == (NtpFailure(f"127.0.0.1:{port}", NtpFault.UNREACHABLE),)

    @pytest.mark.parametrize("server", ["no-such-server.invalid", "not a name", "ntp.example:0"])
    def test_it_says_when_a_name_leads_nowhere(self, server):
        assert ask([server]).outcomes == (NtpFailure(server, NtpFault.UNRESOLVED),)

    def test_ntplib_itself_takes_what_is_refused_here(self, responder):
        responder.leap, responder.stratum, responder.origin_error = 3, 16, 3.0
        response = ntplib.NTPClient().request("127.0.0.1", port=responder.port)
        assert (response.leap, response.stratum) == (3, 16)


class TestAsk:
    def test_it_asks_all_servers_at_the_same_time(self):
        all_asked = threading.Barrier(4, timeout=5)
        with ExitStack() as stack:
            responders = [stack.enter_context(NtpResponder(before_answer=all_asked.wait)) for _ in range(4)]
            survey = ask([responder.server for responder in responders])
        assert len(survey.answers) == 4

    def test_a_silent_server_keeps_no_other_from_counting(self):
        with NtpResponder(silent=True) as one, NtpResponder() as two, NtpResponder(leap=3) as three:
            survey = ask([one.server, two.server, three.server], timeout=0.3)
        assert survey.median().server == two.server

    def test_it_keeps_the_order_of_the_servers(self):
        with NtpResponder(stratum=3) as one, NtpResponder(leap=3) as two, NtpResponder(stratum=1) as three:
            servers = [three.server, one.server, two.server]
            assert [outcome.server for outcome in ask(servers).outcomes] == servers

    def test_no_server_gives_no_answer(self):
        survey = ask([])
        assert survey.outcomes == ()
        assert survey.median() is None
        assert not survey.agreed
        assert not survey.disagreed


class TestSurvey:
    @pytest.mark.parametrize(
        ("offsets", "median"),
        [
            ([4.0], 4.0),
            ([-4.0, 1.0], 1.0),
            ([-1.0, 4.0], -1.0),
            ([9.0, -100.0, 0.5], 0.5),
            ([-100.0, -3.0, 2.0, 100.0], 2.0),
            ([-100.0, -2.0, 3.0, 100.0], -2.0),
        ],
    )
    def test_the_median_is_the_middle_offset_or_the_nearer_of_two_to_zero(self, offsets, median):
        survey = NtpSurvey(tuple(answer(offset, str(number)) for number, offset in enumerate(offsets)))
        assert survey.median().offset == timedelta(seconds=median)

    def test_refusals_do_not_count_in_the_median(self):
        survey = NtpSurvey((NtpFailure("x", NtpFault.TIMEOUT), answer(7.0), NtpFailure("y", NtpFault.LEAP)))
        assert survey.median().offset == timedelta(seconds=7)

    @pytest.mark.parametrize(
        ("offsets", "agreed", "disagreed"),
        [
            ([0.0], False, False),
            ([0.0, 1.0], True, False),
            ([0.0, 1.001], False, True),
            ([0.0, 0.5, 90.0], True, True),
            ([0.0, 90.0, 90.5], True, True),
            # The median is 0, and the two that agree with each other do not confirm it.
            ([-10.0, 0.0, 5.0, 5.5], False, True),
        ],
    )
    def test_servers_agree_where_a_second_one_confirms_the_median(self, offsets, agreed, disagreed):
        survey = NtpSurvey(tuple(answer(offset, str(number)) for number, offset in enumerate(offsets)))
        assert (survey.agreed, survey.disagreed) == (agreed, disagreed)

    @pytest.mark.parametrize("other", ["again.example", "127.0.0.1"])
    def test_nor_do_two_addresses_of_one_server(self, names, other):
        """Where one of them was slow once, the two names have answers from different addresses of the same machine."""
        two = names("ntp.example", "::1", "127.0.0.1")
        with NtpResponder(host="::1", port=two.port) as first, NtpResponder(port=two.port):
            names.also("again.example", two, first="127.0.0.1")
            survey = ask([f"ntp.example:{two.port}", f"{other}:{two.port}"])
        assert len({answer.address for answer in survey.answers}) == 2
        assert not survey.agreed
        assert first.asked == 1

    def test_two_names_of_one_server_do_not_agree_with_each_other(self):
        with NtpResponder() as one, NtpResponder() as two:
            assert not ask([one.server, f"localhost:{one.port}"]).agreed
            assert ask([one.server, two.server]).agreed
