"""The pages over an installation that works: a real NTP server answers, and telephones that no network is needed for."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from pbxcerts.system import timekeeping
from terminals import rollout
from terminals.models import Installation, Methods
from terminals.readiness import KnownTerminals
from tests.support.fleet import Fleet
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
    """The first pair is active; it is now, the clock is right, and the next night is at least two hours away."""
    settings.STORE = tmp_path / "store"
    now = datetime.now(UTC)
    world = a_world(
        settings.STORE,
        ntp_servers=[ntp.server],
        language="en",
        site_name="Zürich Süd",
        time_zone="UTC",
        generation_time=(now + timedelta(hours=6)).time().replace(second=0, microsecond=0),
    )
    timekeeping.check_clock()
    world.telephones = KnownTerminals()
    world.at(now).generate()
    return world


@pytest.fixture
def fleet(world):
    """No telephone yet."""
    return Fleet(world)


@pytest.fixture
def yealink(fleet):
    return fleet.type(
        "A Yealink",
        Methods.SIP_STANDARD,
        wants="root",
        guide_en="Security > Trusted Certificates",
        guide_de="Sicherheit > Zertifikate",
    )


@pytest.fixture
def mixed(fleet, yealink):
    """Twelve Mitel phones, six IP system phones and three that need a hand; the second generation is being rolled out."""
    fleet.add(12)
    fleet.add(6, fleet.type("An agent", Methods.IP_SYSTEM))
    fleet.add(3, yealink)
    fleet.world.generate()
    assert rollout.reconcile(fleet.world.situation).generation_id == 2
    return fleet


@pytest.fixture
def put(mixed):
    """Put so many waiting installations of a method into a state: `put("mitel_sip", 2, state="failed")`."""

    def change(method, count, **values):
        rows = Installation.objects.filter(generation=2, state="waiting", terminal__type__method=method)
        keys = list(rows.order_by("-wave", "pk").values_list("pk", flat=True)[:count])
        assert len(keys) == count
        Installation.objects.filter(pk__in=keys).update(**values)
        return list(Installation.objects.filter(pk__in=keys).select_related("terminal"))

    return change


@pytest.fixture
def text():
    """What a person reads of a page: its text with single spaces."""

    def read(response):
        assert response.status_code == 200, (response.status_code, response.headers.get("Location"))
        body = re.sub(r"(?s)<(script|style|title)\b.*?</\1>", "", response.content.decode())
        return " ".join(strip_tags(body).split())

    return read
