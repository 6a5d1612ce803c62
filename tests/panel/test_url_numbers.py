"""Whatever number stands in a URL, the answer is one of ours: the walk goes over every URL of the panel."""

import re

import pytest
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve, reverse
from django.urls.converters import IntConverter

from pbxcerts.system.pages.url_numbers import MOST, NumberConverter

pytestmark = pytest.mark.simulation

TOO_LARGE = [str(MOST + 1), str(2**63), str(2**70), "9" * 5000]
NO_ROW = str(MOST)


def patterns(resolver=None, before="/"):
    """Every URL as (route, converters), whatever it is included by."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.pattern.converters


def numbered(*kinds):
    """The routes that have a number of one of these kinds."""
    return [route for route, converters in patterns() if any(isinstance(one, kinds) for one in converters.values())]


def filled(route, number):
    """The path with this number in each place of one, and a word that fits in each other."""
    route = re.sub(r"<(?:int|number):[a-z]+>", number, route)
    return route.replace("<kind:kind>", "root").replace("<format:form>", "pem")


def test_every_number_in_a_url_is_bounded():
    assert len(numbered(NumberConverter)) > 30
    assert numbered(IntConverter) == []


def leads_somewhere(path):
    try:
        return bool(resolve(path))
    except Resolver404:
        return False


@pytest.mark.parametrize("number", TOO_LARGE, ids=["2**31", "2**63", "2**70", "5000 digits"])
def test_a_number_that_no_row_can_have_leads_nowhere(number):
    routes = numbered(NumberConverter, IntConverter)

    assert [route for route in routes if leads_somewhere(filled(route, number))] == []
    assert all(leads_somewhere(filled(route, NO_ROW)) for route in routes)


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_leads_nowhere_is_not_found(administrator_client, method):
    [path, *_others] = [filled(route, TOO_LARGE[0]) for route in numbered(NumberConverter)]

    assert getattr(administrator_client, method)(path).status_code == 404


def test_the_largest_number_is_no_failure_either(administrator_client):
    answers = {
        (method, route): getattr(administrator_client, method)(filled(route, NO_ROW)).status_code
        for route in numbered(NumberConverter, IntConverter)
        for method in ("get", "post")
    }

    assert {request: status for request, status in answers.items() if status >= 500} == {}


def test_a_number_that_a_row_can_have_leads_there(administrator_client, viewer):
    assert administrator_client.get(reverse("system:users_edit", kwargs={"pk": viewer.pk})).status_code == 200


@pytest.mark.parametrize("page", ["0", "-1", str(2**70), "9" * 5000, "x"])
def test_no_number_of_a_page_is_a_failure(administrator_client, page, subtests):
    for name in ("terminals:terminals", "terminals:work_list:list", "certificates:history", "system:events"):
        with subtests.test(name=name):
            assert administrator_client.get(reverse(name), {"page": page}).status_code == 200
