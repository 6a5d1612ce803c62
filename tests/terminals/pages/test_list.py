"""The list of terminals while a generation is rolled out."""

import re

import pytest

from terminals.directory.states import BY_NEED, DELIVERY_STATES, NOT_YET
from terminals.models import Installation, Terminal
from terminals.tally.models import InstallationTally, TerminalTally

LIST = "/terminals/"


def listed(response):
    """The numbers in the list, in its order."""
    return re.findall(r'<th scope="row"[^>]*>\s*<a href="[^"]+">([^<]+)</a>', response.content.decode())


@pytest.fixture
def one_of_each(mixed, put):
    """A terminal in each state; of two generations, because it is the newest one's that counts. By state its number."""
    everybody = list(Terminal.objects.filter(type__method="mitel_sip").order_by("number"))
    Terminal.objects.exclude(pk__in=[one.pk for one in everybody[:12]]).delete()
    numbers = {}
    for terminal, (state, _label) in zip(everybody, DELIVERY_STATES, strict=False):
        numbers[state] = terminal.number
        rows = Installation.objects.filter(terminal=terminal, generation=2)
        if state == NOT_YET:
            rows.delete()
        elif state == "disabled":
            Terminal.objects.filter(pk=terminal.pk).update(enabled=False)
        else:
            rows.update(state=state, confirmed_at=mixed.world.now if state == "confirmed" else None)
        Installation.objects.create(terminal=terminal, generation_id=1, state="waiting")
    return numbers


def test_by_state_those_that_may_want_a_person_come_first(one_of_each, viewer_client):
    wanted = [one_of_each[state] for state in BY_NEED]

    assert sorted(BY_NEED) == sorted(state for state, _label in DELIVERY_STATES)
    assert listed(viewer_client.get(LIST, {"order": "state"})) == wanted
    assert listed(viewer_client.get(LIST, {"order": "-state"})) == wanted[::-1]


@pytest.mark.parametrize("filtered", ["", "?state=confirmed", "?state=waiting", "?text=10"])
def test_in_a_rollout_each_form_of_the_list_asks_the_database_seventeen_times_at_most(
    one_of_each, viewer_client, django_assert_max_num_queries, filtered
):
    viewer_client.get(LIST)
    with django_assert_max_num_queries(17):
        viewer_client.get(f"{LIST}{filtered}")


def test_in_the_same_state_they_stand_by_number(mixed, put, viewer_client):
    put("mitel_sip", 3, state="failed", failure="refused")
    failed = sorted(Terminal.objects.filter(installations__state="failed").values_list("number", flat=True))

    assert listed(viewer_client.get(LIST, {"order": "state"}))[:3] == failed


def test_each_head_orders_the_list_and_says_how_it_is_ordered(mixed, viewer_client):
    page = viewer_client.get(LIST, {"order": "state"}).content.decode()

    heads = re.findall(r'<th scope="col"\s*(.*?)>(.*?)</th>', page, re.DOTALL)
    assert [sorted_by for sorted_by, _links in heads] == ["", "", "", "", 'aria-sort="ascending"', ""]
    links = [re.findall(r'href="\?(.*?)"\s*(.*?)>(.*?)</a>', links) for _sorted, links in heads]
    assert links == [
        [("order=number", "", "Number")],
        [("order=name", "", "Name")],
        [("order=type", "", "Type")],
        [("order=mac", "", "MAC"), ("order=address", "", "Address")],
        [("order=-state", 'aria-current="true"', "State")],
        [("order=contact", "", "Last contact")],
    ]


@pytest.mark.parametrize("query", ["", "?order=state", "?state=waiting", "?state=not_yet"])
def test_a_tally_that_is_wrong_makes_a_list_shorter_and_no_error(mixed, viewer_client, query):
    TerminalTally.objects.update(count=-3)
    InstallationTally.objects.update(count=-3)

    assert viewer_client.get(LIST + query).status_code == 200
