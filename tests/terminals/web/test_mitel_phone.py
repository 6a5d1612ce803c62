"""A Mitel phone and the real web process: it fetches its configuration and the trust file, and that is recorded."""


import pytest

from tests.support.provisioning import Provisioning
from tests.support.running import wait_for


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Provisioning(tmp_path_factory.mktemp("provisioning")) as product:
        yield product.open(phones=12)


def installations(product, phone):
    rows = product.rows(
        "terminals.Installation",
        "terminal",
        "generation",
        "state",
        "evidence",
        "user_agent",
        "address_differs",
        "fetched_file",
    )
    return {row["generation"]: row for row in rows if row["terminal"] == phone.key}


def confirmed(product, phone):
    return {number for number, row in installations(product, phone).items() if row["state"] == "confirmed"}


def test_a_phone_fetches_its_files_over_https_and_is_recorded_as_confirmed(product):
    phone = product.phone(100)

    configuration = phone.restart()

    assert configuration["https validate certificates"] == "1"
    assert phone.trusts.count("BEGIN CERTIFICATE") == 2
    wait_for(lambda: confirmed(product, phone) == {1}, seconds=10, what="a confirmation")
    row = installations(product, phone)[1]
    assert row["evidence"] == "fetched"
    assert row["user_agent"] == phone.user_agent
    assert not row["address_differs"]
