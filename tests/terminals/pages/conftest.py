"""The pages over an installation that works: a real NTP server answers, and telephones that no network is needed for."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from pbxcerts.system.time import timekeeping
from terminals.models import Installation
from terminals.rollout import rounds
from terminals.states import Wave
from tests.support.fleet import Fleet
from tests.support.generations import a_world
from tests.support.telephones import TerminalsOfTheDatabase

IN_SIX_HOURS = datetime.now(UTC) + timedelta(hours=6)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def world(db, tmp_path, key_file, settings, ntp):
    """The first pair is active since the first test needed one, the clock is right, and the next night is hours away."""
    settings.STORE = tmp_path / "store"
    world = a_world(
        settings.STORE,
        ntp_servers=[ntp.server],
        language="en",
        site_name="Zürich Süd",
        time_zone="UTC",
        generation_time=IN_SIX_HOURS.time().replace(second=0, microsecond=0),
    )
    timekeeping.check_clock()
    world.telephones = TerminalsOfTheDatabase()
    world.at(datetime.now(UTC)).begin("pages of the terminals")
    return world


@pytest.fixture
def fleet(world):
    """No telephone yet."""
    return Fleet(world)


@pytest.fixture
def yealink(fleet):
    return fleet.type(
        "A Yealink",
        "sip_standard",
        wants="root",
        guide_en="Security > Trusted Certificates",
        guide_de="Sicherheit > Zertifikate",
    )


WAVES = {Wave.FIRST: [100, 112], Wave.SECOND: [101], Wave.THIRD: [105, 106, 111, 115, 116]}
"""By numbers; the rest is in the last wave."""


def _let_the_waves_be_those_of_a_new_database():
    """Who is in which depends on the keys of the terminals, and those on what was in this database before."""
    automatic = Installation.objects.filter(generation=2).exclude(wave=Wave.BY_HAND)
    automatic.update(wave=Wave.REST)
    for wave, numbers in WAVES.items():
        assert automatic.filter(terminal__number__in=map(str, numbers)).update(wave=wave) == len(numbers)


@pytest.fixture
def mixed(fleet, yealink):
    """Twelve Mitel phones, six IP system phones and three that need a hand; the second generation is being rolled out."""

    def rolled_out():
        fleet.add(12)
        fleet.add(6, fleet.type("An agent", "ip_system"))
        fleet.add(3, yealink)
        fleet.world.generate()
        assert rounds.reconcile_rollouts(fleet.world.situation).generation_id == 2
        _let_the_waves_be_those_of_a_new_database()

    fleet.once("pages: rolled out", rolled_out)
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
