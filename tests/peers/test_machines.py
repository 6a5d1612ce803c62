"""Several machines: an `up` each on a data directory of its own, over one PostgreSQL and one Redis of Debian."""

import shutil
from contextlib import ExitStack

import psycopg
import pytest

from tests.peers.test_postgresql_redis import ORDER_THE_FIRST
from tests.support.postgresql import cluster, new_database, unprivileged_directory
from tests.support.redis_server import redis_server
from tests.support.running import Tree, wait_for

pytestmark = pytest.mark.peer


class Site:
    """The machines by their names, over one database and one broker."""

    def __init__(self, directory, database, broker, stack):
        self.database, self.broker = database, broker
        self._directory, self._stack = directory, stack
        self.machines = {}

    def machine(self, name, **changes):
        """A machine that is not started yet. Each but the first has the secrets of the first."""
        place = self._directory / name
        place.mkdir()
        made = Tree(place, PBXCERTS_DATABASE=self.database, PBXCERTS_BROKER=self.broker, **changes)
        if self.machines:
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
        yield Site(tmp_path, new_database(url), server.url, stack)


def key_of(machine):
    return machine.run("from django.conf import settings\nprint(settings.MACHINE)").strip()


def test_each_machine_beats_by_itself_and_one_of_them_publishes(site):
    first = site.machine("first")
    first.run(ORDER_THE_FIRST)
    first.start()
    second = site.machine("second").start()
    keys = [key_of(machine) for machine in (first, second)]
    wait_for(lambda: all(beats for (beats,) in site.heartbeats("beats")) and len(site.heartbeats("key")) == 2)
    wait_for(lambda: site.ask("SELECT 1 FROM certificates_generation WHERE state = 'active'"))

    for key, machine in zip(keys, (first, second), strict=True):
        before = site.beats()
        with machine.asking_for_heartbeats():
            wait_for(lambda key=key, before=before: site.beats()[key] > before[key] + 1, what="heartbeats of its own")

    assert site.heartbeats("publishes", of=keys[0]) == [(True,)]
    assert site.heartbeats("publishes", of=keys[1]) == [(False,)]
    assert (first.data / "store" / "current").is_symlink()
    assert not (second.data / "store").exists()
    assert "Traceback" not in first.log.read_text() + second.log.read_text()
