"""The tests' database; the three personas, one for each role, and a browser of theirs that is logged in."""

import gc
import os
import socket
import sqlite3
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core import management
from django.db import connection
from django.template.base import Template
from django.test import Client
from pytest_django.plugin import blocking_manager_key

from pbxcerts.system.models import Role, User
from pbxcerts.system.session_store import SessionStore
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users import passwords, sessions
from pbxcerts.system.users.slowing import Throttle
from terminals.call_proof import process as call_proof
from terminals.rollout.rounds import MonotonicStopwatch
from terminals.tally import triggers
from tests.support import known_types
from tests.support.chromium import chromium
from tests.support.made_once import made_once
from tests.support.names import REAL, TwoAddresses
from tests.support.ntp import NtpResponder

PASSWORD = "seven copper kettles"

# Else every process would compile the product, and rewrite the tests' assertions, anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def _migrated_once():
    """Its tables are those that the migrations make, and one process of the tests runs them."""
    call_command = management.call_command

    def called(name, *arguments, **options):
        if name != "migrate" or connection.vendor != "sqlite":
            return call_command(name, *arguments, **options)

        def migrate(place):
            call_command(name, *arguments, **options)
            connection.cursor().execute("VACUUM INTO %s", [str(place)])

        place = made_once("migrated.sqlite3", migrate)
        connection.ensure_connection()
        with closing(sqlite3.connect(place)) as migrated:
            migrated.backup(connection.connection)
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(management, "call_command", called)
        yield


@pytest.fixture(scope="session")
def django_db_setup(_migrated_once, django_db_setup, django_db_blocker):
    """As pytest-django makes it."""
    with django_db_blocker.unblock():
        known_types.remember()


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the tests that are marked `long`")


def pytest_configure(config):
    """Any input at all: a few of them each time, many more with `--long`. A loaded machine is no reason to fail."""
    for name, count in (("short", 50), ("long", 1000)):
        hypothesis.settings.register_profile(name, max_examples=count, deadline=None)
    hypothesis.settings.load_profile("long" if config.getoption("long") else "short")


def pytest_report_header():
    """What is left out of the caller's environment: else somebody takes a run on SQLite for one on the database that he has named."""
    # The processes of xdist have the variables as their parent has left them, and write no header.
    if not settings.LEFT_OUT:
        return None
    return (
        f"pbxcerts: left out {', '.join(settings.LEFT_OUT)}; the tests' database is {connection.vendor}, "
        "PBXCERTS_TEST_DATABASE names another one"
    )


def pytest_collection_modifyitems(config, items):
    """Those that take long first, in the random order that they have: at the end all processes of the tests have something to do."""
    items.sort(key=lambda item: not item.get_closest_marker("takes_minutes"))
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("process", "peer", "browser")))
    if not config.getoption("long"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if not item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """A test with transactions of its own empties the tables in the end, also of what a new installation has; in any order, so that
    tallies that went before what they count are below zero.
    """
    result = yield
    marker = item.get_closest_marker("django_db")
    if "transactional_db" in item.fixturenames or (marker and marker.kwargs.get("transaction")):
        with item.config.stash[blocking_manager_key].unblock():
            triggers.recount(connection)
            known_types.know_types()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is loaded here stays: nothing of it is looked through for garbage, neither meanwhile nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _nobody_has_failed(monkeypatch):
    """What one test types wrong makes no other one wait. Time stands still between two passwords, however slow the machine is."""
    monkeypatch.setattr(passwords, "THROTTLE", Throttle())
    monkeypatch.setattr(passwords, "monotonic", lambda: 1000.0)


@pytest.fixture(autouse=True)
def proofs_started(monkeypatch):
    """How often the heartbeat of this process has started a proof by call: none is made beside a test."""
    started = []
    monkeypatch.setattr(call_proof, "start", lambda: started.append(1))
    return started


@pytest.fixture(scope="session", autouse=True)
def _nobody_pulls_the_plug():
    """What is flushed to the disk, and before what, is seen without waiting for the disk; other processes do wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nobody_asks_what_a_part_of_a_page_was_rendered_with(django_test_environment):
    """Django's test client copies it for each template: of a page a fifth of its time, of a list of 600 time zones all of it."""
    remembering = Template._render

    def render(template, context):
        is_of_a_field = (template.name or "").startswith(("django/forms/", "bootstrap5/"))
        is_a_part = is_of_a_field or context.template is not template
        return template.nodelist.render(context) if is_a_part else remembering(template, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", render)
        yield


@pytest.fixture(scope="session")
def _ntp():
    with NtpResponder() as responder:
        yield responder


@pytest.fixture
def ntp(_ntp):
    """A server that says what this machine's clock says, until a test has it say something else."""
    return _ntp.as_new()


@pytest.fixture
def names(monkeypatch):
    """Make a name of two addresses: `names("pbx.example", "::1", "127.0.0.1")`."""
    known: dict[str, TwoAddresses] = {}

    def found(host, port, *arguments, **options):
        if host in known:
            return known[host].found(port, options["type"] if "type" in options else arguments[1])
        return REAL(host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with ExitStack() as stack:

        def make(name, *hosts):
            known[name] = TwoAddresses(hosts, stack)
            return known[name]

        def also(name, two, *, first):
            """Another name of the same addresses, in another order."""
            known[name] = replace(two, hosts=tuple(sorted(two.hosts, key=lambda host: host != first)))

        make.also = also
        yield make


@pytest.fixture
def pauses_over_at_once(monkeypatch):
    """A round of the rollout goes on as if its pauses were over. Whoever waits for an answer does wait."""

    def pause(self, span):
        self._start -= span.total_seconds()

    monkeypatch.setattr(MonotonicStopwatch, "pause", pause)


def _persona(name: str, role: Role) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=role)


def _client_of(user: User) -> Client:
    """As one who has logged in and asked for a page: that writes down when the session ends."""
    client, session = Client(), SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    sessions.limit(session, idle=timedelta(hours=8), now=timekeeping.machine_time(), use={})
    session.create()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


@pytest.fixture
def viewer(db) -> User:
    return _persona("vera", Role.VIEW)


@pytest.fixture
def operator(db) -> User:
    return _persona("otto", Role.OPERATE)


@pytest.fixture
def administrator(db) -> User:
    return _persona("anna", Role.ADMINISTER)


@pytest.fixture
def viewer_client(viewer) -> Client:
    return _client_of(viewer)


@pytest.fixture
def operator_client(operator) -> Client:
    return _client_of(operator)


@pytest.fixture
def administrator_client(administrator) -> Client:
    return _client_of(administrator)


@pytest.fixture(scope="module")
def _chromium():
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(_chromium):
    """A real one, in which nothing is open and nobody is known."""
    yield _chromium
    for context in _chromium.contexts:
        context.close()


@pytest.fixture
def password() -> str:
    """The password of every persona."""
    return PASSWORD


@pytest.fixture
def key_file(tmp_path, settings):
    """Where the key list of this test will stand; there is none yet."""
    settings.KEY_FILE = tmp_path / "host-keys.key"
    return settings.KEY_FILE
