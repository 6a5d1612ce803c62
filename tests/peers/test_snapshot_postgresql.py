"""What the terminals' listeners answer from, over a PostgreSQL of Debian: whether a commit is seen, and nothing else."""

import json

import psycopg
import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.postgresql import installed_database
from tests.support.product import Product
from tests.support.provisioning import FIRST_PAIR

pytestmark = pytest.mark.peer

LOOKS = """
import json, sys
from terminals.web import snapshot
print("ready", flush=True)
for _line in sys.stdin:
    print(json.dumps(snapshot.commits()), flush=True)
"""
FOLLOWS = """
import asyncio, json, sys
from terminals.web.snapshot import Snapshots

async def main():
    ending = asyncio.Event()
    snapshots = Snapshots()
    task = asyncio.create_task(snapshots.run(ending))
    await snapshots.ready.wait()
    print(len(snapshots.current.terminals), flush=True)
    while len(snapshots.current.terminals) != 4:
        await asyncio.sleep(0.05)
    print(len(snapshots.current.terminals), flush=True)
    ending.set()
    await task

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def product(postgresql, tmp_path_factory):  # noqa: F811 - the fixture
    with Product(tmp_path_factory.mktemp("snapshots"), PBXCERTS_DATABASE=installed_database(postgresql)) as product:
        product.run(FIRST_PAIR, "3")
        yield product


def connect(product):
    return psycopg.connect(product.environment["PBXCERTS_DATABASE"])


class Looking:
    """A process with a connection of its own that looks whether something was committed."""

    def __init__(self, process):
        self._process = process
        assert process.stdout.readline() == "ready\n", process.stderr.read()

    def look(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self):
        self._process.communicate()


@pytest.fixture
def looking(product):
    looking = Looking(product.command("-c", f"import django; django.setup()\n{LOOKS}"))
    yield looking
    looking.end()


def test_nothing_is_seen_where_nothing_was_committed(product, looking):
    before = looking.look()
    with connect(product) as reader:
        reader.execute("SELECT count(*) FROM terminals_terminal").fetchall()

    assert looking.look() == looking.look() == before


def test_each_commit_of_another_connection_is_seen(product, looking):
    seen = [looking.look()]
    with connect(product) as writer:
        for _ in range(3):
            writer.execute("UPDATE terminals_terminal SET notes = notes || 'x'")
            writer.commit()
            seen.append(looking.look())

    assert len(set(seen)) == 4


def test_a_commit_is_seen_while_another_transaction_stays_open(product, looking):
    with connect(product) as open_one, connect(product) as writer:
        open_one.execute(
            "INSERT INTO system_session (session_key, session_data, expire_date) VALUES ('open', '', now())"
        )
        before = looking.look()
        writer.execute("UPDATE terminals_terminal SET notes = notes || 'x'")
        writer.commit()
        between = looking.look()
        open_one.commit()
        after = looking.look()

    assert len({before, between, after}) == 3


def test_a_transaction_that_began_before_the_look_is_seen_when_it_commits(product, looking):
    with connect(product) as writer:
        writer.execute("UPDATE terminals_terminal SET notes = notes || 'x'")
        before = looking.look()
        assert looking.look() == before
        writer.commit()

    assert looking.look() != before


def test_the_listeners_copy_follows_the_database(product):
    following = product.command("-c", f"import django; django.setup()\n{FOLLOWS}")
    assert following.stdout.readline() == "3\n", following.stderr.read()

    with connect(product) as writer:
        writer.execute(
            "CREATE TEMPORARY TABLE copied AS SELECT * FROM terminals_terminal ORDER BY id LIMIT 1;"
            "UPDATE copied SET id = 1000, number = '999', mac = NULL, path_secret = 'another', token_sha256 = '';"
            "INSERT INTO terminals_terminal SELECT * FROM copied"
        )

    output, error = following.communicate(timeout=30)
    assert output == "4\n", error
