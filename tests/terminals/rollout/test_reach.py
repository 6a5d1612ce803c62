"""Who asks by itself, and whether in time for the deadline (rule reach)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from certificates.models import Generation
from terminals.models import Installation, Terminal
from terminals.rollout import rounds
from terminals.rollout.reach import TypeReach, reach

DAY = timedelta(days=1)


@pytest.fixture
def site(fleet):
    """Three telephones that ask once a week, three that ask every day by their delivery, and two that never ask by themselves."""
    weekly = fleet.type("asks weekly", "yealink", asks_every_hours=7 * 24)
    daily = fleet.type("asks daily", "yealink")
    fleet.add(3, weekly)
    fleet.add(3, daily)
    fleet.add(2)
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    Terminal.objects.update(last_contact=fleet.world.situation.clock.machine)
    return fleet


def found(fleet):
    target = fleet.world.situation.pending
    return reach(fleet.world.situation, target)


def deadline(fleet, after):
    """Let it be so long from now."""
    Generation.objects.filter(pk=fleet.world.situation.pending.pk).update(
        deadline=fleet.world.situation.clock.best + after
    )


def rows(fleet):
    return {row.type.name: (row.every, row.missing, row.too_late, row.silent) for row in found(fleet).types}


def test_who_asks_before_the_deadline_is_in_time(site):
    deadline(site, 14 * DAY)

    assert rows(site) == {"asks weekly": (7 * DAY, 3, 0, 0), "asks daily": (DAY, 3, 0, 0)}


def test_who_asks_after_the_deadline_only_is_too_late(site):
    deadline(site, 3 * DAY)
    early = Terminal.objects.filter(type__name="asks weekly").first()
    Terminal.objects.filter(pk=early.pk).update(last_contact=early.last_contact - 5 * DAY)

    assert rows(site) == {"asks weekly": (7 * DAY, 3, 2, 0), "asks daily": (DAY, 3, 0, 0)}
    assert (found(site).missing, found(site).too_late, found(site).silent) == (6, 2, 0)


def test_of_one_that_is_overdue_nobody_knows_when_it_asks(site):
    deadline(site, 3 * DAY)
    silent, never, once_missed = Terminal.objects.filter(type__name="asks daily")
    Terminal.objects.filter(pk=silent.pk).update(last_contact=silent.last_contact - 3 * DAY)
    Terminal.objects.filter(pk=never.pk).update(last_contact=None)
    Terminal.objects.filter(pk=once_missed.pk).update(last_contact=once_missed.last_contact - 1.5 * DAY)

    assert rows(site)["asks daily"] == (DAY, 3, 0, 2)


def test_who_has_confirmed_is_skipped_or_is_disabled_is_not_missing(site):
    deadline(site, 3 * DAY)
    confirmed, skipped, disabled = Terminal.objects.filter(type__name="asks weekly")
    mine = Installation.objects.filter(generation=site.world.situation.pending)
    mine.filter(terminal=confirmed).update(
        state="confirmed", confirmed_at=site.world.situation.clock.best, evidence="fetched"
    )
    mine.filter(terminal=skipped).update(state="skipped")
    Terminal.objects.filter(pk=disabled.pk).update(enabled=False)

    assert set(rows(site)) == {"asks daily"}


@pytest.mark.parametrize(("last_contact", "counted"), [("never", (2, 0, 2)), ("now", (2, 2, 0))])
def test_one_that_was_skipped_is_neither_silent_nor_too_late(site, last_contact, counted):
    deadline(site, 3 * DAY)
    weekly = Terminal.objects.filter(type__name="asks weekly")
    if last_contact == "never":
        weekly.update(last_contact=None)
    pending = Installation.objects.filter(generation=site.world.situation.pending)
    pending.filter(terminal=weekly.first()).update(state="skipped")

    assert rows(site)["asks weekly"] == (7 * DAY, *counted)


def test_without_a_deadline_nobody_is_too_late(site):
    Generation.objects.filter(pk=site.world.situation.pending.pk).update(deadline=None)

    assert rows(site) == {"asks weekly": (7 * DAY, 3, 0, 0), "asks daily": (DAY, 3, 0, 0)}


def test_where_nobody_asks_by_itself_there_is_nothing_to_say(fleet):
    fleet.add(2)
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)

    assert found(fleet).types == ()
    assert found(fleet).missing == 0


def test_it_takes_four_queries_for_any_number(site):
    situation = site.world.situation
    target = situation.pending
    with CaptureQueriesContext(
        connection,
    ) as captured:
        found = reach(situation, target)

    assert len(captured) == 4
    assert all(isinstance(row, TypeReach) for row in found.types)
