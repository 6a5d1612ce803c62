"""What Prometheus reads: what it counts, in how many queries, and that its own tool finds nothing wrong (rule metrics-when-asked)."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from certificates.models import Generation
from pbxcerts.health import database_reading
from pbxcerts.health.database_reading import read_database
from pbxcerts.health.metrics import exposition
from pbxcerts.health.own_state import OwnState
from pbxcerts.health.request_times import RequestTimes
from pbxcerts.system.models import EventMessage, Heartbeat, Severity
from pbxcerts.system.notifications import queue
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import MachineReading
from terminals.models import Installation, Terminal
from terminals.states import DeliveryState
from terminals.web.est import EstHandlers
from terminals.web.provisioning import ProvisioningHandlers
from terminals.web.public_root import PublicRootHandlers
from tests.support.peers import require_program
from tests.support.product import ROOT

RULES = ROOT / "prometheus" / "pbxcerts.rules.yml"
TEXT = "text/plain;version=0.0.4"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0"


def told(reading, *, own=None, times=None, accept=TEXT):
    body, _type = exposition(reading, own or OwnState(), times or RequestTimes(), accept)
    return body.decode()


def samples(text):
    """Each sample by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families(text)
        for sample in family.samples
    }


@pytest.fixture
def at(world, monkeypatch):
    """The machine's clock is the world's."""
    Heartbeat.load()
    monkeypatch.setattr(timekeeping, "read_machine", lambda: MachineReading(world.now, 5000.0, "boot"))
    return world


def test_it_says_until_when_the_active_pair_is_valid(at):
    found = samples(told(read_database()))

    plan = at.situation.active.plan
    remaining = found["pbxcerts_active_pair_remaining_seconds",]
    assert remaining == (plan.end - at.now).total_seconds()
    assert found["pbxcerts_active_pair_overlap_seconds",] == timedelta(days=30).total_seconds()
    assert found["pbxcerts_generations", ("state", "active")] == 1
    assert found["pbxcerts_generations", ("state", "prepared")] == 0


def test_without_a_pair_it_says_nothing_of_one(db):
    text = told(read_database())

    assert "active_pair" not in text
    assert "pbxcerts_database_up 1.0" in text


def test_it_counts_terminals_by_method_and_by_the_state_of_what_they_are_to_get(fleet, at):
    fleet.add(3)
    Terminal.objects.filter(pk=Terminal.objects.first().pk).update(enabled=False)
    generation = at.situation.active
    first, second = Terminal.objects.enabled()
    Installation.objects.create(generation=generation, terminal=first, state=DeliveryState.FAILED)
    another = Generation.objects.create(
        number=99, state="failed", replaces=99, trigger="page", key_type="p256", ordered_at=at.now
    )
    for terminal in (first, second):
        Installation.objects.create(generation=another, terminal=terminal, state=DeliveryState.ABSENT)

    found = samples(told(read_database()))
    of_the_method = {
        labels[1][1]: value
        for (name, *labels), value in found.items()
        if name == "pbxcerts_terminals" and labels[0][1] == "mitel_sip"
    }

    assert {state: number for state, number in of_the_method.items() if number} == {"failed": 1, "none": 1}
    assert of_the_method.keys() == {*DeliveryState, "none"}


def test_it_costs_ten_queries_however_many_terminals_there_are(fleet, at):
    counts = []
    for more in (1, 50):
        fleet.add(more)
        with CaptureQueriesContext(connection) as captured:
            read_database()
        counts.append(len(captured))

    assert counts[0] == counts[1] <= 10


def test_it_tells_the_clock_and_the_heartbeat(at):
    now = timekeeping.read_machine()
    Heartbeat.objects.update(last_run=now.wall, ran_boottime=now.boottime - 42, ran_boot_id=now.boot_id)

    found = samples(told(read_database()))
    assert found["pbxcerts_heartbeat_age_seconds",] == 42
    assert found["pbxcerts_clock_state", ("state", "unanswered")] == 1
    assert found["pbxcerts_clock_state", ("state", "right")] == 0
    assert ("pbxcerts_clock_offset_seconds",) not in found, "nobody has said one"


def test_it_counts_what_could_not_be_told_and_what_is_open(at, key_file):
    place = Destination(name="chat", kind="syslog", options={"socket": "/nowhere"}, failures=3)
    queue.begin_with(place)
    for state in (Delivery.State.GIVEN_UP, Delivery.State.GIVEN_UP, Delivery.State.WAITING):
        made = queue.test(place, timekeeping.read_machine())
        Delivery.objects.filter(pk=made.pk).update(state=state)
    EventMessage.objects.create(kind="some", severity=Severity.CRITICAL, raised_at=at.now)

    found = samples(told(read_database()))
    assert found["pbxcerts_notification_deliveries", ("state", "given_up")] == 2
    assert found["pbxcerts_notification_deliveries", ("state", "waiting")] == 1
    assert found["pbxcerts_notification_destinations_failing",] == 1
    assert found["pbxcerts_event_messages_open", ("severity", "critical")] == 1


def test_while_the_database_is_away_the_process_tells_what_it_knows(monkeypatch, db):
    def away(*_arguments):
        raise DatabaseError("connection refused")

    monkeypatch.setattr(database_reading.General, "load", away)
    own = OwnState({"terminals_https", "terminals_proof"}, {"terminals_https"}, True, lambda: True, lambda: (7, 2))
    times = RequestTimes()
    times("terminals_https", "trust", 200, 0.002)

    found = samples(told(read_database(), own=own, times=times))
    assert found["pbxcerts_database_up",] == 0
    assert found["pbxcerts_evidence_waiting",] == 7
    assert found["pbxcerts_evidence_dropped_total",] == 2
    assert found["pbxcerts_listener_open", ("listener", "terminals_https")] == 1
    assert found["pbxcerts_listener_open", ("listener", "terminals_proof")] == 0
    labels = (("listener", "terminals_https"), ("route", "trust"), ("status", "200"))
    assert found["pbxcerts_http_request_duration_seconds_count", *labels] == 1
    assert found["pbxcerts_http_request_duration_seconds_sum", *labels] == 0.002
    assert not any(name.startswith(("pbxcerts_generations", "pbxcerts_terminals")) for name, *_labels in found)


def test_it_speaks_open_metrics_where_that_is_preferred(db):
    body, media_type = exposition(read_database(), OwnState(), RequestTimes(), OPEN_METRICS)

    assert media_type.startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics(body.decode())} >= {
        "pbxcerts_evidence_dropped",
        "pbxcerts_build_info",
    }


def whole():
    """Every metric that there is."""
    own = OwnState({"terminals_https"}, set(), True, lambda: True, lambda: (0, 0))
    times = RequestTimes()
    times("panel", "home", 200, 0.1)
    reading = read_database()
    measured = reading.clock.__class__(**{**vars(reading.clock), "state": "right", "measurement": Measured()})
    return told(reading.__class__(**{**vars(reading), "clock": measured, "heartbeat_age": 1.0}), own=own, times=times)


class Measured:
    offset = timedelta(seconds=-0.25)


@pytest.mark.peer
def test_promtool_finds_nothing_to_complain_about(at):
    checked = subprocess.run(
        [require_program("promtool"), "check", "metrics"], input=whole(), capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def names(text):
    return {family.name + ("_total" if family.type == "counter" else "") for family in families(text)}


def test_the_readme_names_every_metric_and_no_other(at):
    section = (ROOT / "README.md").read_text().partition("\n## Health and metrics\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(pbxcerts_[a-z_]+)(?:\{[a-z,]+\})?`", section))

    assert documented == names(whole())


def test_the_alerts_are_about_metrics_that_there_are(at):
    used = set(re.findall(r"pbxcerts_[a-z_]+", RULES.read_text()))

    assert used
    assert used - names(whole()) == {"pbxcerts_http_request_duration_seconds_count"}


@pytest.mark.peer
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint=all", "--lint-fatal", RULES),
        ("test", "rules", Path(__file__).with_name("pbxcerts.rules.test.yml")),
    ],
    ids=["check", "test"],
)
def test_promtool_takes_the_alerts(arguments):
    done = subprocess.run([require_program("promtool"), *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.peer
def test_an_alert_that_is_not_raised_is_noticed(tmp_path):
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "tests" / "health").mkdir(parents=True)
    (tmp_path / "prometheus" / RULES.name).write_text(RULES.read_text().replace("> 300", "> 300000"))
    test = tmp_path / "tests" / "health" / "rules.yml"
    test.write_text(Path(__file__).with_name("pbxcerts.rules.test.yml").read_text())
    done = subprocess.run(
        [require_program("promtool"), "test", "rules", test], capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "PbxcertsNoHeartbeat" in done.stdout + done.stderr


@pytest.mark.process
def test_the_library_is_loaded_only_where_metrics_are_asked_for(tmp_path):
    told = "import django, os, sys; django.setup(); from pbxcerts.processes import web, worker; web._request_times()"
    told += "; print(any(name.partition('.')[0] == 'prometheus_client' for name in sys.modules))"
    for token, loaded in (("", "False"), ("a token", "True")):
        printed = subprocess.run(
            [sys.executable, "-c", told],
            cwd=ROOT,
            env={
                "DJANGO_SETTINGS_MODULE": "pbxcerts.settings",
                "PBXCERTS_DATA": str(tmp_path),
                "PBXCERTS_METRICS_TOKEN": token,
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert printed.strip() == loaded


def test_every_route_of_the_terminals_listeners_has_a_name_to_be_counted_under():
    est, provisioning = EstHandlers(None, None), ProvisioningHandlers(None, https_port=None, http_port=None)
    routes = [*est.routes, *est.proof_routes, *provisioning.routes_over_https(), *PublicRootHandlers(None).routes()]

    assert len(routes) == 10
    assert [route for route in routes if not re.fullmatch("[a-z_]+", route.name)] == []
