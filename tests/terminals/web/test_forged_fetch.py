"""Who knows a telephone's MAC and nothing else, at the real listeners: it gets its files, and confirms nothing with them."""

import time

import pytest

from tests.support.provisioning import Provisioning, fetch
from tests.support.running import wait_for

pytestmark = pytest.mark.process

NO_ADDRESS = 'from terminals.models import Terminal\nTerminal.objects.update(address="")'
TRUST = "https user certificates"


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Provisioning(tmp_path_factory.mktemp("forged")) as product:
        product.open(phones=6)
        product.run(NO_ADDRESS)
        yield product


def row(product, phone):
    rows = product.rows("terminals.Installation", "terminal", "state", "evidence", "proof", "fetched_file")
    return next((row for row in rows if row["terminal"] == phone.key), None)


def states(product, phone):
    found = row(product, phone)
    return found and (found["state"], found["proof"])


def path_of(configuration):
    return "/" + configuration[TRUST].split("/", 3)[3]


def test_the_open_file_leads_to_a_fetch_that_proves_nothing(product):
    phone = product.phone(100)

    phone.user_agent = ""
    phone.restart()

    wait_for(lambda: states(product, phone) == ("unproved", ""), what="an unproved fetch")


def test_the_secret_path_names_a_file_that_the_open_one_never_shows(product):
    phone = product.phone(101)
    open_ones = [phone.configuration(f"/{name}.cfg")[TRUST] for name in (phone.mac, "startup", "Mitel6930")]
    own = phone.configuration(f"/{phone.secret}/{phone.mac}.cfg")
    assert own[TRUST] not in open_ones
    assert own[TRUST] == own["sips trusted certificates"] == phone.configuration(f"/{phone.secret}/startup.cfg")[TRUST]

    assert phone.get(path_of(own)).status == 200

    wait_for(lambda: states(product, phone) == ("confirmed", "path"), what="a proved fetch")
    random_part = own[TRUST].split(".")[-2]
    assert random_part not in row(product, phone)["fetched_file"]


def test_the_name_of_another_terminals_file_opens_nothing(product):
    phone, other = product.phone(102), product.phone(103)
    own = path_of(phone.configuration(f"/{phone.secret}/{phone.mac}.cfg"))

    assert other.get(own.replace(phone.mac, other.mac)).status == 404


def test_over_plain_http_the_secret_name_opens_nothing_even_within_a_window(product):
    phone = product.phone(104)
    own = path_of(phone.configuration(f"/{phone.secret}/{phone.mac}.cfg"))
    product.run(
        "from datetime import UTC, datetime\nfrom terminals.web import bootstrap\n"
        'bootstrap.open_window(None, minutes=5, by="a test", now=datetime.now(UTC))'
    )
    wait_for(lambda: fetch(product.http, f"/{phone.mac}.cfg").status == 200, what="the window")

    assert fetch(product.http, own).status == 404
    shown = fetch(product.http, f"/{phone.mac}.cfg").body.decode()
    url = next(line.partition(": ")[2] for line in shown.splitlines() if TRUST in line)
    assert own.split(".")[-2] not in url
    assert fetch(product.http, "/" + url.split("/", 3)[3]).status == 200
    wait_for(lambda: states(product, phone) == ("unproved", ""), what="an unproved fetch")


def test_who_asks_by_head_has_taken_nothing(product):
    phone = product.phone(105)
    path = path_of(phone.configuration())
    assert phone.get(path, method="HEAD").status == 200
    time.sleep(0.5)
    # A round of the rollout may have looked for it, and nobody is there.
    assert states(product, phone) in {None, ("waiting", ""), ("asked", ""), ("absent", "")}
