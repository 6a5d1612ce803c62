"""When a pair ends is the same minute on every page: the last one of its validity, as its certificates have it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Generation, Settings
from pbxcerts.system.time.time_words import moment
from tests.support.generations import DAY

pytestmark = pytest.mark.simulation


@pytest.fixture
def minutes(world):
    """The last minute of a pair, and the one after it, as they are shown."""

    def shown(pair):
        with timezone.override(world.situation.general.zone):
            return moment(pair.plan.not_after), moment(pair.end)

    return shown


@pytest.mark.parametrize("path", ["/certificates/", "/certificates/2/deadline/", "/certificates/2/discard/"])
def test_during_a_handover(handing_over, minutes, operator_client, text, path):
    page = text(operator_client.get(path))
    last, after = minutes(handing_over.active)

    assert last in page
    assert after not in page


def test_before_a_roll_back(switched, minutes, operator_client, text):
    page = text(operator_client.get("/certificates/1/roll-back/"))
    last, after = minutes(switched.generation(1))

    assert f"That pair ends on {last}." in page
    assert after not in page


@pytest.mark.parametrize("interval", ["364", "366"])
def test_before_the_interval_is_changed(running, minutes, administrator_client, text, interval):
    typed = {
        "version": Settings.load().version,
        "interval_days": interval,
        "generation_time": "02:00",
        "overlap_days": "30",
        "handover_counts": "all",
        "key_type": "p256",
    }
    page = text(administrator_client.post("/certificates/", typed, follow=True))
    last, after = minutes(running.active)

    assert last in page
    assert after not in page


@pytest.mark.parametrize(("left", "said"), [(3 * DAY, "certificates end on"), (-DAY, "certificates ended on")])
def test_in_the_warnings(running, minutes, viewer_client, text, left, said):
    # At a minute that nothing else on the page is at.
    end = (running.now + left + timedelta(hours=1)).replace(minute=17, second=0, microsecond=0)
    Generation.objects.update(end=end)
    page = text(viewer_client.get("/certificates/"))
    last, after = minutes(running.active)

    assert f"{said} {last}" in page
    assert after not in page
