"""What phones prove, written to a PostgreSQL of Debian by the same statements."""

import json

import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.postgresql import installed_database
from tests.support.product import Product
from tests.support.provisioning import FIRST_PAIR, GENERATE

pytestmark = pytest.mark.peer

WRITES = """
import json
from datetime import UTC, datetime
from pbxcerts.system.events import Notice
from pbxcerts.system.models import EventMessage
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust, LoggedEvent
from terminals.models import DeliverySettings, Installation, Terminal
from terminals.web.provisioning import FETCHED_IN_CLEAR

now = datetime.now(UTC)
keys = list(Terminal.objects.order_by("pk").values_list("pk", flat=True))
DeliverySettings.load()
DeliverySettings.objects.update(telephone_networks=["192.0.2.0/24"])
facts = [FetchedTrust(key, frozenset({1}), "1.pem", "Mitel6930", "192.0.2.1", now) for key in [*keys, 999_999]]
notice = lambda key: Notice(FETCHED_IN_CLEAR, subject=f"1 {key} b", params={"number": str(key), "address": "b"})
for chosen in (keys[:1], keys, keys):
    recording.write_facts([*facts, *(LoggedEvent(notice(key), now) for key in chosen)])
print(json.dumps([
    list(Installation.objects.order_by("terminal").values_list("state", "address_differs")),
    list(EventMessage.objects.filter(kind="fetched_over_http").order_by("subject").values_list("params__address", "with_match")),
]))
"""

JUDGED = """
import json
from datetime import UTC, datetime, timedelta
from django.db.models import Q
from terminals.drivers.base import Reaction
from terminals.evidence import fetches, recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust
from terminals.evidence.models import Requester
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from terminals.rollout import claims
from terminals.rollout.claims import AskResult

now = datetime.now(UTC)
DeliverySettings.load()
DeliverySettings.objects.update(telephone_networks=[])
Installation.objects.all().delete()
Rollout.objects.get_or_create(generation_id=1, defaults={"started_at": now})
keys = list(Terminal.objects.order_by("pk").values_list("pk", flat=True))
Installation.objects.bulk_create(Installation(generation_id=1, terminal_id=key, wave=1) for key in keys)

def states():
    return list(Installation.objects.order_by("terminal").values_list("state", "proof"))

def took(key, address):
    return FetchedTrust(key, frozenset({1}), "1.pem", "", address, now + timedelta(seconds=5))

told = []
recording.write_facts([took(key, "203.0.113.9") for key in keys])
told.append(states())
Requester.objects.all().delete()
asks = claims.claim(1, Q(), at_once=10, now=now, machine=now)
recording.write_facts([took(key, f"198.51.100.{key}") for key in keys])
claims.record([AskResult(ask, 200, Reaction.HEARD) for ask in asks], now=now, seen_at=now)
told.append(states())
recording.write_facts([FetchedConfiguration(keys[0], "a.cfg", "", "203.0.113.9", now + timedelta(seconds=6))])
told.append(states())
fetches.accept(keys[0], f"198.51.100.{keys[0]}", by="otto")
told.append(states())
for number in range(30):
    recording.write_facts([took(keys[1], f"203.0.113.{number}"), took(keys[1], f"2001:db8:{number:x}::1")])
told.append([Requester.objects.filter(terminal=keys[1]).count()])
told.append(states())
print(json.dumps(told))
"""

IN_TURN = """
import json
from datetime import UTC, datetime, timedelta
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust
from terminals.evidence.requesters import begin_anew
from terminals.evidence.models import Requester
from terminals.models import Terminal, TerminalType
from terminals.web.snapshot import TakenInTurn, _taken_in_turn

now = datetime.now(UTC)
type = TerminalType.objects.create(name="A Yealink of a test", method="yealink", wants="root")
keys = [Terminal.objects.create(number=f"9{n}", type=type, mac=f"00156500000{n}").pk for n in range(2)]

def took(minutes, *takes):
    at = now + timedelta(minutes=minutes)
    recording.write_facts([FetchedTrust(key, frozenset({n}), "x", "", "192.0.2.7", at) for key, n in takes])

told, known = [], TakenInTurn()
for happens in (
    lambda: took(1, (keys[0], 1), (keys[1], 1)),
    lambda: took(5, (keys[0], 1)),
    lambda: begin_anew(keys[1]),
):
    happens()
    newer = _taken_in_turn(known)
    told.append([[list(newer.by[key, "192.0.2.7"]) for key in keys], newer.change > known.change])
    known = newer
Terminal.objects.filter(pk__in=keys).delete()
type.delete()
print(json.dumps(told))
"""

AT_ONCE = """
import json, threading
from datetime import UTC, datetime, timedelta
from django.db import OperationalError, connection
from django.db.models import Q
from terminals.drivers.base import Reaction
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust
from terminals.models import Installation, Rollout, Terminal
from terminals.rollout import claims, orders
from terminals.rollout.claims import AskResult

now = datetime.now(UTC)
Installation.objects.all().delete()
rollout, _ = Rollout.objects.get_or_create(generation_id=1, defaults={"started_at": now})
keys = list(Terminal.objects.order_by("pk").values_list("pk", flat=True))
Installation.objects.bulk_create(Installation(generation_id=1, terminal_id=key, wave=1) for key in reversed(keys))
failed = []

def again_and_again(work):
    try:
        for number in range(ROUNDS):
            work(number)
    except OperationalError as error:
        failed.append(str(error).splitlines()[0])
    finally:
        connection.close()

def come(number):
    at = now + timedelta(seconds=number)
    recording.write_facts([FetchedTrust(key, frozenset({1}), "1.pem", "", f"203.0.113.{number}", at) for key in keys])

def are_asked(number):
    asks = claims.claim(1, Q(), at_once=len(keys), now=now, machine=now)
    claims.record([AskResult(ask, 200, Reaction.HEARD) for ask in reversed(asks)], now=now, seen_at=now)

def are_ordered(number):
    for order in (orders.retry_failed, orders.restart_now):
        order(rollout, by="otto", at=now)
    Installation.objects.of(1).take_back()

threads = [threading.Thread(target=again_and_again, args=[work]) for work in (come, are_asked, are_ordered)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(failed))
"""

DISCOVERED = """
import json
from datetime import UTC, datetime, timedelta
from terminals.evidence import recording
from terminals.evidence.facts import UnknownPhone
from terminals.evidence.models import Discovered

now = datetime.now(UTC)
genuine = UnknownPhone("1400E91EDB52", "6930", "6.4", "192.0.2.9", now)
recording.write_facts([genuine, UnknownPhone(genuine.mac, "", "", "198.51.100.66", now + timedelta(seconds=1))])
for number in range(0, 160, 20):
    some = range(number, number + 20)
    recording.write_facts([UnknownPhone(f"00085D{one:06X}", "", "", "2001:db8::1", now + timedelta(minutes=one)) for one in some])
recording.write_facts([UnknownPhone(genuine.mac, "", "", "192.0.2.9", now)])
kept = Discovered.objects.exclude(mac=genuine.mac)
entries = Discovered.objects.filter(mac=genuine.mac).order_by("first_seen")
print(json.dumps([
    list(entries.values_list("address", "model", "requests")),
    [kept.count(), min(kept.values_list("mac", flat=True))],
]))
"""


@pytest.fixture(scope="module")
def product(postgresql, tmp_path_factory):  # noqa: F811 - the fixture
    with Product(tmp_path_factory.mktemp("evidence"), PBXCERTS_DATABASE=installed_database(postgresql)) as product:
        product.run(FIRST_PAIR, "3")
        product.run(GENERATE)
        yield product


def test_phones_of_the_list_are_confirmed_and_each_is_logged_once(product):
    confirmed, logged = json.loads(product.run(WRITES))

    assert confirmed == [["confirmed", True]] * 3
    assert logged == [["b", False]] * 3


def test_what_an_answer_proves_and_a_second_address_takes_back(product):
    first, answered, contested, accepted, remembered, flooded = json.loads(product.run(JUDGED))

    assert first == [["unproved", ""]] * 3
    assert answered == [["confirmed", "answer"]] * 3
    assert contested == [["unproved", ""], *answered[1:]]
    assert accepted == [["confirmed", "accepted"], *answered[1:]]
    assert remembered == [16]
    assert flooded == [accepted[0], ["unproved", ""], answered[2]]


def test_what_is_taken_in_turn_is_numbered_so_that_a_listener_finds_what_is_new(product):
    assert json.loads(product.run(IN_TURN)) == [
        [[[1], [1]], True],
        [[[1], [1]], True],
        [[[1], []], True],
    ]


def test_of_phones_that_are_not_in_the_list_one_address_keeps_a_hundred(product):
    genuine, invented = json.loads(product.run(DISCOVERED))

    assert genuine == [["192.0.2.9", "6930", 2], ["198.51.100.66", "", 1]]
    assert invented == [100, f"00085D{60:06X}"]


def test_fetches_answers_and_orders_at_once_wait_for_each_other_and_none_fails(product):
    assert json.loads(product.run(AT_ONCE.replace("ROUNDS", "15"))) == []
