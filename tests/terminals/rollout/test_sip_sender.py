"""Terminals asked by SIP over real sockets: which way a NOTIFY goes, and what comes back."""

import socket
from datetime import timedelta

import pytest
from django.utils import translation

from pbxcerts.system import sealing
from terminals.drivers.base import Reaction
from terminals.models import DeliverySettings, Installation, Terminal, TerminalType
from terminals.rollout import claims, rounds, words
from terminals.rollout.claims import Ask
from terminals.rollout.sip_sender import NoNotifyRoute, NotifyRoutes, SipSender, server_context, straight_to
from terminals.sip.hop import Hop, Transport
from tests.support.generations import DAY, MINUTE
from tests.support.sip_phone import a_phone

SOON = timedelta(seconds=5)


def a_terminal(**values):
    kind = TerminalType.objects.get_or_create(name="Mitel 6867i", defaults={"method": "mitel_sip"})[0]
    return Terminal.objects.create(type=kind, **{"number": "101", "path_secret": "secret", **values})


def an_ask(terminal, key=1):
    return Ask(key, terminal, "check-sync")


def routes(world, **values):
    delivery = DeliverySettings.load()
    for name, value in values.items():
        setattr(delivery, name, value)
    return NotifyRoutes(world.situation, delivery)


def test_a_phone_is_asked_straight_and_its_answer_stands_in_the_database(world):
    with a_phone() as (port, heard):
        terminal = a_terminal(address=f"127.0.0.1:{port}", way="direct")
        Installation.objects.create(generation_id=1, terminal=terminal, state="confirmed", confirmed_at=world.now)
        world.after(DAY).generate()
        world.after(MINUTE)
        current = rounds.reconcile_rollouts(world.situation)
        with SipSender(world.situation, DeliverySettings.load()) as sender:
            rounds.RolloutRound(world.situation, current, sender).run()
    row = Installation.objects.get(generation=2)
    assert (row.state, row.status_code, row.reaction) == ("heard", 200, "heard")
    [request] = heard
    assert request.startswith(f"NOTIFY sip:101@127.0.0.1:{port} SIP/2.0\r\n")
    assert "\r\nEvent: check-sync\r\n" in request


def test_answers_come_as_they_are_and_one_that_can_not_be_asked_says_so(world):
    with a_phone("486 Busy Here") as (port, _heard):
        busy = an_ask(a_terminal(address=f"127.0.0.1:{port}", way="direct"), 1)
        nowhere = an_ask(a_terminal(number="102", way="direct", path_secret="other"), 2)
        no_endpoint = an_ask(a_terminal(number="103", way="direct", path_secret="third", address="192.0.2.3:sip"), 3)
        no_event = Ask(
            4, a_terminal(number="104", way="direct", path_secret="fourth", address="192.0.2.4"), "check sync"
        )
        with SipSender(world.situation, DeliverySettings.load()) as sender:
            sender.ask([busy, nowhere, no_endpoint, no_event])
            came = []
            while len(came) < 4:
                came += sender.answers(SOON)
    assert {(one.ask.key, one.status, one.reaction, one.failure) for one in came} == {
        (1, 486, Reaction.BUSY, ""),
        (2, 0, Reaction.OTHER, "no_way"),
        (3, 0, Reaction.OTHER, "no_way"),
        (4, 0, Reaction.OTHER, "no_way"),
    }


@pytest.mark.parametrize(
    ("realm", "stored"),
    [("phones", "phones"), (" phones", ""), ("x" * 253, "x" * 253), ("x" * 254, ""), ("pho\u200bnes", "")],
)
def test_the_realm_that_asked_stands_in_the_database_where_a_person_could_have_entered_it(world, realm, stored):
    challenge = f'401 Unauthorized\r\nWWW-Authenticate: Digest realm="{realm}", nonce="1", qop="auth"'
    with a_phone(challenge) as (port, _heard):
        terminal = a_terminal(address=f"127.0.0.1:{port}", way="direct")
        row = Installation.objects.create(generation_id=1, terminal=terminal, state="asked", asked_at=world.now)
        with SipSender(world.situation, DeliverySettings.load()) as sender:
            sender.ask([an_ask(terminal, row.pk)])
            claims.record(sender.answers(SOON), now=world.now, seen_at=world.now)
    row.refresh_from_db()
    assert (row.state, row.failure, row.status_code) == ("failed", "other_realm", 401)
    assert (row.challenge_realm, row.challenge_proved) == (stored, False)


def test_a_later_answer_takes_the_place_of_the_realm(world):
    terminal = a_terminal(address="192.0.2.7", way="direct")
    row = Installation.objects.create(
        generation_id=1,
        terminal=terminal,
        state="asked",
        asked_at=world.now,
        challenge_realm="x",
        challenge_proved=True,
    )
    claims.record([claims.AskResult(an_ask(terminal, row.pk), 200, Reaction.HEARD)], now=world.now, seen_at=world.now)
    row.refresh_from_db()
    assert (row.challenge_realm, row.challenge_proved) == ("", False)


def test_only_what_came_from_the_server_over_tls_is_proved(world):
    through, straight = a_terminal(way="server"), a_terminal(number="102", way="direct", path_secret="other")
    assert routes(world).is_proved(through)
    assert not routes(world).is_proved(straight)
    assert not routes(world, proxy_transport="tcp").is_proved(through)


def test_the_type_says_whether_old_challenges_are_answered(world):
    terminal = a_terminal()
    assert not routes(world).notify(an_ask(terminal)).answers_without_qop
    terminal.type.answers_without_qop = True
    assert routes(world).notify(an_ask(terminal)).answers_without_qop


def test_where_nobody_answers_it_waits_no_longer_than_it_may(world):
    with SipSender(world.situation, DeliverySettings.load()) as sender:
        assert sender.answers(timedelta(milliseconds=20)) == []


def test_the_way_through_the_server_goes_to_the_address_of_record(world, db):
    notify = routes(world, proxy_host="proxy.example.com", sip_domain="example.com").notify(an_ask(a_terminal()))
    assert notify.target == "sip:101@example.com"
    assert notify.next_hop == Hop("proxy.example.com", 5061, Transport.TLS)
    assert notify.from_uri == "sip:pbxcerts@example.com"


def test_an_ipv6_address_of_the_server_stands_in_brackets_in_the_address_of_record(world):
    notify = routes(world, proxy_host="2001:db8::1").notify(an_ask(a_terminal()))
    assert notify.target == "sip:101@[2001:db8::1]"
    assert notify.next_hop.host == "2001:db8::1"


def test_where_the_server_takes_no_connection_the_absence_has_a_reason(world, delivery):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    delivery(proxy_host="127.0.0.1", proxy_port=port, proxy_transport="tcp")
    terminal = a_terminal()
    Installation.objects.create(generation_id=1, terminal=terminal, state="asked", asked_at=world.now)
    ask = an_ask(terminal, Installation.objects.get().pk)
    with SipSender(world.situation, DeliverySettings.load()) as sender:
        sender.ask([ask])
        claims.record(sender.answers(SOON), now=world.now, seen_at=world.now)
    row = Installation.objects.get()
    assert (row.state, row.failure) == ("absent", "unreachable")
    with translation.override("en"):
        assert "accepts no connection" in words.failure(row)[0]


def test_without_a_proxy_the_communication_server_is_it(world):
    notify = routes(world).notify(an_ask(a_terminal()))
    assert notify.next_hop.host == "pbx.example.com"


def test_the_way_of_the_terminal_comes_before_that_of_its_type(world):
    terminal = a_terminal(address="192.0.2.7", way="direct", transport="tcp")
    assert routes(world).notify(an_ask(terminal)).next_hop == Hop("192.0.2.7", 5060, Transport.TCP)


def test_where_the_terminal_has_no_way_that_of_its_type_counts(world):
    terminal = a_terminal(address="192.0.2.7")
    terminal.type.way = "direct"

    assert routes(world).notify(an_ask(terminal)).next_hop == Hop("192.0.2.7", 5060, Transport.UDP)


def test_the_account_is_the_sender(world):
    notify = routes(world, sip_domain="example.com", account_user="warden").notify(an_ask(a_terminal()))

    assert notify.from_uri == "sip:warden@example.com"


def test_credentials_are_those_of_the_terminal_and_of_the_account_each_for_its_realm(world):
    def sealed(password):
        return sealing.key_list().encrypt(password.encode())

    terminal = a_terminal(sip_user="u101", sip_realm="phones", sip_password=sealed("blue"))
    through = routes(world, sip_domain="example.com", account_user="pbxcerts", account_password=sealed("green")).notify(
        an_ask(terminal)
    )
    assert [(one.username, one.password, one.realm) for one in through.credentials] == [
        ("u101", "blue", "phones"),
        ("pbxcerts", "green", "example.com"),
    ]
    terminal.way, terminal.address = "direct", "192.0.2.7"
    straight = routes(world, account_user="pbxcerts", account_password=sealed("green")).notify(an_ask(terminal))
    assert [one.username for one in straight.credentials] == ["u101"]
    assert "blue" not in repr(straight)


@pytest.mark.parametrize("number", ["1 01", "101\r\nX: y", "101@evil.example", "ä", "<101>"])
def test_a_number_can_not_break_out_of_its_place(world, number):
    target = routes(world, sip_domain="example.com").notify(an_ask(a_terminal(number=number))).target
    assert target.startswith("sip:")
    assert target.endswith("@example.com")
    assert target.count("@") == 1
    assert not set(target) & set(" \r\n<>")


@pytest.mark.parametrize(
    ("address", "hop"),
    [
        ("192.0.2.7", ("192.0.2.7", 5060)),
        ("192.0.2.7:5070", ("192.0.2.7", 5070)),
        ("2001:db8::7", ("2001:db8::7", 5060)),
        ("[2001:db8::7]:5070", ("2001:db8::7", 5070)),
        ("[2001:db8::7]", ("2001:db8::7", 5060)),
    ],
)
def test_an_address_says_where(address, hop):
    assert straight_to(Terminal(address=address, transport="udp")) == Hop(*hop, Transport.UDP)


def test_without_an_address_there_is_no_way():
    with pytest.raises(NoNotifyRoute):
        straight_to(Terminal(transport="udp"))


def test_the_server_is_trusted_with_every_pair_of_the_bundle_and_nobody_else(world):
    world.after(DAY).generate()
    context = server_context(world.situation)
    assert context.cert_store_stats()["x509_ca"] == 2
    assert context.check_hostname
