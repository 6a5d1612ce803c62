"""What grows and is of no more use goes in the first round of an hour, and never stops the round."""

from datetime import timedelta

import pytest
from django_q.models import Task

from pbxcerts import housekeeping
from pbxcerts.heartbeat import beat
from pbxcerts.housekeeping import keep_house
from pbxcerts.system.models import Heartbeat

DAY = timedelta(days=1)


def task(name, started):
    Task.objects.create(id=name, name=name, func="heartbeat", started=started, stopped=started, success=False)


@pytest.mark.parametrize(("last", "left"), [(timedelta(), {"new", "old", "ahead"}), (timedelta(hours=1), {"new"})])
def test_tasks_that_failed_long_ago_or_in_a_time_that_never_was_go(world, last, left):
    now = world.situation.clock.machine
    task("new", now - DAY)
    task("old", now - 91 * DAY)
    task("ahead", now + 400 * DAY)

    keep_house(world.situation, last=now - last)

    assert set(Task.objects.values_list("name", flat=True)) == left


def test_where_it_fails_the_round_goes_on(world, monkeypatch, caplog):
    def fails(_situation):
        raise RuntimeError("no room")

    monkeypatch.setattr(housekeeping, "condense", fails)

    beat(server=world.server)

    assert "could not be removed" in caplog.text
    assert Heartbeat.objects.get().beats == 1
