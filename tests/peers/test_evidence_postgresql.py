"""What phones prove, written to a PostgreSQL of Debian by the same statements."""

import json

import psycopg
import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.product import Product
from tests.support.provisioning import FIRST_PAIR, GENERATE

pytestmark = pytest.mark.peer

WRITES = """
import json
from datetime import UTC, datetime
from pbxcerts.system.events import Notice
from pbxcerts.system.models import EventMessage
from terminals import evidence
from terminals.installations import FetchedTrust
from terminals.models import Installation, Terminal
from terminals.web.mitel import FETCHED_IN_CLEAR

now = datetime.now(UTC)
keys = list(Terminal.objects.order_by("pk").values_list("pk", flat=True))
facts = [FetchedTrust(key, frozenset({1}), "1.pem", "Mitel6930", "192.0.2.1", now) for key in [*keys, 999_999]]
notice = lambda key: Notice(FETCHED_IN_CLEAR, subject=f"1 {key} b", params={"number": str(key), "address": "b"})
for chosen in (keys[:1], keys, keys):
    evidence.write([*facts, *(evidence.Logged(notice(key), now) for key in chosen)])
print(json.dumps([
    list(Installation.objects.order_by("terminal").values_list("state", "address_differs")),
    list(EventMessage.objects.filter(kind="fetched_over_http").order_by("subject").values_list("params__address", "with_match")),
]))
"""


@pytest.fixture(scope="module")
def product(postgresql, tmp_path_factory):  # noqa: F811 - the fixture
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE evidence")
    with Product(tmp_path_factory.mktemp("evidence"), PBXCERTS_DATABASE=f"{postgresql}/evidence") as product:
        product.run(FIRST_PAIR, "3")
        product.run(GENERATE)
        yield product


def test_phones_of_the_list_are_confirmed_and_each_is_logged_once(product):
    confirmed, logged = json.loads(product.run(WRITES))

    assert confirmed == [["confirmed", True]] * 3
    assert logged == [["b", False]] * 3
