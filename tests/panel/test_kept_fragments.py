"""Parts of pages that are kept between requests, while a rollout is under way (rule kept-fragments): what is kept is never of before."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import caches
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from certificates.models import Generation
from pbxcerts.system.models import General, Role, User
from terminals.models import Installation, Rollout, Terminal, TerminalType
from tests.certificates.pages.test_kept_fragments import _nothing_kept_and_time_stands_still, seen
from tests.panel.test_overview import alive
from tests.terminals.pages.conftest import english, fleet, mixed, put, world, yealink

__all__ = ["_nothing_kept_and_time_stands_still", "alive", "english", "fleet", "mixed", "put", "world", "yealink"]

pytestmark = pytest.mark.simulation


@pytest.fixture
def readers(mixed, alive, viewer_client, operator_client, administrator_client):
    """Each with a role and a language of their own."""
    User.objects.filter(username="vera").update(language="en")
    User.objects.filter(username="otto").update(language="de")
    User.objects.filter(username="anna").update(language="en")
    return [viewer_client, operator_client, administrator_client]


@pytest.fixture
def changes(mixed, put):
    def state(state):
        return lambda: put("mitel_sip", 1, state=state, next_at=timezone.now())

    def of_failed(**values):
        return lambda: Terminal.objects.filter(installations__state="failed").update(**values)

    return {
        "one that failed": state("failed"),
        "its name": of_failed(name="Elsewhere"),
        "its number": of_failed(number="4711"),
        "another one in its place": lambda: _failed_change_places(put),
        "one that is absent": state("absent"),
        "one that has confirmed": lambda: put("ip_system", 1, state="confirmed", confirmed_at=timezone.now()),
        "one that is disabled": lambda: Terminal.objects.filter(installations__state="failed").update(enabled=False),
        "one that is gone": lambda: Terminal.objects.filter(number="116").delete(),
        "one on the work list": lambda: put("sip_standard", 1, state="confirmed", confirmed_at=timezone.now()),
        "a pause": lambda: Rollout.objects.update(state="paused", changed_by="otto"),
        "the rollout that goes on": lambda: Rollout.objects.update(state="running"),
        "the deadline": lambda: Generation.objects.filter(state="prepared").update(
            deadline=timezone.now() + timedelta(days=2)
        ),
        "the time zone": lambda: General.objects.update(time_zone="Asia/Tokyo"),
        "a language": lambda: User.objects.filter(username="vera").update(language="de"),
        "a role": lambda: User.objects.filter(username="vera").update(role=Role.OPERATE),
    }


def _failed_change_places(put):
    """As many have failed as before: the tallies are the same."""
    with transaction.atomic():
        Installation.objects.filter(state="failed").update(state="waiting")
        Installation.objects.filter(terminal__number="105").update(state="failed")


def test_what_changes_is_seen_at_once(readers, changes, subtests):
    now = seen(readers)
    for what, change in changes.items():
        before = now
        change()
        now = seen(readers)
        with subtests.test(what):
            assert now != before
            assert now == seen(readers, anew=True)


def test_after_an_older_copy_is_restored_all_is_as_it_was(readers, changes):
    before = seen(readers)
    with transaction.atomic():
        for change in changes.values():
            change()
        assert seen(readers) != before
        transaction.set_rollback(True)

    assert seen(readers) == before == seen(readers, anew=True)


def test_as_time_goes_by_it_tells_what_is_true_by_then(readers, mixed):
    Installation.objects.filter(terminal__number="105").update(state="failed")
    now = datetime.now(UTC)
    hours = [timedelta(hours=hours) for hours in (1, 4, 5, 6, 7, 9, 11)]
    pages = []
    for later in hours:
        with time_machine.travel(now + later, tick=False):
            pages.append(seen(readers))
            assert pages[-1] == seen(readers, anew=True)

    assert len({tuple(page) for page in pages}) == len(hours)


def test_it_would_find_what_is_kept_of_before(readers, mixed, monkeypatch):
    monkeypatch.setattr("django.templatetags.cache.make_template_fragment_key", lambda name, _vary: name)
    before = seen(readers)
    Installation.objects.filter(terminal__number="105").update(state="failed")

    assert seen(readers) != seen(readers, anew=True) != before


def test_the_filter_of_the_list_shows_what_each_reader_has_chosen_and_the_types_that_there_are_now(readers, mixed):
    def asked(*, anew=False):
        pages = []
        for reader in readers:
            for query in [
                "",
                "text=10",
                "text=%3Cb%3E",
                "state=failed",
                f"type={type_.pk}",
                "type=999&state=no",
                "order=-type",
            ]:
                if anew:
                    caches["template_fragments"].clear()
                page = reader.get(f"{reverse('terminals:terminals')}?{query}").content.decode()
                pages.append(page[page.index('<form class="filter"') : page.index('<div class="panel">')])
        return pages

    type_ = TerminalType.objects.get(name="A Yealink")
    before = asked()
    assert len(set(before[:7])) == 7
    assert before[:7] != before[7:14]
    assert asked() == before == asked(anew=True)

    TerminalType.objects.filter(pk=type_.pk).update(name="Another <name>")
    now = asked()
    assert all("Another &lt;name&gt;" in page for page in now)
    assert now == asked(anew=True)


def test_nobody_fills_the_memory_with_what_he_looks_for(viewer_client, mixed):
    def kept():
        return sum(len(value) for value in caches["template_fragments"]._cache.values())

    page = reverse("terminals:terminals")
    viewer_client.get(page)
    before = kept()
    for number in range(10):
        assert f"{number:05000}" in viewer_client.get(page, {"text": f"{number:05000}"}).content.decode()
    assert kept() == before

    viewer_client.get(page, {"text": "another"})
    assert kept() > before
