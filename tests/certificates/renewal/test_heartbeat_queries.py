"""What a round costs the database, whatever the number of generations."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from certificates.models import Generation, Transition
from certificates.renewal import orders
from certificates.renewal.rounds import reconcile
from certificates.renewal.situation import Situation, _rows
from pbxcerts.heartbeat import beat
from pbxcerts.system.time.ntp import NtpAnswer, NtpSurvey
from pbxcerts.system.time.timekeeping import current_clock
from tests.support.generations import DAY, Trigger, World


def right(servers):
    """Servers that agree with this machine."""
    return NtpSurvey(
        tuple(
            NtpAnswer(name, f"192.0.2.{n}", timedelta(), timedelta(), 2, 0) for n, name in enumerate(servers, start=1)
        )
    )


@pytest.fixture
def beating(world):
    """The first pair is active since now, by this machine's own clock, and the heartbeat has run."""
    world.at(datetime.now(UTC))
    beat(server=world.server, ask=right)
    orders.order_generation(current_clock(), orders.GenerationOrder(Trigger.PAGE))
    beat(server=world.server, ask=right)
    assert world.states == {1: "active"}
    return world


def with_history(world: World, ended: int) -> World:
    """That many generations that have been: superseded long ago, discarded, failed."""
    model = Generation.objects.get(number=1)
    values = {f.attname: getattr(model, f.attname) for f in Generation._meta.concrete_fields}
    states = ["superseded", "discarded", "failed"]
    rows = [
        Generation(
            **values
            | {
                "number": number,
                "replaces": 10**6 + number,
                "state": states[number % 3],
                "host_key": None,
                "end": world.now - number * DAY,
                "failed_at": world.now - number * DAY,
            }
        )
        for number in range(100, 100 + ended)
    ]
    Generation.objects.bulk_create(rows)
    Transition.objects.bulk_create(
        [Transition(generation=row, from_state="making", to_state=row.state, at=row.end) for row in rows]
    )
    # The store is marked with what has happened.
    beat(server=world.server, ask=right)
    return world


def queries_of(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("ended", [0, 300])
def test_with_nothing_due_the_heartbeat_asks_at_most_nine_times(beating, ended):
    with_history(beating, ended)
    # What it signs of the newest change it signs once.
    beat(server=beating.server, ask=right)
    queries = queries_of(lambda: beat(server=beating.server, ask=right))
    assert len(queries) <= 9, "\n".join(queries)


@pytest.mark.parametrize("ended", [0, 300])
def test_also_during_a_handover(beating, ended):
    beating.generate(clock=current_clock())
    beat(server=beating.server, ask=right)
    with_history(beating, ended)
    beat(server=beating.server, ask=right)
    assert Situation.load(current_clock()).pending is not None
    # Whom it waits for is asked by the round and once more by the warnings.
    assert len(queries_of(lambda: beat(server=beating.server, ask=right))) <= 10


def test_reading_the_situation_costs_the_same_with_hundreds_of_generations(beating):
    clock = current_clock()
    before = queries_of(lambda: Situation.load(clock))
    with_history(beating, 300)
    after = queries_of(lambda: Situation.load(clock))
    assert len(before) == len(after) == 2
    assert [g.number for g in Situation.load(clock).generations] == [1]


def test_a_round_with_nothing_due_writes_nothing(beating):
    clock = current_clock()
    queries = queries_of(lambda: reconcile(clock, terminals=beating.telephones, server=beating.server))
    assert all(query.startswith("SELECT") for query in queries)


@pytest.mark.parametrize("became", ["discarded", "failed"])
def test_nor_does_it_read_what_was_made_before_for_the_same_pair(running, became):
    """However often a person made one anew, or it failed, while the same pair was active."""
    with_history(running, 300)
    Generation.objects.filter(number__gte=100).update(replaces=1, state=became, discarded_at=running.now - DAY)
    made = running.generate()
    assert [row.number for row in _rows()] == [made.number, 1]
