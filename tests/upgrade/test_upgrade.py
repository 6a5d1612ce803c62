"""Every state that was kept of an earlier version is upgraded: nothing is lost, and the renewal that was under way goes on."""

import gzip
import hashlib
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import ConnectionHandler, connections
from django.db.migrations.executor import MigrationExecutor
from django.forms import model_to_dict
from django.test import Client
from django.urls import resolve
from django.utils.module_loading import import_string
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule

from certificates.models import Generation
from certificates.renewal.handover import known_terminals
from certificates.renewal.situation import configured_store, load_situation
from certificates.renewal.standing import StoreStanding
from certificates.renewal.switching import CommunicationServer
from pbxcerts import env
from pbxcerts.processes import startup
from pbxcerts.system.models import EventMessage, General, Session
from pbxcerts.system.sealing import unseal
from terminals.directory import search_index
from terminals.directory.device_tokens import token_hash
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust, Proved, Reported
from terminals.evidence.journal import Journal
from terminals.models import DeliverySettings, Installation, Rollout, Terminal, TerminalType
from terminals.rollout import orders
from terminals.tally import triggers
from terminals.tally.models import TerminalTally
from terminals.web import snapshot
from tests.support import known_types
from tests.support.fleet import Phone
from tests.support.generations import HOUR, MINUTE, World, utc
from tests.support.postgresql import cluster, installed_database, new_database, program, unprivileged_directory
from tests.support.product import copy_new_database
from tests.upgrade.contents import contents
from tests.upgrade.made_by_sql import made_by_sql
from tests.upgrade.make_fixture import STATES
from tests.upgrade.site import LINK, PASSWORD, SIP_PASSWORD, TOKEN, Site, machine_at

pytestmark = pytest.mark.simulation


KEPT = sorted(state.name for state in STATES.iterdir())
MOST_OF_ONE_VIEW = 3
BEFORE_THE_TRIGGERS = ("terminals", "0021_list_is_full")
"""The migration before the newest one that installs triggers and search anew."""
OVER = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)]


class State:
    """What was kept of one version: `at` is when that was, `lines` what stood in the database."""

    def __init__(self, name):
        self.place = STATES / name
        first, *self.lines = (self.place / "contents.txt").read_text().splitlines()
        self.at = utc(re.fullmatch(r"It is (.+)\.", first)[1])

    def unpack(self, database, directory):
        """Into the directory `data`: that of the installation that ran over this database."""
        with tarfile.open(self.place / f"{database}.tar.gz") as archive:
            archive.extractall(directory, filter="tar")

    def restore(self, url):
        """As an administrator restores what pg_dump has written."""
        sql = gzip.decompress((self.place / "postgresql.sql.gz").read_bytes())
        psql = [program("psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null", url]
        subprocess.run(psql, input=sql, check=True)


@dataclass(frozen=True)
class Upgraded:
    """A data directory, and the URL of the database where that is not in it."""

    data: Path
    url: str | None

    @classmethod
    def copied(cls, data, url, tmp_path_factory):
        copy = tmp_path_factory.mktemp("upgraded") / "data"
        shutil.copytree(data, copy, symlinks=True)
        return cls(copy, url and new_database(url.rpartition("/")[0], template=url))


@pytest.fixture(scope="module")
def postgresql():
    with unprivileged_directory() as found, cluster(*found) as url:
        yield url


@pytest.fixture(params=KEPT)
def state(request):
    return State(request.param)


@pytest.fixture(scope="module")
def upgraded():
    """By database and state, what its first upgrade has left: the data directory, and over PostgreSQL the URL of the database."""
    return {}


@pytest.fixture(params=OVER)
def site(request, state, tmp_path, tmp_path_factory, settings, monkeypatch, upgraded, django_db_blocker):
    """The installation of that state a minute later, with this version over it, as `up` begins. It is upgraded once and copied."""
    before = upgraded.get((request.param, state.place))
    data = settings.DATA = tmp_path / "data"
    if before:
        shutil.copytree(before.data, data, symlinks=True)
    else:
        state.unpack(request.param, tmp_path)
    settings.STORE = data / "store"
    settings.KEY_FILE = data / "secrets" / "host-keys.key"
    settings.SECRET_KEY_FILE = data / "secrets" / "django.key"
    settings.SECRET_KEY = env.secret(settings.SECRET_KEY_FILE)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    url = None
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgresql"), template=before.url if before else None)
        if not before:
            state.restore(url)
        monkeypatch.setenv("PBXCERTS_DATABASE", url)
    else:
        monkeypatch.delenv("PBXCERTS_DATABASE", raising=False)
    database = env.database("DATABASE", data / "pbxcerts.sqlite3")
    site = Site(
        World(
            CommunicationServer(store=configured_store(), look_for=0, look_every=0),
            now=state.at + MINUTE,
            telephones=known_terminals(),
        )
    )
    with django_db_blocker.unblock(), working_on(database), machine_at(site.world.now):
        startup.prepare()
        if not before:
            connections["default"].close()
            upgraded[request.param, state.place] = Upgraded.copied(data, url, tmp_path_factory)
        site.phones = {one.pk: Phone(one) for one in Terminal.objects.select_related("type")}
        yield site


@contextmanager
def working_on(database):
    """The product of this process over another database than that of the tests."""
    ours = connections["default"]
    connections["default"] = ConnectionHandler({"default": database})["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"] = ours


@pytest.fixture
def new_types(db):
    """The terminal types of a new installation of this version."""
    return known_types.of_a_new_installation()


@pytest.fixture
def new_installation(request, site, tmp_path):
    """A connection to the database of a new installation of this version, such as `site` has its own."""
    upgraded = connections["default"]
    if upgraded.vendor == "postgresql":
        name = installed_database(request.getfixturevalue("postgresql")).rpartition("/")[2]
    else:
        name = tmp_path / "new.sqlite3"
        copy_new_database(name)
    new = ConnectionHandler({"default": {**upgraded.settings_dict, "NAME": name}})["default"]
    yield new
    new.close()


@pytest.fixture
def administrator(site):
    """The browser of one who has logged in before the upgrade."""
    browser = Client()
    browser.cookies["sessionid"] = Session.objects.get().session_key
    return browser


def test_nothing_is_lost(site, state):
    now = contents()

    assert [line for line in state.lines if line not in now] == []
    # A type that this version knows and that one did not is no loss.
    assert [line for line in now if line not in state.lines and not line.startswith("type: ")] == []


def test_who_had_confirmed_before_fetches_had_to_be_proved_is_confirmed_still(site):
    confirmed = Installation.objects.filter(state="confirmed", evidence="fetched")

    assert confirmed.exists()
    assert set(confirmed.values_list("proof", "doubt_until")) == {("", None)}
    assert set(confirmed.trusted()) == set(confirmed)


def test_who_failed_to_log_in_before_is_written_nowhere_any_more(site):
    """The tables of the library that counted it held names, addresses and what was typed."""
    assert [table for table in connections["default"].introspection.table_names() if table.startswith("axes")] == []


def test_an_old_installation_knows_the_types_of_a_new_one(new_types, site):
    """Those that the administrator has changed are his."""

    def values(types):
        return {one.name: model_to_dict(one, exclude=["id"]) for one in types}

    old, new = values(TerminalType.objects.all()), values(new_types)

    assert set(old) - set(new) == {"Lobby telephone"}
    assert [name for name in new if old.get(name) != new[name]] == ["Linphone", "Mitel 6930"]


def test_what_sql_has_made_in_an_old_database_is_what_it_makes_in_a_new_one(site, new_installation):
    assert made_by_sql(connections["default"]) == made_by_sql(new_installation) != []


def test_a_database_with_triggers_of_before_gets_those_of_this_version_and_is_counted_anew(site, new_installation):
    database = connections["default"]
    MigrationExecutor(database).migrate([BEFORE_THE_TRIGGERS])
    triggers.remove(database)
    search_index.remove(database)
    right = list(TerminalTally.objects.order_by("type", "enabled").values_list("type", "enabled", "count"))
    TerminalTally.objects.update(count=7)
    assert made_by_sql(database) != made_by_sql(new_installation)

    call_command("migrate", verbosity=0)

    assert made_by_sql(database) == made_by_sql(new_installation)
    assert list(TerminalTally.objects.order_by("type", "enabled").values_list("type", "enabled", "count")) == right


def test_the_secrets_and_the_texts_of_the_administrator_are_what_they_were(site):
    assert unseal(DeliverySettings.load().account_password).decode() == SIP_PASSWORD
    assert unseal(Terminal.objects.get(number="100").sip_password).decode() == SIP_PASSWORD
    assert Client().post("/login/", {"username": "otto", "password": PASSWORD}).url == "/"
    guides = dict(TerminalType.objects.values_list("name", "guide_en"))
    assert (guides["Linphone"], guides["Lobby telephone"]) == ("Ask Petra.", "Call the porter first.")


def test_publishing_finds_nothing_to_do_but_to_say_whose_the_store_is(site):
    def files():
        return {
            path: path.lstat().st_mtime_ns
            for path in sorted(configured_store().path.rglob("*"))
            if path.name not in {".lock", "mark.json"}
        }

    before = files()
    assert configured_store().differences(load_situation().publication()) == []
    call_command("publish", verbosity=0)

    assert files() == before
    assert load_situation().is_marked


def test_the_store_of_a_version_without_marks_is_taken_for_ours_and_nobody_is_told(site):
    assert load_situation().standing is StoreStanding.SAME
    site.beat()
    assert load_situation().is_marked
    kinds = set(EventMessage.objects.filter(raised_at__gte=site.world.now).values_list("kind", flat=True))
    assert not {kind for kind in kinds if kind.startswith("store_")}


def test_each_copy_of_an_old_installation_gets_the_same_name(site):
    first = Generation.objects.order_by("number").first()
    assert General.load().installation == hashlib.sha256(f"installation:{first.host_sha256}".encode()).hexdigest()[:32]


def test_every_page_can_be_read_by_who_was_logged_in(administrator):
    """From page to page by the links that are there; of each view a few."""
    seen = Counter()
    known, waiting = set(), ["/", "/terminals/import/preview/"]
    while waiting:
        address = waiting.pop()
        view = resolve(address.partition("?")[0]).view_name
        if address in known or seen[view] == MOST_OF_ONE_VIEW:
            continue
        known.add(address)
        seen[view] += 1
        page = administrator.get(address, follow=True)
        assert (address, page.status_code) == (address, 200)
        assert not [to for to, _status in page.redirect_chain if to.startswith("/login/")]
        if page["Content-Type"].startswith("text/html"):
            waiting += re.findall(r'(?:href|hx-get)="(/(?!static/)[^"#]*)"', page.content.decode())

    assert len(seen) > 40


def test_links_and_tokens_still_open_what_they_opened(site):
    assert Client().get(f"/terminals/link/{LINK}/").status_code == 200
    assert snapshot.read_snapshot().by_token[token_hash(TOKEN)].number == "120"


def test_what_waits_in_the_queue_and_in_the_schedule_can_still_be_called(site, settings, monkeypatch):
    monkeypatch.setattr(Conf, "SECRET_KEY", settings.SECRET_KEY)
    called = [one.func for one in Schedule.objects.all()] + [one.task["func"] for one in OrmQ.objects.all()]

    assert len(called) >= 2
    assert all(callable(import_string(name)) for name in called)


def test_what_a_killed_web_process_left_can_be_read(site, settings):
    assert {type(fact) for fact in Journal(settings.DATA / "run").left()} == {FetchedTrust, Reported, Proved}


def test_the_renewal_goes_on_and_nobody_who_heard_of_it_before_is_asked_again(site, administrator, settings):
    number = site.world.pending.number
    rows = Installation.objects.filter(generation=number)
    heard = [
        site.phones[row.terminal_id] for row in rows.filter(state__in=["heard", "fetched", "confirmed", "skipped"])
    ]
    half_way = [site.phones[row.terminal_id] for row in rows.filter(state="fetched")]

    site.during(10 * MINUTE)
    recording.write_facts(Journal(settings.DATA / "run").left())
    site.fetch(*half_way)
    site.during(10 * MINUTE)
    assert site.notified(heard) == 0
    assert {row.terminal_id for row in rows.filter(state="confirmed")} >= {phone.terminal.pk for phone in half_way}
    assert rows.filter(state="failed").exists()

    with machine_at(site.world.now):
        administrator.post(f"/terminals/rollout/{number}/order/", {"order": "retry"})
        desk = Client()
        version = re.search(r'name="version" value="([^"]+)"', desk.get(f"/terminals/link/{LINK}/").content.decode())[1]
        desk.post(f"/terminals/link/{LINK}/", {"name": "Petra Muster", "version": version})
    assert rows.get(confirmed_by__startswith="Petra Muster").state == "confirmed"
    by_hand = Terminal.objects.filter(type__method="sip_standard")
    orders.confirm(site.world.situation, by_hand, generation=number, by="otto", at=site.world.now)
    # Nobody has entered their addresses or a network: what only their answers prove counts after 45 minutes.
    site.during(2 * HOUR, every=15 * MINUTE)

    assert site.world.active.number == site.world.store.current == number
    assert Rollout.objects.get(generation=number).state == "running"
    left = rows.exclude(state__in=["confirmed", "skipped"])
    assert [row.terminal.type.name for row in left] == ["Lobby telephone"]
    assert max(phone.restarts for phone in site.phones.values()) == 1
