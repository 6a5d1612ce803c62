"""The list of terminals while a generation is rolled out."""

import re

import pytest
from django.urls import clear_script_prefix, set_script_prefix

from terminals.directory.states import BY_NEED, DELIVERY_STATES, NOT_YET
from terminals.models import Installation, Terminal, TerminalType
from terminals.tally.models import InstallationTally, TerminalTally

LIST = "/terminals/"


def listed(response):
    """The numbers in the list, in its order."""
    return re.findall(r'<th scope="rowgroup"[^>]*>\s*<a href="[^"]+">([^<]+)</a>', response.content.decode())


@pytest.fixture
def one_of_each(mixed, put):
    """A terminal in each state; of two generations, because it is the newest one's that counts. By state its number."""
    everybody = list(Terminal.objects.exclude(type__method="sip_standard").order_by("number"))[: len(DELIVERY_STATES)]
    Terminal.objects.exclude(pk__in=[one.pk for one in everybody]).delete()
    numbers = {}
    for terminal, (state, _label) in zip(everybody, DELIVERY_STATES, strict=True):
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


@pytest.mark.parametrize("query", ["", "?order=state", "?order=type", "?state=waiting", "?state=not_yet"])
def test_a_tally_that_is_wrong_makes_a_list_shorter_and_no_error(mixed, viewer_client, query):
    TerminalTally.objects.update(count=-3)
    InstallationTally.objects.update(count=-3)

    assert viewer_client.get(LIST + query).status_code == 200


def test_a_choice_in_the_filter_stays_chosen_and_no_name_breaks_it(mixed, viewer_client):
    odd = TerminalType.objects.create(name='A "type" <b>', method="mitel_sip")
    other = TerminalType.objects.exclude(pk=odd.pk).first()

    for chosen in (odd, other):
        page = viewer_client.get(LIST, {"type": chosen.pk}).content.decode()
        offered = dict(re.findall(r'<option value="(\d+)"( selected)?>', page))
        assert offered.keys() == {str(one.pk) for one in TerminalType.objects.all()}
        assert [key for key, selected in offered.items() if selected] == [str(chosen.pk)]
        assert "A &quot;type&quot; &lt;b&gt;</option>" in page
        assert "<b>" not in page


def test_what_is_told_of_a_terminal_stands_across_its_second_line(mixed, put, viewer_client):
    put("mitel_sip", 1, state="failed", failure="refused", confirmed_at=None)
    failed = Terminal.objects.get(installations__state="failed")
    Terminal.objects.filter(pk=failed.pk).update(address="192.0.2.7", firmware="6.4 <1>")

    response = viewer_client.get(LIST, {"state": "failed"})

    group = re.findall(r"<tbody.*?</tbody>", response.content.decode(), re.DOTALL)
    assert [row.count("<tr>") for row in group] == [2]
    assert "192.0.2.7 · Firmware 6.4 &lt;1&gt;" in group[0]
    assert re.search(r"· *</span>\s*It refuses the notification\.", group[0])


@pytest.fixture
def below_a_path():
    """It has the digit that stands for a terminal."""
    set_script_prefix("/pbx0/")
    yield
    clear_script_prefix()


def test_below_a_path_each_number_leads_to_its_own_terminal(mixed, below_a_path, viewer_client):
    page = viewer_client.get(LIST).content.decode()

    links = dict(re.findall(r'<a href="(/pbx0/terminals/\d+/)">([^<]+)</a>', page))
    assert links == {f"/pbx0/terminals/{one.pk}/": one.number for one in Terminal.objects.order_by("number")[:50]}


def test_a_disabled_terminal_steps_back_and_no_other(mixed, viewer_client):
    first = Terminal.objects.order_by("number").first()
    Terminal.objects.filter(pk=first.pk).update(enabled=False)

    groups = re.findall(
        r'<tbody(.*?)>.*?<a href="[^"]+">([^<]+)</a>', viewer_client.get(LIST).content.decode(), re.DOTALL
    )

    assert [number for attributes, number in groups if "row-over" in attributes] == [first.number]
    assert len(groups) > 1
