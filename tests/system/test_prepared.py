"""Queries that are put together once."""

from datetime import UTC, datetime

import pytest

from pbxcerts.system.models import EventMessage
from pbxcerts.system.prepared import prepared, prepared_values

pytestmark = pytest.mark.django_db


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


def test_a_value_that_is_no_argument_is_refused_beside_one():
    with pytest.raises(TypeError, match="critical_ones_of"):
        critical_ones_of("off")
