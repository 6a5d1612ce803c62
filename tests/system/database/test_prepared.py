"""Queries that are put together once."""

import gc
import threading
import weakref
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.db.models import F

from pbxcerts.system.database.prepared import ModelsPutTogether, PutTogether, prepared, prepared_values
from pbxcerts.system.models import ClockCheck, EventMessage, Heartbeat
from terminals.models import Installation

pytestmark = pytest.mark.django_db


ODD = 'it\'s \\ 100 % of "%s" and %%s'


@prepared
def of_kind_and_subject(kind, subject):
    return EventMessage.objects.filter(kind=kind, subject=subject).order_by("pk").defer("params")


@prepared
def the_newest():
    return EventMessage.objects.order_by("-pk")[:1]


@prepared_values
def critical():
    return EventMessage.objects.filter(severity="critical").order_by("pk").values_list("kind", "pk")


@prepared
def critical_ones_of(kind):
    return EventMessage.objects.filter(severity="critical", kind=kind)


@prepared
def with_a_part_of_the_subject(part):
    return EventMessage.objects.filter(subject__contains=part)


@prepared_values
def of_an_odd_kind(subject):
    return EventMessage.objects.filter(kind=ODD, subject=subject).order_by("pk").values_list("pk")


@prepared_values
def of_an_odd_kind_and_any_subject():
    return EventMessage.objects.filter(kind=ODD).order_by("pk").values_list("subject")


@prepared_values
def raised_between(begin, end, kind):
    found = EventMessage.objects.filter(kind=kind, raised_at__gte=begin, raised_at__lt=end)
    return found.order_by("pk").values_list("pk")


@prepared_values
def in_a_wave(wave):
    return Installation.objects.filter(wave=wave).order_by().values_list("pk")


@prepared
def heartbeats():
    found = Heartbeat.objects.select_related("last_check").order_by("key").defer("store_mark")
    return found.annotate(checked_at_all=F("last_check__checked_at"))


NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def messages():
    def add(kind, subject="", severity="critical"):
        return EventMessage.objects.create(
            kind=kind, subject=subject, severity=severity, raised_at=NOW, params={"a": 1}
        )

    return add


def test_each_time_it_asks_for_what_is_there_now(messages):
    assert of_kind_and_subject("%s", "1") == the_newest() == critical() == []

    first, second = messages("%s", "1"), messages("off", "1", severity="normal")

    assert of_kind_and_subject("%s", "1") == [first]
    assert of_kind_and_subject("off", "1") == [second]
    assert of_kind_and_subject("off", "2") == []
    assert the_newest() == [second]
    assert critical() == [("%s", first.pk)]
    assert of_kind_and_subject("%s", "1")[0].params == {"a": 1}


def test_it_costs_one_query(messages, django_assert_num_queries):
    messages("off", "1")

    with django_assert_num_queries(3):
        of_kind_and_subject("off", "1")
        the_newest()
        critical()


def test_a_value_that_never_changes_may_stand_beside_an_argument(messages):
    first = messages("off", "1")
    messages("off", "2", severity="normal")
    messages("on", "1")

    assert critical_ones_of("off") == [first]
    assert critical_ones_of("elsewhere") == []


def test_an_argument_that_is_no_value_of_the_query_is_refused():
    with pytest.raises(TypeError, match="with_a_part_of_the_subject"):
        with_a_part_of_the_subject("off")


def test_an_argument_may_be_an_instant_in_whatever_zone(messages):
    first = messages("9000", "1")
    later = NOW + timedelta(microseconds=1)

    assert raised_between(NOW, later, "9000") == [(first.pk,)]
    assert raised_between(NOW.astimezone(ZoneInfo("Asia/Tokyo")), later, "9000") == [(first.pk,)]
    assert raised_between(later, NOW + timedelta(days=1), "9000") == []
    assert raised_between(NOW - timedelta(days=1), NOW, "9000") == []


def test_it_gives_what_the_query_set_gives_with_the_relation_that_is_followed(django_assert_num_queries):
    check = ClockCheck.objects.create(
        machine="a", checked_at=NOW, boottime=1.5, offset=timedelta(seconds=2), answers=[{"a": 1}]
    )
    Heartbeat.objects.bulk_create(
        [
            Heartbeat(key="a", last_check=check, presented={"192.0.2.10:5061": {"at": "now"}}, last_run=NOW, beats=7),
            Heartbeat(key="b", offset=timedelta(minutes=-1)),
        ]
    )
    wanted = list(heartbeats.__wrapped__())

    with django_assert_num_queries(1):
        found = heartbeats()
        assert [one.last_check for one in found] == [check, None]

    as_read = [{**vars(one), "_state": None} for one in found]
    assert as_read == [{**vars(one), "_state": None} for one in wanted]
    assert vars(found[0].last_check).keys() == vars(wanted[0].last_check).keys()
    assert (found[0].last_check.answers, found[0].last_check.checked_at) == ([{"a": 1}], NOW)
    assert [one.checked_at_all for one in found] == [NOW, None]
    found[1].save(update_fields=["beats"])
    assert Heartbeat.objects.count() == 2


def test_a_text_of_the_query_may_hold_whatever_sql_knows(messages):
    messages("off", "1")
    first, _other = messages(ODD, "1"), messages(ODD, "%s")

    assert of_an_odd_kind("1") == [(first.pk,)]
    assert of_an_odd_kind_and_any_subject() == [("1",), ("%s",)]
    assert PutTogether(of_an_odd_kind.__wrapped__, [False]).values(["1"]) == ["1"]


def test_what_converts_its_columns_is_asked_for_once_for_each_connection(messages, monkeypatch):
    found = ModelsPutTogether(the_newest.__wrapped__, [])
    first = found.converters()
    assert found.converters() is first

    monkeypatch.setattr("pbxcerts.system.database.prepared.connection", connections.create_connection("default"))
    assert found.converters() is not first


def test_it_keeps_no_connection_of_a_thread_that_has_ended(messages):
    made = []

    def put_together():
        found = ModelsPutTogether(the_newest.__wrapped__, [])
        found.converters()
        made.append((found, weakref.ref(connections["default"])))

    thread = threading.Thread(target=put_together)
    thread.start()
    thread.join()
    gc.collect()
    found, connection_of_the_thread = made[0]

    assert connection_of_the_thread() is None
    assert found.models([]) == []
    first = messages("off", "1")
    assert found.models([]) == [first]


def test_an_argument_may_be_a_value_of_the_smallest_column_of_integers(messages):
    assert in_a_wave(1) == in_a_wave(4) == []


def test_what_one_thread_asks_for_is_not_what_another_one_does():
    found = PutTogether(lambda kind: EventMessage.objects.filter(severity="critical", kind=kind), [False])
    first, second = found.values(["on"]), found.values(["off"])

    assert ("on" in first, "off" in second, "off" in first) == (True, True, False)
