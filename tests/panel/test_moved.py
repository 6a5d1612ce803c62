"""Parts of pages ask again and again; what has not moved is not made anew, and whatever moves is shown."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from certificates.models import Generation, Settings
from certificates.renewal import orders
from certificates.renewal.orders import GenerationOrder
from pbxcerts.panel import moved
from pbxcerts.system.models import EventMessage, General, Heartbeat, User
from pbxcerts.system.notifications.models import Destination, Watchdog
from terminals.models import DeliverySettings, Installation, Rollout
from tests.terminals.pages.conftest import english, fleet, mixed, world, yealink

pytestmark = pytest.mark.simulation


__all__ = ["english", "fleet", "mixed", "world", "yealink"]

PARTS = sorted(moved.PARTS)


@pytest.fixture
def ask(viewer_client):
    """Ask for a part as a page does that has been answered before."""
    marks = {}

    def asked(part):
        headers = {"HX-Request": "true", **({moved.MARK: marks[part]} if part in marks else {})}
        response = viewer_client.get(reverse(part), headers=headers)
        marks[part] = response.headers[moved.MARK]
        return response

    return asked


@pytest.fixture(autouse=True)
def _seen_before(mixed):
    """What the first look at an installation enters is there."""
    Heartbeat.load()
    Watchdog.load()


@pytest.fixture
def still():
    """The clock stands, so that no minute ends meanwhile."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


@pytest.mark.parametrize("part", PARTS)
def test_it_is_made_once_and_then_only_when_something_has_moved(mixed, still, ask, part):
    first = ask(part)
    assert (first.status_code, first.content != b"") == (200, True)

    again = ask(part)
    assert (again.status_code, again.content) == (204, b"")

    EventMessage.objects.create(kind="clock_unsafe", severity="critical", raised_at=timezone.now())
    assert ask(part).status_code == 200
    assert ask(part).status_code == 204


@pytest.mark.parametrize("part", PARTS)
def test_while_nothing_moves_it_costs_five_queries_at_most(mixed, still, ask, part, django_assert_max_num_queries):
    ask(part)
    with django_assert_max_num_queries(5):
        assert ask(part).status_code == 204


def _generate(mixed):
    orders.order_generation(mixed.world.clock(), GenerationOrder(Generation.Trigger.PAGE, by="anna"))


MOVES = {
    "a setting": lambda _mixed: Settings.objects.update(version=99),
    "the installation": lambda _mixed: General.objects.update(version=99),
    "the delivery": lambda _mixed: DeliverySettings.objects.update(version=99),
    "an order": _generate,
    "a deadline": lambda _mixed: Generation.objects.filter(state="prepared").update(deadline=timezone.now()),
    "the rollout": lambda _mixed: Rollout.objects.update(state="paused"),
    "a terminal": lambda _mixed: Installation.objects.filter(pk=Installation.objects.first().pk).update(state="failed"),
    "the machine": lambda _mixed: Heartbeat.objects.update(publish_failure="the disk is full"),
    "what a server presents": lambda _mixed: Heartbeat.objects.update(presented={"192.0.2.1": {"error": "refused"}}),
    "a destination": lambda _mixed: Destination.objects.create(name="Anna", kind="syslog"),
    "the reader's role": lambda _mixed: User.objects.update(role="operate"),
}


@pytest.mark.parametrize("move", MOVES)
def test_it_sees_what_has_moved(mixed, still, ask, move):
    ask("home_state")
    assert ask("home_state").status_code == 204

    MOVES[move](mixed)
    assert ask("home_state").status_code == 200


def test_it_is_made_anew_each_minute_since_its_words_are_about_the_time_of_day(mixed, ask):
    now = timezone.now().replace(second=1)
    with time_machine.travel(now, tick=False):
        ask("home_state")
    with time_machine.travel(now + timedelta(seconds=58), tick=False):
        assert ask("home_state").status_code == 204
    with time_machine.travel(now + timedelta(seconds=60), tick=False):
        assert ask("home_state").status_code == 200


def test_a_whole_page_is_always_made(mixed, viewer_client):
    page = viewer_client.get(reverse("home_state"), headers={"HX-Request": "true"})
    without = viewer_client.get(reverse("home_state"), headers={moved.MARK: page.headers[moved.MARK]})
    assert without.status_code == 200


def test_whoever_is_not_logged_in_learns_nothing(db, client):
    answer = client.get(reverse("home_state"), headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert moved.MARK not in answer.headers


# -- the title bar ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_the_open_event_messages_come_with_each_part(mixed, viewer_client, part):
    EventMessage.objects.create(kind="clock_unsafe", severity="critical", raised_at=timezone.now())
    html = viewer_client.get(reverse(part), headers={"HX-Request": "true"}).content.decode()
    states = html[html.index('id="states"') :]
    assert "state-critical" in states
    assert ("hx-swap-oob" in states) == (part != "system:events_open")


def test_the_clock_tells_the_time_for_five_queries(mixed, viewer_client, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        html = viewer_client.get(reverse("system:general_readings"), headers={"HX-Request": "true"}).content.decode()
    assert 'id="clock-readings"' in html
    assert 'id="states"' in html
