"""The client over real sockets, against telephones on loopback."""

import asyncio
import ssl
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta

import pytest

from certificates.pki import formats
from pbxcerts import __version__
from terminals.drivers.base import Reaction
from terminals.sip import transaction
from terminals.sip.connections import MOST_IDLE
from terminals.sip.errors import Unanswered
from terminals.sip.message import LONGEST_BODY, LONGEST_HEAD
from terminals.sip.notify import Credentials, Hop, Notify, Transport, send_notifies
from tests.support.phones import (
    CREDENTIALS,
    Challenging,
    Phone,
    a_notify,
    answer,
    answering,
    ask,
    from_another_address,
    in_turn,
    run,
    silent,
)
from tests.support.x509 import a_pair


def meet(behave=answering(), **options):  # noqa: B008 - it keeps nothing
    """What becomes of one NOTIFY to a telephone that behaves so, and the requests that the telephone got."""

    async def scenario():
        async with Phone(behave) as phone:
            (answered,) = await ask(a_notify(phone), **options)
            return answered, phone.requests

    return run(scenario())


def test_a_telephone_that_answers_200_has_heard():
    answered, requests = meet()

    assert (answered.status, answered.reaction, answered.reason, answered.retry_after) == (
        200,
        Reaction.HEARD,
        "OK",
        None,
    )
    (request,) = requests
    assert request.headers["Event"] == "check-sync"
    assert request.headers["User-Agent"] == f"pbxcerts/{__version__}"


def test_the_request_names_the_address_that_it_comes_from():
    async def scenario():
        async with Phone(host="127.0.0.3") as phone:
            await ask(a_notify(phone))
            return phone.requests

    (request,) = run(scenario())
    assert request.via[0].host == "127.0.0.1"
    assert request.contact[0].uri.host == "127.0.0.1"
    assert request.contact[0].uri.port == request.via[0].port


@pytest.mark.parametrize(
    ("behave", "reaction"),
    [
        (answering(486, "Busy Here"), Reaction.BUSY),
        (answering(489, "Bad Event"), Reaction.NOT_SUPPORTED),
        (answering(603, "Decline"), Reaction.REFUSED),
        (answering(480, "Gone"), Reaction.ABSENT),
        (answering(302, "Elsewhere"), Reaction.OTHER),
    ],
    ids=["busy", "bad-event", "decline", "gone", "elsewhere"],
)
def test_every_final_answer_is_an_answer(behave, reaction):
    answered, requests = meet(behave)

    assert answered.reaction is reaction
    assert len(requests) == 1


def test_an_overloaded_server_says_when_to_come_back():
    answered, _ = meet(answering(503, "Later", "Retry-After: 17"))
    assert (answered.reaction, answered.retry_after) == (Reaction.OVERLOADED, timedelta(seconds=17))


class TestChallenges:
    @pytest.mark.parametrize("algorithm", [", algorithm=MD5", ", algorithm=SHA-256", ", algorithm=MD5-sess", ""])
    @pytest.mark.parametrize("qop", [', qop="auth"', ', qop="auth,auth-int"'])
    @pytest.mark.parametrize("status", [401, 407])
    def test_the_right_password_is_taken(self, algorithm, qop, status):
        offer = f'Digest realm="pbx.example.org", nonce="{{nonce}}", opaque="o"{qop}{algorithm}'
        answered, requests = meet(Challenging((offer,), status=status))

        assert answered.status == 200
        assert [request.cseq.sequence for request in requests] == [1, 2]
        assert len({request.call_id for request in requests}) == 1

    @pytest.mark.parametrize("algorithm", [", algorithm=MD5", ", algorithm=SHA-256", ", algorithm=MD5-sess", ""])
    def test_without_qop_the_right_password_is_taken_where_that_is_allowed(self, algorithm):
        offer = f'Digest realm="pbx.example.org", nonce="{{nonce}}", opaque="o"{algorithm}'

        async def scenario():
            async with Phone(Challenging((offer,))) as phone:
                return await ask(a_notify(phone, answers_without_qop=True))

        (answered,) = run(scenario())
        assert answered.status == 200

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_without_qop_a_question_that_anybody_can_have_asked_is_not_answered(self, transport):
        async def scenario():
            async with Phone(
                Challenging(('Digest realm="pbx.example.org", nonce="{nonce}"',)), transport=transport
            ) as one:
                return await ask(a_notify(one)), one.requests

        (answered,), requests = run(scenario())
        assert (answered.status, answered.realm, answered.unanswered) == (401, "pbx.example.org", Unanswered.NO_QOP)
        assert [request.headers.get("Authorization") for request in requests] == [None]

    def test_without_qop_a_question_over_tls_is_answered(self, server_tls, client_tls):
        offer = ('Digest realm="pbx.example.org", nonce="{nonce}"',)

        async def scenario():
            async with Phone(Challenging(offer), transport="tls", tls=server_tls) as phone:
                return await ask(a_notify(phone), tls=client_tls)

        (answered,) = run(scenario())
        assert answered.status == 200

    def test_of_two_questions_the_one_with_qop_is_answered(self):
        phone = Challenging(
            (
                'Digest realm="pbx.example.org", nonce="{nonce}"',
                'Digest realm="pbx.example.org", nonce="{nonce}", qop="auth"',
            )
        )
        answered, _ = meet(phone)

        assert answered.status == 200
        assert [given["qop"] for given in phone.seen] == ["auth"]

    def test_one_that_asks_and_then_says_nothing_is_not_absent(self, monkeypatch):
        """It may be restarting: asked again by itself, it would restart twice."""
        monkeypatch.setattr(transaction, "TIMER_F", 0.4)
        answered, requests = meet(Challenging(then=silent))

        assert (answered.status, answered.reaction, answered.reason) == (None, Reaction.CREDENTIALS, "timeout")
        assert (answered.realm, answered.unanswered) == ("pbx.example.org", Unanswered.MUTE)
        assert len(requests) == 2

    def test_so_is_one_whose_connection_ends_then(self):
        def hang_up(phone, request):
            for _task, writer in phone.streams:
                writer.close()
            return []

        async def scenario():
            async with Phone(Challenging(then=hang_up), transport="tcp") as phone:
                return await ask(a_notify(phone))

        (answered,) = run(scenario())
        assert (answered.reason, answered.unanswered) == ("connection_lost", Unanswered.MUTE)

    def test_a_server_on_the_way_that_asked_does_not_show_that_the_telephone_is_there(self, monkeypatch):
        monkeypatch.setattr(transaction, "TIMER_F", 0.4)
        answered, _ = meet(Challenging(status=407, then=silent))

        assert (answered.reaction, answered.unanswered) == (Reaction.ABSENT, "")

    def test_one_that_never_said_anything_is_absent(self, monkeypatch):
        monkeypatch.setattr(transaction, "TIMER_F", 0.4)
        answered, _ = meet(silent)

        assert (answered.reaction, answered.unanswered) == (Reaction.ABSENT, "")

    def test_the_stronger_of_two_is_answered(self):
        phone = Challenging(
            tuple(
                f'Digest realm="pbx.example.org", nonce="{{nonce}}", algorithm={name}, qop="auth"'
                for name in ("MD5", "SHA-256-sess")
            )
        )
        answered, _ = meet(phone)

        assert answered.status == 200
        assert [given["algorithm"] for given in phone.seen] == ["SHA-256-sess"]

    def test_the_wrong_password_is_said_once(self):
        answered, requests = meet(Challenging(password="another"))

        assert (answered.status, answered.reaction, answered.realm) == (401, Reaction.CREDENTIALS, "pbx.example.org")
        assert len(requests) == 2

    def test_another_realm_hears_nothing(self):
        answered, requests = meet(Challenging(('Digest realm="elsewhere", nonce="{nonce}"',)))

        assert (answered.status, answered.reaction, answered.realm) == (401, Reaction.CREDENTIALS, "elsewhere")
        assert answered.unanswered == Unanswered.OTHER_REALM
        assert len(requests) == 1

    def test_of_two_realms_the_one_that_there_is_nothing_for_is_named(self):
        offers = tuple(
            f'Digest realm="{realm}", nonce="{{nonce}}", qop="auth"' for realm in ("pbx.example.org", "elsewhere")
        )
        answered, _ = meet(Challenging(offers, password="another"))

        assert (answered.realm, answered.unanswered) == ("elsewhere", Unanswered.OTHER_REALM)

    @pytest.mark.parametrize(("times", "status"), [(1, 200), (2, 401)])
    def test_a_stale_nonce_is_answered_once_more(self, times, status):
        answered, requests = meet(Challenging(stale_first=times))

        assert answered.status == status
        assert len(requests) == 3

    def test_a_server_on_the_way_challenges_as_well(self):
        phone = Challenging()
        offer = 'Digest realm="proxy", nonce="{nonce}", qop="auth"'
        proxy = Challenging((offer,), username="pbxcerts", password="kettle", status=407, then=phone)

        async def scenario():
            async with Phone(proxy) as telephone:
                known = (CREDENTIALS, Credentials("pbxcerts", "kettle", "proxy"))
                return await ask(a_notify(telephone, credentials=known)), telephone.requests

        (answered,), requests = run(scenario())
        assert answered.status == 200
        assert [request.cseq.sequence for request in requests] == [1, 2, 3]


class TestTime:
    def test_a_lost_request_is_repeated_as_it_was(self):
        answered, requests = meet(in_turn(silent, answering()))

        assert answered.status == 200
        first, second = requests
        assert str(first.headers) == str(second.headers)

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_after_32_seconds_nobody_is_there(self, transport):
        class Jumping(asyncio.SelectorEventLoop):
            """Its clock can be set, so that nobody has to wait."""

            ahead = 0.0

            def time(self):
                return super().time() + self.ahead

        async def scenario():
            async with (
                Phone(silent, transport=transport) as phone,
                aclosing(send_notifies([a_notify(phone)])) as answers,
            ):
                answered = asyncio.create_task(anext(answers))
                while not phone.requests:
                    await asyncio.sleep(0.001)
                asyncio.get_running_loop().ahead = 31.5
                await asyncio.sleep(0.01)
                assert not answered.done()
                asyncio.get_running_loop().ahead = 32.0
                return await answered

        with asyncio.Runner(loop_factory=Jumping) as runner:
            answered = runner.run(scenario())
        assert (answered.status, answered.reaction, answered.reason) == (None, Reaction.ABSENT, "timeout")

    def test_a_provisional_answer_is_not_the_last(self):
        answered, _ = meet(lambda phone, request: [answer(request, 100, "Trying"), answer(request)])
        assert answered.status == 200


class TestAnswersThatDoNotCount:
    @pytest.fixture(autouse=True)
    def everything_is_logged(self, caplog):
        caplog.set_level("DEBUG", "terminals.sip.notify")

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (lambda request: answer(request, 404, call_id="another"), "to none of our requests"),
            (
                lambda request: answer(request, 404, via="SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKanother"),
                "to none of our requests",
            ),
            (lambda request: answer(request, 404, cseq="2 NOTIFY"), "to none of our requests"),
            (lambda request: answer(request, 404, cseq="1 OPTIONS"), "to none of our requests"),
            (lambda request: answer(request, 404)[:-4], "cut"),
            (lambda request: answer(request, 404, "Gone", "X: " + "y" * LONGEST_HEAD), "too_long"),
            (lambda request: answer(request, 404, "Gone", *["X: y"] * 300), "too_long"),
            (lambda request: answer(request, 404, body=b"x" * 40_000), "cut"),
            (lambda request: answer(request, 404).replace(b"404", b"0x7"), "garbled"),
            (lambda request: bytes(request), "not_an_answer"),
            (lambda request: b"\x00" * 200, "not_an_answer"),
        ],
        ids=[
            *["call", "branch", "sequence", "method", "cut", "long-header", "many-headers", "long-body", "garbled"],
            *["request", "noise"],
        ],
    )
    def test_it_is_passed_over_and_the_right_one_taken(self, caplog, wrong, said):
        answered, _ = meet(lambda phone, request: [wrong(request), answer(request)])

        assert answered.status == 200
        assert [said in message for message in caplog.messages] == [True]

    def test_one_from_another_address_is_not_believed(self, caplog):
        behave = from_another_address("127.0.0.2")
        answered, requests = meet(in_turn(behave, answering(486, "Busy")))

        assert answered.status == 486
        assert len(requests) == 2
        assert caplog.messages == ["an answer from 127.0.0.2 that is awaited from 127.0.0.1"]

    def test_a_doubled_answer_is_one_answer(self, caplog):
        async def scenario():
            twice = lambda phone, request: [answer(request)] * 3  # noqa: E731 - it is short
            # The other one keeps the client listening.
            async with Phone(twice) as hasty, Phone(in_turn(silent, answering())) as slow:
                return await ask(a_notify(hasty, 0), a_notify(slow, 1))

        assert [answered.status for answered in run(scenario())] == [200, 200]
        assert ["to one that is answered" in message for message in caplog.messages] == [True, True]


class TestNextHops:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_a_name_is_looked_up(self, transport):
        async def scenario():
            async with Phone(transport=transport) as phone:
                hop = Hop("localhost", phone.port, Transport(transport))
                return await ask(*(a_notify(phone, number, next_hop=hop) for number in range(3)))

        assert [answered.status for answered in run(scenario())] == [200] * 3

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_ipv6(self, transport):
        async def scenario():
            async with Phone(transport=transport, host="::1") as phone:
                hop = Hop("0:0::1", phone.port, Transport(transport))
                return await ask(a_notify(phone, next_hop=hop)), phone.requests

        (answered,), (request,) = run(scenario())
        assert answered.status == 200
        assert (request.via[0].host, request.contact[0].uri.host) == ("[::1]", "[::1]")

    @pytest.mark.parametrize(
        ("hop", "reason"),
        [
            (Hop("255.255.255.255", 5060), "unreachable"),
            (Hop("127.0.0.1", 1, Transport.TCP), "unreachable"),
            (Hop("x" * 64 + ".invalid", 5060), "unresolved"),
            (Hop("x" * 64 + ".invalid", 5060, Transport.TCP), "unresolved"),
        ],
        ids=["udp", "tcp", "name-udp", "name-tcp"],
    )
    def test_who_cannot_be_reached_is_absent(self, hop, reason):
        notifies = [Notify(number, "sip:201@pbx.example.org", "check-sync", hop) for number in range(2)]
        for answered in run(ask(*notifies)):
            assert (answered.status, answered.reaction, answered.reason) == (None, Reaction.ABSENT, reason)

    def test_one_that_is_wrong_does_not_hold_up_the_others(self):
        async def scenario():
            async with Phone() as phone:
                gone = a_notify(phone, 0, next_hop=Hop("127.0.0.1", 1, Transport.TCP))
                return await ask(gone, a_notify(phone, 1))

        assert [answered.status for answered in run(scenario())] == [None, 200]


class TestConnections:
    def test_all_to_one_next_hop_share_one(self):
        async def scenario():
            async with Phone(Challenging(), transport="tcp") as server:
                answers = await ask(*(a_notify(server, number) for number in range(200)))
                return answers, server

        answers, server = run(scenario())
        assert {answered.status for answered in answers} == {200}
        assert server.connections == 1
        assert len(server.requests) == 400
        assert server.requests[0].via[0].transport == "TCP"
        assert dict(server.requests[0].contact[0].uri.parameters) == {"transport": "tcp"}

    def test_over_tls_the_next_hop_is_verified(self, server_tls, client_tls):
        async def scenario():
            async with Phone(transport="tls", tls=server_tls) as server:
                target = {"target": "sips:201@pbx.example.org"}
                return await ask(a_notify(server), a_notify(server, 1, **target), tls=client_tls), server

        answers, server = run(scenario())
        assert [answered.status for answered in answers] == [200, 200]
        plain, secure = server.requests
        assert plain.via[0].transport == secure.via[0].transport == "TLS"
        assert str(plain.contact[0].uri).startswith("sip:127.0.0.1:")
        assert dict(plain.contact[0].uri.parameters) == {"transport": "tls"}
        assert str(secure.contact[0].uri).startswith("sips:127.0.0.1:")

    def test_a_root_of_another_generation_is_not_trusted(self, server_tls):
        other = ssl.create_default_context(cadata=formats.pem(a_pair(number=8).root).decode())

        async def scenario():
            async with Phone(transport="tls", tls=server_tls) as server:
                return await ask(a_notify(server), tls=other), server

        (answered,), server = run(scenario())
        assert (answered.reaction, answered.reason) == (Reaction.ABSENT, "untrusted")
        assert server.requests == []

    def test_a_certificate_for_another_name_is_not_trusted(self, server_tls, client_tls):
        async def scenario():
            async with Phone(transport="tls", tls=server_tls) as server:
                hop = Hop("localhost", server.port, Transport.TLS)
                return await ask(a_notify(server, next_hop=hop), tls=client_tls)

        (answered,) = run(scenario())
        assert answered.reason == "untrusted"

    def test_tls_without_anything_to_verify_with_is_an_error(self):
        notify = Notify(1, "sip:201@pbx.example.org", "check-sync", Hop("127.0.0.1", 5061, Transport.TLS))
        with pytest.raises(ValueError, match="verify"):
            run(ask(notify))

    def test_a_lost_connection_is_opened_once_more_and_the_request_is_the_same(self):
        async def lose(phone):
            await phone.drop()

        def behave(phone, request):
            if phone.connections == 1:
                phone.losing = asyncio.create_task(lose(phone))
                return []
            return [answer(request)]

        async def scenario():
            async with Phone(behave, transport="tcp") as server:
                return await ask(a_notify(server)), server

        (answered,), server = run(scenario())
        assert answered.status == 200
        assert server.connections == 2
        first, second = server.requests
        assert str(first.headers) == str(second.headers)

    def test_a_loss_concerns_no_other_next_hop(self):
        async def lose(phone):
            # Until the other one has been answered, whose answer is remembered for a while.
            await asyncio.sleep(0.2)
            await phone.drop()

        def behave(phone, request):
            if phone.connections == 1:
                phone.losing = asyncio.create_task(lose(phone))
                return []
            return [answer(request)]

        async def scenario():
            async with Phone(behave, transport="tcp") as server, Phone() as other:
                return await ask(a_notify(server, 0), a_notify(other, 1)), other

        answers, other = run(scenario())
        assert [answered.status for answered in answers] == [200, 200]
        assert len(other.requests) == 1

    def test_one_that_is_lost_again_is_given_up(self):
        def behave(phone, request):
            phone.losing = asyncio.create_task(phone.drop())
            return []

        async def scenario():
            async with Phone(behave, transport="tcp") as server:
                return await ask(a_notify(server)), server

        (answered,), server = run(scenario())
        assert (answered.status, answered.reaction, answered.reason) == (None, Reaction.ABSENT, "connection_lost")
        assert server.connections == 2

    def test_a_server_that_does_not_come_back_is_absent(self):
        def behave(phone, request):
            phone.losing = asyncio.create_task(phone.refuse())
            return []

        async def scenario():
            async with Phone(behave, transport="tcp") as server:
                return await ask(a_notify(server))

        (answered,) = run(scenario())
        assert (answered.reaction, answered.reason) == (Reaction.ABSENT, "unreachable")

    @pytest.mark.parametrize(
        "noise",
        [b"x" * (LONGEST_HEAD + 1), b"SIP/2.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (LONGEST_BODY + 1)],
        ids=["endless-head", "endless-body"],
    )
    def test_a_stream_that_cannot_be_read_is_ended(self, caplog, noise):
        caplog.set_level("DEBUG", "terminals.sip.notify")

        async def scenario():
            behave = in_turn(lambda phone, request: [noise], answering())
            async with Phone(behave, transport="tcp") as server:
                return await ask(a_notify(server))

        (answered,) = run(scenario())
        assert answered.status == 200
        assert "octets that are no answer: too_long" in caplog.messages

    def test_connections_to_many_telephones_do_not_stay_open(self):
        async def scenario():
            async with AsyncExitStack() as stack:
                phones = [await stack.enter_async_context(Phone(transport="tcp")) for _ in range(MOST_IDLE + 20)]
                answers = send_notifies([a_notify(phone, number) for number, phone in enumerate(phones)])
                async with aclosing(answers):
                    statuses = [(await anext(answers)).status for _ in phones]
                    await asyncio.sleep(0.05)
                    return statuses, sum(phone.is_connected for phone in phones)

        statuses, connected = run(scenario())
        assert set(statuses) == {200}
        assert connected <= MOST_IDLE


class TestTheCaller:
    def test_no_more_are_under_way_than_wanted(self):
        held = []

        def in_threes(phone, request):
            held.append(answer(request))
            assert len(held) <= 3
            if len(held) < 3:
                return []
            answers = list(held)
            held.clear()
            return answers

        async def scenario():
            async with Phone(in_threes, transport="tcp") as server:
                return await ask(*(a_notify(server, number) for number in range(12)), at_most=3)

        assert {answered.status for answered in run(scenario())} == {200}

    def test_notifies_may_come_one_after_the_other(self):
        async def scenario():
            async with Phone() as phone:

                async def notifies():
                    for number in range(5):
                        await asyncio.sleep(0.001)
                        yield a_notify(phone, number)

                return [answered.status async for answered in send_notifies(notifies())]

        assert run(scenario()) == [200] * 5

    def test_an_error_of_the_caller_is_the_callers(self):
        async def scenario():
            async with Phone(silent) as phone:

                async def notifies():
                    yield a_notify(phone)
                    raise RuntimeError("the database is gone")

                return [answered async for answered in send_notifies(notifies())]

        with pytest.raises(RuntimeError, match="database"):
            run(scenario())

    def test_nothing_in_nothing_out(self):
        assert run(ask()) == []

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_who_stops_early_leaves_nothing_behind(self, transport):
        async def scenario():
            async with Phone(in_turn(answering(), silent), transport=transport) as phone:
                before = asyncio.all_tasks()
                async with aclosing(send_notifies([a_notify(phone, 0), a_notify(phone, 1)])) as answers:
                    first = await anext(answers)
                return first, asyncio.all_tasks() - before - {task for task, _ in phone.streams}

        first, left = run(scenario())
        assert first.status == 200
        assert left == set()
