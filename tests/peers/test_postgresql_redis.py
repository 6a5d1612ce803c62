"""The product over a PostgreSQL and a Redis of Debian, as the environment variables set them."""

import json
import time
from pathlib import Path

import psycopg
import pytest
import redis

from pbxcerts.system.machines import machine_key
from tests.support.postgresql import cluster, installed_database, unprivileged_directory
from tests.support.product import Product
from tests.support.redis_server import redis_server

pytestmark = pytest.mark.peer

ORDER_THE_FIRST = """
from certificates.renewal.orders import GenerationOrder, order_generation
from certificates.models import Generation, Settings
from pbxcerts.system.time import timekeeping
from pbxcerts.system.models import General

general = General.load()
general.fqdn, general.on_this_machine = "pbx.example.org", False
general.save()
settings = Settings.load()
settings.key_type = "p256"
settings.save()
order_generation(timekeeping.current_clock(), GenerationOrder(Generation.Trigger.COMMAND, without_clock=True))
"""

VIOLATE = """
import json
from datetime import UTC, datetime
from django.db import IntegrityError, transaction
from certificates.models import Generation

now = datetime(2026, 7, 1, tzinfo=UTC)

def insert(number, state, replaces):
    try:
        with transaction.atomic():
            Generation.objects.create(
                number=number, state=state, replaces=replaces, trigger="page", key_type="p256",
                ordered_at=now, made_at=now, not_before=now, planned=now, end=now,
            )
    except IntegrityError as error:
        return error.__cause__.diag.constraint_name
    return "taken"

print(json.dumps([
    insert(1, "active", 0),
    insert(2, "active", 1),
    insert(3, "prepared", 1),
    insert(4, "held", 2),
    insert(5, "superseded", 1),
    insert(6, "superseded", 5),
    insert(7, "failed", 1),
]))
"""

RACE = """
import sys
from certificates.renewal.orders import GenerationOrder, StateRefused, order_generation
from certificates.models import Generation
from pbxcerts.system.time import timekeeping

clock = timekeeping.current_clock()
print("ready", flush=True)
sys.stdin.read()
try:
    order_generation(clock, GenerationOrder(Generation.Trigger.PAGE, without_clock=True))
except StateRefused:
    print("refused")
else:
    print("claimed")
"""


@pytest.fixture(scope="module")
def unprivileged():
    with unprivileged_directory() as found:
        yield found


@pytest.fixture(scope="module")
def postgresql(unprivileged):
    """A cluster of our own on loopback; its URL without the name of a database."""
    with cluster(*unprivileged) as url:
        yield url


@pytest.fixture(scope="module")
def broker(unprivileged):
    """A Redis of our own on loopback, as a URL."""
    with redis_server(*unprivileged) as server:
        yield server.url


@pytest.fixture
def product(postgresql, broker, tmp_path):
    """The product over a database of its own."""
    with Product(tmp_path, PBXCERTS_DATABASE=installed_database(postgresql), PBXCERTS_BROKER=broker) as product:
        yield product


def ask(product, query):
    with psycopg.connect(product.environment["PBXCERTS_DATABASE"]) as connection:
        return connection.execute(query).fetchall()


def wait_for(product, query):
    """Until the query has a row: two heartbeats by the schedule, at most."""
    until = time.monotonic() + 150
    while not (rows := ask(product, query)):
        assert product.still_runs()
        assert time.monotonic() < until, product.log.read_text()
        time.sleep(0.2)
    return rows


def test_the_worker_makes_and_publishes_what_was_ordered_and_goes_on_beating(product, broker):
    product.run(ORDER_THE_FIRST)
    assert ask(product, "SELECT number, state FROM certificates_generation") == [(1, "making")]
    with redis.Redis.from_url(broker) as client:
        client.config_resetstat()
        product.up()
        product.wait_until_it_answers()
        wait_for(product, "SELECT 1 FROM certificates_generation WHERE state = 'active'")
        [(last_run,)] = wait_for(product, "SELECT last_run FROM system_heartbeat WHERE last_run IS NOT NULL")
        wait_for(product, f"SELECT 1 FROM system_heartbeat WHERE last_run > '{last_run.isoformat()}'")
        assert product.end() == 0
        commands = client.info("commandstats")

    assert ask(product, "SELECT number, state, failure FROM certificates_generation") == [(1, "active", "")]
    assert (product.data / "store" / "current").readlink() == Path("generations/0001")
    assert "Traceback" not in product.log.read_text()
    # The heartbeats came through Redis, and nothing went the way of the embedded default.
    assert commands["cmdstat_rpush"]["calls"] >= 2
    assert commands["cmdstat_blpop"]["calls"] >= 2
    assert ask(product, "SELECT count(*) FROM django_q_ormq") == [(0,)]
    assert not (product.data / "pbxcerts.sqlite3").exists()


def test_the_database_refuses_what_must_never_be(product):
    assert json.loads(product.run(VIOLATE)) == [
        "taken",
        "at_most_one_active",
        "taken",
        "at_most_one_prepared_or_held",
        "one_attempt_per_slot",
        "taken",
        "taken",
    ]


def test_one_of_four_processes_claims_the_slot(product):
    product.run(ORDER_THE_FIRST)
    ask(product, "UPDATE certificates_generation SET state = 'failed' RETURNING number")
    racers = [product.command("-c", f"import django; django.setup()\n{RACE}") for _ in range(4)]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 4
    for racer in racers:
        racer.stdin.close()
    results = []
    for racer in racers:
        # communicate() would flush the input that is closed already.
        results.append(racer.stdout.read().strip())
        assert racer.wait() == 0, racer.stderr.read()
        racer.stdout.close()
        racer.stderr.close()

    assert sorted(results) == ["claimed", "refused", "refused", "refused"]
    assert ask(product, "SELECT state, count(*) FROM certificates_generation GROUP BY state ORDER BY state") == [
        ("failed", 1),
        ("making", 1),
    ]


def test_the_supervisor_sees_the_heartbeats_row_change(product):
    machine_key.keep(product.data, "0" * 32)
    product.run("from pbxcerts.system.models import Heartbeat\nHeartbeat.load(); Heartbeat.objects.update(beats=41)")

    assert (
        product.run(
            "from django.conf import settings\nfrom pbxcerts.processes import pulse\nprint(pulse.read(None, settings.MACHINE))"
        ).strip()
        == "Pulse(beats=41, waiting=0)"
    )
