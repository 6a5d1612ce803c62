"""What is long over is condensed, and says still who, when and how (rule condensed)."""

from datetime import UTC, datetime, timedelta

import pytest

from certificates.models import Generation
from pbxcerts.housekeeping import keep_house
from terminals.directory import changes
from terminals.models import Installation, Terminal
from terminals.past.condensing import KEPT_GENERATIONS, condense, long_over, read
from terminals.past.models import PastInstallations
from tests.support.generations import DAY

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def old(world, fleet):
    """Many generations before the active one, each superseded a month after the one before; three terminals trust each."""
    fleet.equipped(3)
    Installation.objects.all().delete()
    first = Generation.objects.get(number=1)
    values = {field.attname: getattr(first, field.attname) for field in Generation._meta.concrete_fields}
    count = KEPT_GENERATIONS + 3
    Generation.objects.filter(number=1).update(
        state="superseded", host_key=None, end=world.now - 30 * (count + 1) * DAY
    )
    for number in range(2, count + 2):
        ended = world.now - (count + 2 - number) * 30 * DAY
        other = {"number": number, "replaces": number - 1, "root_sha256": f"{number:064}", "took_over_from_id": None}
        if number <= count:
            other |= {"state": "superseded", "host_key": None, "end": ended}
        Generation.objects.create(**values | other)
    for number in range(1, count + 1):
        for terminal in Terminal.objects.all():
            Installation.objects.create(
                generation_id=number,
                terminal=terminal,
                state="confirmed",
                confirmed_at=AT + number * DAY,
                evidence="person",
                confirmed_by="anna",
            )
    return world


def left(terminal):
    rows = Installation.objects.filter(terminal=terminal).order_by("generation")
    return list(rows.values_list("generation", flat=True))


def past(terminal):
    return read(PastInstallations.objects.filter(terminal=terminal).first())


@pytest.fixture
def situation(old):
    situation = old.situation
    assert situation.active.number == KEPT_GENERATIONS + 4
    return situation


def test_only_what_no_rule_can_serve_again_is_condensed_and_says_who_when_and_how(situation):
    one = Terminal.objects.first()
    assert long_over(situation) == [1, 2, 3]

    assert condense(situation) == 9

    assert left(one) == list(range(4, KEPT_GENERATIONS + 4))
    assert [(entry.generation, entry.at, entry.by) for entry in past(one)] == [
        (number, AT + number * DAY, "anna") for number in (3, 2, 1)
    ]
    assert {entry.state for entry in past(one)} == {"confirmed"}
    assert condense(situation) == 0


def test_a_pair_that_has_not_ended_for_long_stays_whatever_came_after_it(situation, old):
    Generation.objects.filter(number=2).update(end=old.now - timedelta(days=89))

    assert long_over(situation) == [1, 3]


def test_what_a_terminal_trusts_last_stays_so_that_it_is_known_to_be_cut_off(situation):
    asleep = Terminal.objects.first()
    Installation.objects.filter(terminal=asleep, generation__gt=2).delete()
    assert list(Terminal.objects.all().cut_off_by(situation.active).values_list("pk", flat=True)).count(asleep.pk) == 1

    condense(situation)

    assert left(asleep) == [2]
    assert asleep in Terminal.objects.all().cut_off_by(situation.active)


def test_a_terminal_that_was_never_reached_keeps_nothing_but_the_word(situation):
    one = Terminal.objects.first()
    Installation.objects.filter(terminal=one).update(state="absent", confirmed_at=None, evidence="", confirmed_by="")

    condense(situation)

    assert [entry.state for entry in past(one)] == ["absent"] * 3


def test_it_goes_on_where_it_stopped_and_a_part_is_no_loss(situation):
    assert [condense(situation, at_most=4) for _ in range(4)] == [4, 4, 1, 0]
    for one in Terminal.objects.all():
        assert [entry.generation for entry in past(one)] == [3, 2, 1]


def test_another_telephone_has_no_past(situation):
    condense(situation)
    one = Terminal.objects.first()

    changes.forget([one.pk])

    assert past(one) == []


def test_the_page_of_the_terminal_shows_it(situation, viewer_client):
    condense(situation)
    one = Terminal.objects.first()

    page = viewer_client.get(f"/terminals/{one.pk}/").content.decode()

    assert 'aria-labelledby="past"' in page
    assert page.count("anna") >= 3


@pytest.mark.parametrize(("last", "condensed"), [(timedelta(), 0), (timedelta(hours=1), 9)])
def test_the_house_is_kept_in_the_first_round_of_an_hour(situation, last, condensed):
    now = situation.clock.machine
    keep_house(situation, last=now - last)

    assert sum(len(one.entries) for one in PastInstallations.objects.all()) == condensed
