"""What is recorded of a fetch: from which address, and what a clean end of the process leaves of it."""

import pytest

from tests.support.provisioning import Provisioning
from tests.support.running import wait_for

pytestmark = pytest.mark.process


def rows(product, phone):
    found = product.rows("terminals.Installation", "terminal", "state", "address", "address_differs")
    return [row for row in found if row["terminal"] == phone.key]


@pytest.mark.parametrize(
    ("proxies", "address", "differs", "state"),
    [("127.0.0.1", "203.0.113.9", True, "unproved"), ("192.0.2.1", "127.0.0.1", False, "confirmed")],
)
def test_an_address_behind_a_proxy_counts_from_a_declared_proxy_alone(tmp_path, proxies, address, differs, state):
    with Provisioning(tmp_path) as product:
        product.open(phones=1, PBXCERTS_TRUSTED_PROXIES=proxies)
        phone = product.phone(100)
        path = "/" + phone.configuration()["sips trusted certificates"].split("/", 3)[3]

        assert phone.get(path, headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}).status == 200

        wait_for(lambda: any(row["address"] for row in rows(product, phone)), what="a record")
        assert rows(product, phone) == [
            {"terminal": phone.key, "state": state, "address": address, "address_differs": differs}
        ]


def test_what_was_fetched_just_before_a_clean_end_is_recorded(tmp_path):
    with Provisioning(tmp_path) as product:
        product.open(phones=1)
        phone = product.phone(100)
        phone.restart()

        product.end()

        assert [row["state"] for row in rows(product, phone)] == ["confirmed"]
