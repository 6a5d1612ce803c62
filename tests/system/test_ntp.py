import socket
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import ntplib
import pytest
import time_machine

from pbxcerts.system.ntp import Answer, NtpServerError, Reason, Refusal, Survey, ask, parse_server
from tests.support.ntp import NtpResponder


@pytest.fixture
def responder():
    with NtpResponder() as responder:
        yield responder


def ask_one(responder, timeout=5.0):
    (outcome,) = ask([responder.server], timeout=timeout).outcomes
    return outcome


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answer(seconds, address="a"):
    return Answer(f"server {address}", address, timedelta(seconds=seconds), timedelta(), 2, 0)


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
        assert parse_server(text) == expected

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
        with pytest.raises(NtpServerError) as caught:
            parse_server(text)
        assert caught.value.code == code


class TestAnswer:
    @pytest.mark.parametrize("offset", [0.0, 0.7, -3.0, 43_300.0, 400 * 86_400.0, -400 * 86_400.0])
    def test_it_holds_the_true_time_minus_the_machines(self, responder, offset):
        responder.offset = offset
        outcome = ask_one(responder)
        assert isinstance(outcome, Answer)
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
        assert isinstance(outcome, Answer)
        assert abs(outcome.offset - (true - machine)) < timedelta(milliseconds=1)

    @pytest.mark.parametrize("leap", [1, 2])
    def test_it_counts_before_a_leap_second(self, responder, leap):
        responder.leap = leap
        outcome = ask_one(responder)
        assert isinstance(outcome, Answer)
        assert outcome.leap == leap

    @pytest.mark.parametrize("stratum", [1, 15])
    def test_it_counts_at_the_first_and_the_last_stratum(self, responder, stratum):
        responder.stratum = stratum
        assert isinstance(ask_one(responder), Answer)

    def test_it_counts_where_the_servers_clock_ticks_coarsely(self, responder):
        responder.delay = -0.015
        outcome = ask_one(responder)
        assert isinstance(outcome, Answer)
        assert outcome.delay >= timedelta()

    def test_it_counts_with_an_extension_after_the_packet(self, responder):
        responder.length = 68
        assert isinstance(ask_one(responder), Answer)

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
        assert isinstance(outcome, Answer)

    def test_it_is_taken_from_nobody_but_the_server(self, responder):
        responder.stranger = True
        outcome = ask_one(responder)
        assert isinstance(outcome, Answer)
        assert abs(outcome.offset) < timedelta(seconds=1)


class TestRefusal:
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"leap": 3}, Reason.LEAP),
            ({"stratum": 0}, Reason.STRATUM),
            ({"stratum": 16}, Reason.STRATUM),
            ({"stratum": 255}, Reason.STRATUM),
            ({"origin_error": 3.0}, Reason.ORIGIN),
            ({"origin_error": -3.0}, Reason.ORIGIN),
            ({"delay": 6.0}, Reason.DELAY),
            ({"delay": -2.0}, Reason.DELAY),
            ({"length": 47}, Reason.MALFORMED),
            ({"length": 1}, Reason.MALFORMED),
            ({"mode": 3}, Reason.MALFORMED),
            ({"mode": 5}, Reason.MALFORMED),
            ({"timeless": True}, Reason.MALFORMED),
        ],
    )
    def test_it_gives_the_reason(self, responder, fault, reason):
        for name, value in fault.items():
            setattr(responder, name, value)
        assert ask_one(responder) == Refusal(responder.server, reason)

    @pytest.mark.parametrize("code", ["DENY", "RATE", "RSTR", "INIT"])
    def test_it_names_the_code_of_a_kiss_of_death(self, responder, code):
        responder.kiss = code
        responder.leap = 3
        assert ask_one(responder) == Refusal(responder.server, Reason.KISS_OF_DEATH, code)

    def test_it_says_when_a_server_is_silent(self, responder):
        responder.silent = True
        assert ask_one(responder, timeout=0.2) == Refusal(responder.server, Reason.TIMEOUT)
        assert responder.asked == 1

    def test_it_says_when_nobody_is_there(self):
        port = free_port()
        assert ask([f"127.0.0.1:{port}"]).outcomes == (Refusal(f"127.0.0.1:{port}", Reason.UNREACHABLE),)

    @pytest.mark.parametrize("server", ["no-such-server.invalid", "not a name", "ntp.example:0"])
    def test_it_says_when_a_name_leads_nowhere(self, server):
        assert ask([server]).outcomes == (Refusal(server, Reason.UNRESOLVED),)

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
        survey = Survey(tuple(answer(offset, str(number)) for number, offset in enumerate(offsets)))
        assert survey.median().offset == timedelta(seconds=median)

    def test_refusals_do_not_count_in_the_median(self):
        survey = Survey((Refusal("x", Reason.TIMEOUT), answer(7.0), Refusal("y", Reason.LEAP)))
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
        survey = Survey(tuple(answer(offset, str(number)) for number, offset in enumerate(offsets)))
        assert (survey.agreed, survey.disagreed) == (agreed, disagreed)

    def test_two_names_of_one_server_do_not_agree_with_each_other(self):
        with NtpResponder() as one, NtpResponder() as two:
            assert not ask([one.server, f"localhost:{one.port}"]).agreed
            assert ask([one.server, two.server]).agreed
