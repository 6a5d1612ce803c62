"""The pages over an installation that works: a real NTP server answers, and the store is where the pages look for it."""

import re
from datetime import UTC, datetime

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from certificates.models import Generation
from pbxcerts.system import timekeeping
from tests.support.generations import a_world
from tests.support.ntp import NtpResponder


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def ntp():
    with NtpResponder() as responder:
        yield responder


@pytest.fixture
def world(db, tmp_path, key_file, settings, ntp):
    """Nothing generated yet; it is now, and the clock is right."""
    settings.STORE = tmp_path / "store"
    world = a_world(settings.STORE, ntp_servers=[ntp.server], language="en", site_name="Zürich Süd")
    timekeeping.check_clock()
    return world.at(datetime.now(UTC))


@pytest.fixture
def handing_over(running):
    """The first pair is active, the second is prepared."""
    running.generate(reason="new address")
    assert running.states == {1: "active", 2: "prepared"}
    return running


@pytest.fixture
def switched(handing_over):
    """The second pair is active, the first can be rolled back to."""
    handing_over.activate()
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
