"""Parts of pages that are kept between requests (rule kept-fragments): they are never those of somebody else, of another language, or of before."""

import re
from dataclasses import replace

import pytest
import time_machine
from django.core.cache import caches
from django.urls import reverse

from certificates.models import Generation, Settings
from certificates.status.warning_kinds import FILES_DIFFER
from pbxcerts.system.events import Notice, tell
from pbxcerts.system.models import General, Role, Theme, User
from pbxcerts.system.time import timekeeping
from tests.support.generations import DAY

pytestmark = pytest.mark.simulation


PAGES = ["certificates:overview", "home"]
OTHERS = ["certificates:history", "terminals:terminals", "help", "account"]
CHANGES_BY_ITSELF = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
MESSAGE = Notice(FILES_DIFFER, params={"files": "current"})


@pytest.fixture(autouse=True)
def _nothing_kept_and_time_stands_still(monkeypatch):
    """Also that of a clock that nobody secures, which CLOCK_BOOTTIME carries on."""
    caches["template_fragments"].clear()
    still = timekeeping.read_machine()
    monkeypatch.setattr(timekeeping, "read_machine", lambda: replace(still, wall=timekeeping.machine_time()))
    with time_machine.travel(still.wall, tick=False):
        yield


@pytest.fixture
def readers(running, viewer_client, operator_client, administrator_client):
    """Each with a role, a language and a theme of their own."""
    User.objects.filter(username="vera").update(language="en")
    User.objects.filter(username="otto").update(language="de", theme=Theme.DARK)
    User.objects.filter(username="anna").update(language="de", theme=Theme.LIGHT)
    return [viewer_client, operator_client, administrator_client]


def seen(readers, names=PAGES, *, anew=False):
    """What each of them sees of each page; `anew`: while nothing is kept."""
    pages = []
    for reader in readers:
        for name in names:
            if anew:
                caches["template_fragments"].clear()
            pages.append(CHANGES_BY_ITSELF.sub("", reader.get(reverse(name)).content.decode()))
    return pages


def test_each_sees_what_they_would_if_nothing_were_kept(readers):
    everywhere = [*PAGES, *OTHERS]
    first = seen(readers, everywhere)
    assert len(set(first)) == len(first)

    assert seen(readers, everywhere) == first == seen(readers, everywhere, anew=True)


def test_it_would_find_what_is_kept_of_another(readers, monkeypatch):
    monkeypatch.setattr("django.templatetags.cache.make_template_fragment_key", lambda name, _vary: name)

    assert seen(readers) != seen(readers, anew=True)


def test_what_changes_is_seen_at_once(readers, running, subtests):
    otto, vera = (User.objects.filter(username=name) for name in ("otto", "vera"))
    changes = {
        "a setting": lambda: Settings.objects.update(interval_days=180),
        "the site": lambda: General.objects.update(site_name="Elsewhere", system_id="B 7"),
        "the spelling": lambda: General.objects.update(swiss_spelling=True),
        "the time zone": lambda: General.objects.update(time_zone="Asia/Tokyo"),
        "an event message": lambda: tell(MESSAGE, now=running.now),
        "the end": lambda: Generation.objects.update(end=running.now + DAY),
        "a withdrawal": lambda: Generation.objects.update(withdrawn_at=running.now),
        "a role": lambda: otto.update(role=Role.ADMINISTER),
        "a theme": lambda: vera.update(theme=Theme.DARK),
    }
    now = seen(readers)
    for what, change in changes.items():
        before = now
        change()
        now = seen(readers)
        with subtests.test(what):
            assert now != before
            assert now == seen(readers, anew=True)
