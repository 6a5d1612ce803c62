"""What a load balancer, Prometheus and a proxy get from the real `up` (rules asked-from-outside, ready-while-it-answers, request-id,
metrics-when-asked, json-lines).
"""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.peers import require_program
from tests.support.ports import free_port
from tests.support.postgresql import cluster, installed_database, unprivileged_directory
from tests.support.provisioning import Provisioning
from tests.support.running import MANAGE, Tree, wait_for

pytestmark = pytest.mark.process

TOKEN = "c8e1b6f0a7d94e52b3f1"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROXY, STRANGER = "127.0.0.2", "127.0.0.1"
LOGGED = "0123456789abcdef0123456789abcdef"


class Site(Provisioning):
    """A tree with every listener that there is, and what somebody asks of it."""

    def start(self, **changes):
        self.panel_https = free_port()
        Tree.start(self, "--bind-https", f"127.0.0.1:{self.panel_https}", program=MANAGE, **changes)

    def ask(self, path, *, method="GET", host="panel.example.org", client=STRANGER, secure=False, **headers):
        """The response, with its `body` and how long it took."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(client, 0))
        if secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", self.panel_https, timeout=30, context=context)
        with closing(connection):
            began = time.monotonic()
            connection.request(method, path, headers={"Host": host, **headers})
            answer = connection.getresponse()
            answer.body = answer.read()
            answer.took = time.monotonic() - began
        return answer

    def checks(self):
        return {one["name"]: one for one in json.loads(self.ask("/readyz").body)["checks"]}

    def metrics(self):
        return self.ask("/metrics", **BEARER).body.decode()

    def requests(self):
        """How many were counted, by listener, route and status."""
        return {
            (sample.labels["listener"], sample.labels["route"], sample.labels["status"]): sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == "pbxcerts_http_request_duration_seconds_count"
        }

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    token = directory / "token"
    token.write_text(TOKEN + "\n")
    changes = {
        "PBXCERTS_METRICS_TOKEN_FILE": str(token),
        "PBXCERTS_LOG": "json",
        "PBXCERTS_URL_PATH": "/pbx",
        "PBXCERTS_HOSTS": "panel.example.org,127.0.0.1",
        "PBXCERTS_TRUSTED_PROXIES": PROXY,
    }
    with Site(directory, **changes) as site:
        site.open()
        wait_for(lambda: site.beats() > 0, what="a heartbeat")
        wait_for(lambda: site.checks()["listeners"]["ok"], what="open listeners")
        yield site


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/pbx/healthz", "/pbx/readyz"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_anybody_is_answered_whatever_the_host_is_called(site, path, secure):
    answer = site.ask(path, host="10.0.0.7:8000", secure=secure)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Set-Cookie"] is None
    head = site.ask(path, method="HEAD", host="10.0.0.7:8000", secure=secure)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]
    assert site.ask("/login/", host="10.0.0.7:8000").status == 400, "others are refused"


def test_no_other_method_and_no_other_path_is_answered(site):
    refused = site.ask("/readyz", method="POST")

    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert [site.ask(path).status for path in ("/healthz/", "/other/healthz", "//healthz")] == [404] * 3


def test_no_session_is_made(site):
    for path in ("/healthz", "/readyz", "/metrics"):
        site.ask(path, **BEARER)

    assert site.rows("system.Session", "pk") == []


def test_what_is_not_in_order_is_told_and_refuses_nothing(site):
    checks = site.checks()

    assert {name: one["ok"] for name, one in checks.items()} == {
        "database": True,
        "worker": True,
        "clock": False,
        "store": True,
        "listeners": True,
    }
    assert checks["clock"]["reason"] == "the NTP service is off"
    assert site.ask("/readyz").status == 200


def test_metrics_need_the_token(site):
    wrong = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
    ]

    answers = [site.ask("/metrics", **headers) for headers in wrong]
    assert [answer.status for answer in answers] == [401] * 4
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert b"pbxcerts_" not in b"".join(answer.body for answer in answers)
    assert site.ask("/metrics", host="anything", **BEARER).status == 200
    assert site.ask("/pbx/metrics", Authorization=f"bearer {TOKEN}").status == 200


@pytest.mark.peer
def test_promtool_takes_what_the_real_process_says(site):
    site.ask("/login/")
    checked = subprocess.run(
        [require_program("promtool"), "check", "metrics"],
        input=site.metrics(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_requests_are_counted_by_their_route_and_never_by_their_path(site):
    secret = "4ihywCnrhaENwhDMM8rDMGQOetLAf1BAdOPA-6bafrE"
    site.ask(f"/terminals/link/{secret}/")
    site.ask(f"/{secret}/no-such-page")
    site.ask("/static/css/frame.css")
    site.ask("/pbx/login/")
    for path in ("/root.pem", "/root.sha256", f"/{secret}/startup.cfg", "/00085D000000.cfg"):
        telephone = http.client.HTTPConnection("127.0.0.1", site.http, timeout=10)
        with closing(telephone):
            telephone.request("GET", path)
            telephone.getresponse().read()

    counted = site.requests()
    assert secret not in site.metrics()
    assert counted.keys() >= {
        ("panel", "login", "200"),
        ("panel", "none", "404"),
        ("panel", "static", "200"),
        ("terminals_http", "root", "200"),
        ("terminals_http", "fingerprints", "200"),
        ("terminals_http", "none", "404"),
    }
    assert any(route.startswith("terminals:link") for listener, route, _status in counted if listener == "panel")
    assert any(route == "configuration" for _listener, route, _status in counted)


def test_every_response_has_an_id_and_each_is_another(site):
    ids = [
        site.ask(path).headers["X-Request-ID"] for path in ("/healthz", "/login/", "/no-such-page") for _ in range(3)
    ]

    assert len({*ids}) == 9
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)


def test_the_id_of_a_trusted_proxy_is_taken_over_and_a_strangers_is_not(site):
    assert site.ask("/no-such-page", client=PROXY, **{"X-Request-ID": LOGGED}).headers["X-Request-ID"] == LOGGED
    assert site.ask("/no-such-page", client=STRANGER, **{"X-Request-ID": LOGGED}).headers["X-Request-ID"] != LOGGED
    for unfit in ("short", "x" * 65, "has a space in it", "1234567/89", 'quote"quote'):
        assert site.ask("/healthz", client=PROXY, **{"X-Request-ID": unfit}).headers["X-Request-ID"] != unfit


def test_the_lines_of_a_request_carry_its_id_from_the_thread_that_answers(site):
    def ask(number):
        return number, site.ask(f"/no-such-page/{number}").headers["X-Request-ID"]

    with ThreadPoolExecutor(8) as several:
        asked = dict(several.map(ask, range(40)))

    told = {line["message"]: line.get("request") for line in site.lines()}
    assert {number: told[f"Not Found: /pbx/no-such-page/{number}"] for number in asked} == asked


def test_a_mistake_of_ours_shows_the_id_under_which_the_log_has_its_traceback(site):
    with closing(sqlite3.connect(site.data / "pbxcerts.sqlite3", timeout=20)) as other:
        other.execute("ALTER TABLE system_general RENAME TO away")
        try:
            answer = site.ask("/login/")
        finally:
            other.execute("ALTER TABLE away RENAME TO system_general")

    said = [line for line in site.lines() if line.get("request") == answer.headers["X-Request-ID"]]
    assert answer.status == 500
    assert f"<code>{answer.headers['X-Request-ID']}</code>" in answer.body.decode()
    assert any("Traceback" in line.get("exception", "") for line in said)
    wait_for(lambda: site.ask("/login/").status == 200, what="the page")


def test_every_line_is_an_object_and_says_what_it_is_about(site):
    lines = site.lines()

    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert {line["event"] for line in lines if "event" in line} >= {"clock_off"}
    assert any("setup/#" in line["message"] for line in lines), "whoever starts it still gets the link"


def test_what_ends_the_worker_is_told_on_lines_of_their_own(site):
    before = len(site.lines())
    os.kill(site.child("worker"), signal.SIGKILL)
    wait_for(lambda: len(site.lines()) > before, what="a line of the supervision")

    said = [line for line in site.lines()[before:] if line["logger"] == "pbxcerts.up"]
    assert "SIGKILL" in said[0]["message"]
    wait_for(lambda: site.child("worker"), what="another worker")


def test_a_redirect_to_https_does_not_lead_a_load_balancer_away(tmp_path):
    with Site(tmp_path) as site:
        site.open()
        site.run("from pbxcerts.system.models import General\nGeneral.objects.update(redirect_to_https=True)")
        wait_for(lambda: site.ask("/login/", host="127.0.0.1").status == 302, what="the redirect")

        assert [site.ask(path).status for path in ("/healthz", "/readyz")] == [200, 200]
        # Without the variable there is no such address, whoever asks.
        assert site.ask("/metrics", **BEARER).status == 404


def test_a_write_that_takes_long_is_no_reason_to_wait(site):
    with closing(sqlite3.connect(site.data / "pbxcerts.sqlite3", timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ready, metrics = site.ask("/readyz"), site.ask("/metrics", **BEARER)
        other.execute("ROLLBACK")

    assert (ready.status, metrics.status) == (200, 200)
    assert max(ready.took, metrics.took) < 2
    assert b"\npbxcerts_database_up 1.0" in metrics.body


@pytest.fixture(scope="module")
def server():
    with unprivileged_directory() as found, cluster(*found) as server:
        yield server


@contextmanager
def locked(url):
    """As by a dump or a migration: whoever reads these tables waits for ever."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE system_heartbeat, system_general IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.peer
def test_a_locked_database_keeps_nobody_waiting_and_takes_no_telephones_files(tmp_path, server):
    url = installed_database(server)
    with Site(tmp_path, PBXCERTS_DATABASE=url, PBXCERTS_METRICS_TOKEN=TOKEN) as site:
        site.open()
        assert site.checks()["database"]["ok"]
        with ThreadPoolExecutor(12) as browsers:
            with locked(url):
                # More than there are threads.
                pages = [browsers.submit(site.ask, "/login/", host="127.0.0.1") for _ in range(12)]
                # What was seen before counts for a second.
                time.sleep(1.2)
                alive, ready = site.ask("/healthz"), site.ask("/readyz")
                metrics, again = site.ask("/metrics", **BEARER), site.ask("/readyz")
                telephone = http.client.HTTPConnection("127.0.0.1", site.http, timeout=10)
                with closing(telephone):
                    telephone.request("GET", "/root.pem")
                    assert telephone.getresponse().status == 200
                assert not any(page.done() for page in pages), "they wait for the database"

            assert alive.status == 200
            assert alive.took < 1
            assert ready.status == 200
            database = next(one for one in json.loads(ready.body)["checks"] if one["name"] == "database")
            assert database == {"name": "database", "ok": False, "reason": "no answer within 2 s"}
            assert metrics.status == 200
            assert b"\npbxcerts_database_up 0.0" in metrics.body
            assert b"pbxcerts_generations" not in metrics.body
            assert max(ready.took, metrics.took) < 3
            assert again.took < 1, "who comes later does not wait anew"
        wait_for(lambda: site.checks()["database"]["ok"], what="the database")


@pytest.mark.peer
def test_a_panel_alone_is_not_ready_without_its_database(tmp_path, server):
    url = installed_database(server)
    with Tree(tmp_path, PBXCERTS_DATABASE=url) as tree:
        tree.start(program=MANAGE)
        assert tree.get("/readyz").status == 200
        with locked(url):
            wait_for(lambda: tree.get("/readyz").status == 503, what="that it refuses")
            assert tree.get("/healthz").status == 200
        wait_for(lambda: tree.get("/readyz").status == 200, what="that it is ready again")


def test_why_it_does_not_start_is_said_on_a_line_of_the_log(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as somebody, Tree(tmp_path, PBXCERTS_LOG="json") as tree:
        tree.launch("--bind", f"127.0.0.1:{somebody.getsockname()[1]}", program=MANAGE)
        assert tree.process.wait(timeout=60) == 1
        (line,) = tree.log.read_text().splitlines()

    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("ERROR", "pbxcerts.up")
    assert "127.0.0.1" in said["message"]
