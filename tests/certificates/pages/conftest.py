"""The pages over an installation that works: a real NTP server answers, and the store is where the pages look for it."""

import re
from datetime import UTC, datetime
from functools import partial

import pytest
from django.utils import timezone, translation
from django.utils.html import strip_tags

from certificates.models import Generation
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import moment
from tests.support.generations import a_world


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def world(db, tmp_path, key_file, settings, ntp):
    """Nothing generated yet; it is now, and the clock is right."""
    settings.STORE = tmp_path / "store"
    world = a_world(settings.STORE, ntp_servers=[ntp.server], language="en", site_name="Zürich Süd")
    timekeeping.check_clock()
    return world.at(datetime.now(UTC))


@pytest.fixture
def running(world):
    """The first pair is active since the first test needed one."""
    world.begin("pages of the certificates")
    return world


@pytest.fixture
def handing_over(running):
    """The first pair is active, the second is prepared."""
    running.once("pages: handing over", partial(running.generate, reason="new address"))
    assert running.states == {1: "active", 2: "prepared"}
    return running


@pytest.fixture
def switched(handing_over):
    """The second pair is active, the first can be rolled back to."""
    handing_over.once("pages: switched", handing_over.activate)
    assert handing_over.states == {1: "superseded", 2: "active"}
    return handing_over


@pytest.fixture
def terminals(settings):
    """Ten telephones that are known but confirm nothing."""
    settings.TERMINALS = "tests.support.telephones.TenTelephones"


@pytest.fixture
def text():
    """What a person reads of a page: its text with single spaces."""

    def read(response):
        assert response.status_code == 200, (response.status_code, response.headers.get("Location"))
        body = re.sub(r"(?s)<(script|style|title)\b.*?</\1>", "", response.content.decode())
        return " ".join(strip_tags(body).split())

    return read


class Said:
    """What a page says, in one of two languages."""

    def __init__(self, page, language):
        self.page, self.language = page, language

    def has(self, english, german):
        return (german if self.language == "de" else english) in self.page


@pytest.fixture(params=["en", "de"])
def said(request, text):
    """Read a page once in each language."""

    def read(client, url="/certificates/"):
        General.objects.update(language=request.param)
        return Said(text(client.get(url)), request.param)

    return read


@pytest.fixture
def local(world):
    """An instant as the English page shows it."""

    def shown(instant):
        with timezone.override(world.situation.general.zone), translation.override("en"):
            return moment(instant)

    return shown


@pytest.fixture
def long_history():
    """So many generations behind the active one, each a real pair."""

    def fill(count):
        rows = []
        for number in range(1000, 1000 + count):
            row = Generation.objects.order_by("number").first()
            row.number, row.state, row.host_key, row.replaces = number, "superseded", None, number - 1
            row.reason = f"reason {number}"
            rows.append(row)
        Generation.objects.bulk_create(rows)

    return fill
