"""Several machines: an `up` each on a data directory of its own, over one PostgreSQL and one Redis of Debian."""

import http.client
import os
import shutil
import signal
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import psycopg
import pytest
import redis

from tests.peers.test_postgresql_redis import ORDER_THE_FIRST
from tests.support.live_phones import LiveSite
from tests.support.postgresql import cluster, installed_database, unprivileged_directory
from tests.support.provisioning import FIRST_PAIR
from tests.support.redis_server import redis_server
from tests.support.running import MANAGE, Tree, wait_for

pytestmark = [pytest.mark.peer, pytest.mark.takes_minutes]

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


SECRETS = """
from pbxcerts.processes import startup
from pbxcerts.system import sealing
startup.make_files()
sealing.make_key_list()
"""


BEAT = "from pbxcerts.heartbeat import beat\nbeat()"


class Site:
    """The machines by their names, over one database and one broker."""

    def __init__(self, directory, database, broker, stack):
        self.database, self.broker = database, broker
        self._directory, self._stack = directory, stack
        self.machines = {}

    def machine(self, name, *, kind=Tree, shares_secrets=True, **changes):
        """A machine that is not started yet. Each but the first has the secrets of the first."""
        place = self._directory / name
        place.mkdir()
        made = kind(place, PBXCERTS_DATABASE=self.database, PBXCERTS_BROKER=self.broker, **changes)
        if self.machines and shares_secrets:
            first = next(iter(self.machines.values()))
            made.data.mkdir(mode=0o700)
            shutil.copytree(first.data / "secrets", made.data / "secrets")
        self.machines[name] = self._stack.enter_context(made)
        return made

    def ask(self, query):
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()

    def heartbeats(self, *columns, of=""):
        where = f"WHERE key = '{of}'" if of else ""
        return self.ask(f"SELECT {', '.join(columns)} FROM system_heartbeat {where} ORDER BY key")

    def beats(self):
        return dict(self.heartbeats("key", "beats"))


@pytest.fixture(scope="module")
def servers():
    """The URL of a PostgreSQL without the name of a database, and a Redis."""
    with unprivileged_directory() as found, cluster(*found) as url, redis_server(*found) as server:
        yield url, server


@pytest.fixture
def site(servers, tmp_path):
    url, server = servers
    with ExitStack() as stack:
        yield Site(tmp_path, installed_database(url), server.url, stack)


def key_of(machine):
    return machine.run("from django.conf import settings\nprint(settings.MACHINE)").strip()


class SharedSite(LiveSite):
    """The first machine, with live phones, over the PostgreSQL of several."""

    def install(self):
        return self

    def installations(self, fields, generation=2):
        with psycopg.connect(self.environment["PBXCERTS_DATABASE"]) as database:
            query = f"SELECT {fields} FROM terminals_installation WHERE generation_id = {generation}"
            return database.execute(query).fetchall()


@contextmanager
def beating(*machines):
    """A heartbeat each second on each of them, as long as the broker is there."""
    with ExitStack() as stack:
        for machine in machines:
            stack.enter_context(machine.asking_for_heartbeats())
        yield


NUMBER = 12


def test_nothing_is_asked_twice_whoever_is_killed_and_whatever_is_emptied(site, servers):
    """Two workers and two web processes in the middle of a rollout; a third machine has a clock that is an hour wrong."""
    database, broker = servers
    first = site.machine("first", kind=SharedSite)
    first.furnish(NUMBER)
    first.set_delivery(waves=False, at_once=1)
    second = site.machine("second").start(program=MANAGE)
    late = site.machine("late").start(program=MANAGE, LD_PRELOAD=FAKETIME, FAKETIME="-1h", DONT_FAKE_MONOTONIC="1")
    wait_for(lambda: len(site.heartbeats("key")) == 3)

    def empty_the_broker():
        with redis.Redis.from_url(broker.url) as client:
            client.flushall()

    def restart_the_database():
        database.end()
        database.start()

    with beating(first, second, late):
        before = site.beats()
        wait_for(lambda: all(site.beats()[key] > was + 1 for key, was in before.items()), what="everybody beats")
        first.may_fetch.let(2)
        first.begin()
        wait_for(lambda: first.confirmed() == 2, what="two phones")
        for wrong in (
            *(
                partial(os.kill, killed, signal.SIGKILL)
                for killed in (first.web, second.web, first.cluster, second.cluster)
            ),
            empty_the_broker,
            restart_the_database,
        ):
            # In the middle of a restart: one that was claimed and whose NOTIFY nobody has sent yet would keep the only place for
            # as long as a telephone has time to come back.
            wait_for(lambda: ("heard",) in first.installations("state"), what="one that has heard and restarts")
            confirmed = first.confirmed()
            wrong()
            first.may_fetch.let(1)
            wait_for(lambda: first.confirmed() > confirmed, what=f"that one, in spite of {wrong}")  # noqa: B023 - waited for here
        first.may_fetch.set()
        first.assert_all_went_well()
    assert "asks no terminals" in late.log.read_text()
    assert [row for row in site.heartbeats("publishes") if row[0]] == [(True,)]
    assert not (second.data / "store").exists()
    assert not (late.data / "store").exists()


@pytest.mark.long
def test_web_processes_and_workers_on_machines_of_their_own_hand_out_and_prove(site):
    """The first machine publishes and has no panel; the second has web process and listeners alone, with the same pair."""
    first = site.machine("first")
    first.launch("--only", "worker", program=MANAGE)
    wait_for(lambda: first.still_runs() and first.log.read_text(), what="a greeting")
    web = site.machine("web", kind=SharedSite)
    web.run(FIRST_PAIR, "1")
    order = web.command("manage.py", "regenerate", "--without-clock", "--reason", "a test")
    assert order.communicate(timeout=100)[1] == ""
    web.go_on("--only", "web", program=MANAGE)
    assert (first.data / "store" / "current").readlink().name == "0001"
    assert not (web.data / "store").exists()
    phone = web.phone(100)
    phone.restart()
    wait_for(lambda: web.confirmed(1) == 1, what="evidence that the web process has recorded itself")
    key = key_of(web)
    assert site.heartbeats("works", "serves", "publishes", of=key) == [(False, True, False)]

    second = web.command("manage.py", "regenerate", "--without-clock", "--reason", "a test")
    assert second.communicate(timeout=100)[1] == ""
    wait_for(lambda: (web.data / "run" / "served" / "next").is_symlink(), what="the next pair for the proof")
    phone.restart()
    wait_for(lambda: web.confirmed(2) == 1, what="the second pair")
    assert "Traceback" not in first.log.read_text() + web.log.read_text()


def page(machine, path="/login/"):
    """Status and text of a page; 0 where nobody listens."""
    with closing(http.client.HTTPConnection("127.0.0.1", machine.port, timeout=20)) as connection:
        try:
            connection.request("GET", path, headers={"Accept-Language": "en"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""


def answer(*machines):
    return all(page(machine)[0] == 200 for machine in machines)


@pytest.mark.long
def test_while_database_or_broker_is_away_it_is_said_and_all_goes_on_by_itself_afterwards(site, servers):
    """Two first starts at once make one installation; each machine goes on when PostgreSQL and Redis are back."""
    url, broker = servers
    first = site.machine("first")
    first.run(SECRETS)
    second = site.machine("second")
    for machine in (first, second):
        machine.launch("--bind", f"127.0.0.1:{machine.port}", program=MANAGE)
    wait_for(lambda: answer(first, second), what="both panels")
    wait_for(lambda: sum(publishes for (publishes,) in site.heartbeats("publishes")) == 1, what="one that publishes")
    pids = [machine.cluster for machine in (first, second)]

    url.end()
    for machine in (first, second):
        status, text = page(machine)
        assert (status, "The database does not answer" in text) == (503, True), text
    url.start()
    wait_for(lambda: answer(first, second), seconds=10, what="both panels again")
    before = site.beats()
    with beating(first, second):
        wait_for(lambda: all(site.beats()[key] > was for key, was in before.items()), what="both beat again")

    broker.end()
    try:
        away = first.data / "run" / "broker-away"
        wait_for(away.exists, seconds=90, what="a worker that goes on without the broker")
        before = site.beats()
        wait_for(
            lambda: all(site.beats()[key] > was for key, was in before.items()),
            seconds=90,
            what="heartbeats without it",
        )
        assert answer(first)
    finally:
        broker.start()
    wait_for(lambda: not away.exists(), what="the broker seen again")
    wait_for(lambda: [machine.cluster for machine in (first, second)] != pids, what="workers with the broker")
    before = site.beats()
    with beating(first, second):
        wait_for(lambda: all(site.beats()[key] > was for key, was in before.items()), what="both beat again")
    log = first.log.read_text() + second.log.read_text()
    assert "again and again" not in log


def test_another_machine_takes_over_from_one_that_is_gone_and_one_with_other_secrets_does_nothing(site):
    first = site.machine("first")
    first.run(ORDER_THE_FIRST)
    first.start(program=MANAGE)
    second = site.machine("second").start(program=MANAGE)
    stranger = site.machine("stranger", shares_secrets=False)
    stranger.launch("--bind", f"127.0.0.1:{stranger.port}", program=MANAGE)
    gone, heir = key_of(first), key_of(second)
    wait_for(lambda: site.ask("SELECT 1 FROM certificates_generation WHERE state = 'active'"))
    wait_for(lambda: page(stranger)[0] == 503, what="a page that refuses")
    assert "secrets/django.key" in page(stranger)[1]

    with beating(first):
        wait_for(lambda: open_events(site) >= {"machine_secret_key_differs"}, what="a message of who is wrong")
    ordered = second.command("manage.py", "machines", "take-over", heir[:8])
    assert ordered.communicate()[1]
    assert ordered.returncode == 3

    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    first.ends_without_a_trace()
    with beating(second, stranger):
        wait_for(lambda: gone in site.heartbeats("seen", of=heir)[0][0], what="who is missed")
        before = site.beats()[heir]
        wait_for(lambda: site.beats()[heir] > before + 1, what="more beats")
        # Five minutes of silence that nobody has to wait for.
        site.ask(
            f"UPDATE system_heartbeat SET seen = jsonb_set(seen, '{{{gone},1}}', '0') WHERE key = '{heir}' RETURNING 1"
        )
        wait_for(lambda: open_events(site) >= {"publisher_silent"}, what="a critical message")
    ordered = second.command("manage.py", "machines", "take-over", heir[:8])
    assert ordered.communicate()[1] == ""
    with beating(second):
        wait_for(lambda: (second.data / "store" / "current").is_symlink(), what="a store of its own")
        wait_for(lambda: "publisher_silent" not in open_events(site), what="that it is over")
    assert not (stranger.data / "store").exists()

    first.launch("--bind", "127.0.0.1:0", program=MANAGE)
    before = site.beats()[gone]
    wait_for(lambda: site.beats()[gone] > before, what="the first machine, back again")
    assert site.heartbeats("key", "publishes") == sorted((key, key == heir) for key in site.beats())


@pytest.mark.parametrize("starts", [True, False], ids=["is started", "goes on with its memory"])
def test_a_clone_of_a_machine_is_told_and_a_restart_is_not(site, starts):
    """The same key, as the operating system's id is the same: here it is."""
    first = site.machine("first")
    first.run(SECRETS + "startup.prepare()")
    clone = site.machine("clone", shares_secrets=False)
    first.run(SECRETS + "startup.prepare()")
    for _minute in range(2):
        first.run(BEAT)
    assert "two_of_one_machine" not in open_events(site)

    shutil.copytree(first.data, clone.data)
    if starts:
        clone.run(SECRETS + "startup.prepare()")
    assert key_of(clone) == key_of(first)
    for machine in (clone, first, clone, first, clone):
        machine.run(BEAT)
    assert "two_of_one_machine" in open_events(site)


def open_events(site):
    return {kind for (kind,) in site.ask("SELECT kind FROM system_eventmessage WHERE cleared_at IS NULL")}
