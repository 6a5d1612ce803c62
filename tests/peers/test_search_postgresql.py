"""Terminals are searched by an index of PostgreSQL, and without the extension for it all the same (rule search)."""

import json

import psycopg
import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.postgresql import installed_database
from tests.support.product import Product

pytestmark = pytest.mark.peer

FILL = """
from django.db import connection
from terminals.models import Terminal, TerminalType
type_ = TerminalType.objects.get(name="Snom")
Terminal.objects.bulk_create(
    Terminal(number=str(20_000 + n), name=f"desk {n}", type=type_, mac=f"00085D{n:06X}", address=f"10.0.{n // 250}.{n % 250}")
    for n in range(5000)
)
with connection.cursor() as cursor:
    # As autovacuum does.
    cursor.execute("VACUUM ANALYZE terminals_terminal")
"""
SEARCHES = """
import json
from django.db import connection
from django.test.utils import CaptureQueriesContext
from terminals.directory.searching import search
from terminals.models import Terminal
found = {}
for text in ("00:04:D2", "24321", "K 4321", "nobody", "10.0.7.9", "desk"):
    with CaptureQueriesContext(connection) as captured:
        hits = search(text)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        plan = " ".join(row for (row,) in cursor.fetchall())
    numbers = sorted(Terminal.objects.filter(pk__in=hits.keys).values_list("number", flat=True))
    found[text] = [numbers[:3], len(numbers), hits.more, "terminals_search" in plan]
print(json.dumps(found))
"""
FOUND = {
    "00:04:D2": [["21234"], 1, False],
    "24321": [["24321"], 1, False],
    "K 4321": [["24321"], 1, False],
    "nobody": [[], 0, False],
}
IN_TURN = {"10.0.7.9": [["21759", "21840", "21841"], 11, False], "desk": [["20000", "20001", "20002"], 1000, True]}
"""PostgreSQL expects to find more, or to come to a thousand soon, so of 5,000 it may read all."""
START = "from pbxcerts.processes import startup\nstartup.prepare()"
CHECK = (
    "from pbxcerts.health import deploy_checks\nprint(*[one.id for one in deploy_checks._database()], *[one.hint for one"
    " in deploy_checks._database()])"
)


def searched(product):
    """Whether each of `FOUND` was found by the index."""
    found = json.loads(product.run(SEARCHES))
    assert {text: rest for text, (*rest, _by_index) in found.items()} == FOUND | IN_TURN
    return {found[text][-1] for text in FOUND}


@pytest.fixture
def product(postgresql, tmp_path):  # noqa: F811 - the fixture
    product = Product(tmp_path, PBXCERTS_DATABASE=installed_database(postgresql))
    product.run(FILL)
    return product


def as_administrator(postgresql, product, *statements):  # noqa: F811 - the fixture
    with psycopg.connect(f"{postgresql}/{product.database}", autocommit=True) as connection:
        for statement in ("SET ROLE NONE", *statements):
            connection.execute(statement)


def test_an_index_finds_them(product):
    assert searched(product) == {True}
    assert product.run(CHECK).strip() == ""


def test_where_the_extension_may_not_be_made_they_are_found_too_and_the_check_says_what_to_do(postgresql, product):  # noqa: F811
    """The database's user is no superuser and may make no schema; later an administrator makes the extension."""
    url = product.environment["PBXCERTS_DATABASE"]
    product.database = url.rpartition("/")[2]
    as_administrator(
        *(postgresql, product, "DROP EXTENSION pg_trgm CASCADE", "CREATE ROLE plain"),
        *("GRANT ALL ON SCHEMA public TO plain", "GRANT ALL ON ALL TABLES IN SCHEMA public TO plain"),
        *("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO plain", "ALTER TABLE terminals_terminal OWNER TO plain"),
        f"ALTER DATABASE {product.database} SET role = 'plain'",
    )
    product.run(START)
    assert searched(product) == {False}
    said = product.run(CHECK)
    assert said.startswith("pbxcerts.W010")
    assert "CREATE EXTENSION pg_trgm" in said

    as_administrator(postgresql, product, "CREATE SCHEMA extensions", "CREATE EXTENSION pg_trgm SCHEMA extensions")
    as_administrator(postgresql, product, "GRANT USAGE ON SCHEMA extensions TO plain")
    product.run(START)
    assert searched(product) == {True}
    assert product.run(CHECK).strip() == ""
