"""An older dump of a PostgreSQL database is restored beside a newer store, as an administrator does it."""

import json
import subprocess
import sys

import psycopg
import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support import forked
from tests.support.postgresql import installed_database, program
from tests.support.product import Product
from tests.support.provisioning import FIRST_PAIR, GENERATE
from tests.support.running import MANAGE

pytestmark = pytest.mark.peer


@pytest.fixture
def product(postgresql, tmp_path):  # noqa: F811 - the fixture
    with Product(tmp_path, PBXCERTS_DATABASE=installed_database(postgresql)) as product:
        product.run(FIRST_PAIR, "0")
        assert product.run(GENERATE) == "1\n"
        yield product


def command(product, *arguments):
    ran = forked.run(
        [sys.executable, MANAGE, *arguments], env=product.environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def dump(product):
    url = product.environment["PBXCERTS_DATABASE"]
    return subprocess.run([program("pg_dump"), "--no-owner", url], check=True, capture_output=True).stdout


def restore(product, sql):
    url = product.environment["PBXCERTS_DATABASE"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    psql = [program("psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null", url]
    subprocess.run(psql, input=sql, check=True)


def test_an_older_dump_adopts_what_is_served_and_goes_on_counting_above_it(product):
    before = dump(product)
    assert product.run(GENERATE) == "2\n"
    command(product, "activate")
    key = (product.data / "store" / "current" / "host.key").read_bytes()
    restore(product, before)
    assert json.loads(command(product, "status", "--json"))["published"]["store"] == "older"

    command(product, "heartbeat")
    status = json.loads(command(product, "status", "--json"))
    assert {one["number"]: one["state"] for one in status["generations"]} == {1: "superseded", 2: "active"}
    assert status["published"] | {"store": "same", "current": 2, "matches": True} == status["published"]
    assert (product.data / "store" / "current" / "host.key").read_bytes() == key
    assert product.run(GENERATE) == "3\n"
