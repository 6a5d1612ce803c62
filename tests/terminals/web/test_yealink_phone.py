"""Yealink telephones, simulated by another head than the driver's, beside a configuration server of the site, and the real product."""

import pytest
from cryptography import x509

from tests.support.makers.configuration_server import ConfigurationServer
from tests.support.makers.yealink import Yealink
from tests.support.provisioning import Provisioning
from tests.support.running import wait_for
from tests.terminals.drivers.simulated.asking import notify

pytestmark = pytest.mark.process

ADD = """
import sys
from terminals.models import Terminal, TerminalType
type = TerminalType.objects.create(name="A Yealink of a test", method="yealink", wants="root")
for number, mac in zip("123", sys.argv[1:]):
    Terminal.objects.create(number=number, type=type, mac=mac.upper(), address="127.0.0.1")
"""
OPEN_WINDOW = """
from datetime import timedelta
from pbxcerts.system.time import timekeeping
from terminals.web.models import BootstrapWindow
now = timekeeping.machine_time()
BootstrapWindow.objects.create(opened_at=now, closes_at=now + timedelta(minutes=5), opened_by="a test", all_terminals=True)
"""
CLOSE_WINDOW = "from terminals.web.models import BootstrapWindow\nBootstrapWindow.objects.all().delete()"
MACS = "001565000001", "001565000002"


@pytest.fixture
def product(tmp_path):
    with Provisioning(tmp_path) as product:
        product.open(phones=0)
        product.run(ADD, *MACS)
        yield product


@pytest.fixture
def site(product):
    """The configuration server that the site has: its boot file names its own files, and then ours."""
    with ConfigurationServer({"/y000000000150.cfg": "#!version:1.0.0.1\nlang.gui = German\n"}) as site:
        yield site


def line(site, url):
    site.files["/y000000000000.boot"] = (
        f'#!version:1.0.0.1\ninclude:config "y000000000150.cfg"\ninclude:config "{url}"\n'
    )


def roots(product):
    rows = product.rows("certificates.Generation", "number", "root_pem")
    return {x509.load_pem_x509_certificate(row["root_pem"].encode()): row["number"] for row in rows if row["root_pem"]}


def holds(product, phone):
    known = roots(product)
    return [known[one] for one in phone.own]


def confirmed(product, mac):
    keys = {row["id"] for row in product.rows("terminals.Terminal", "id", "mac") if row["mac"] == mac}
    rows = product.rows("terminals.Installation", "terminal", "generation", "state")
    return {row["generation"] for row in rows if row["terminal"] in keys and row["state"] == "confirmed"}


def polls_until(product, phone, numbers):
    def asked():
        phone.poll()
        return holds(product, phone) == numbers

    wait_for(asked, what=f"that it holds {numbers}")


def bootstraps(product, site, phone, numbers):
    """An administrator opens a window, and the line names plain HTTP for so long."""
    product.run(OPEN_WINDOW)
    line(site, f"http://localhost:{product.http}/$MAC.cfg")
    polls_until(product, phone, numbers)
    product.run(CLOSE_WINDOW)
    line(site, f"https://localhost:{product.https}/$MAC.cfg")


def test_three_generations_in_a_row_reach_it_and_one_that_slept_through_two_begins_anew(product, site):
    line(site, f"https://localhost:{product.https}/$MAC.cfg")
    phone, late = (Yealink(url=site.url, mac=mac, names={"localhost": "127.0.0.1"}) for mac in MACS)
    phone.poll()
    assert phone.refused, "it checks by its factory setting, and has no root of ours"
    for one in (phone, late):
        bootstraps(product, site, one, [1])
    phone.refused.clear()
    assert phone.settings["lang.gui"] == "German"

    # From now on a NOTIFY makes it read its files, and nothing restarts.
    assert product.generate() == 2
    wait_for(lambda: notify(phone, "check-sync;reboot=false") and holds(product, phone) == [1, 2], what="the second")
    wait_for(lambda: confirmed(product, MACS[0]) == {1, 2}, what="both confirmed")
    product.activate()
    assert product.generate() == 3
    polls_until(product, phone, [1, 2, 3])
    product.activate()

    for _poll in range(3):
        phone.poll()
    assert holds(product, phone) == [1, 2, 3]
    assert phone.restarts == 0
    assert confirmed(product, MACS[0]) == {1, 2, 3}

    late.poll()
    assert holds(product, late) == [1]
    bootstraps(product, site, late, [1, 3])
    wait_for(lambda: late.poll() or late.asked[-1].status == 200, what="the listener with the third pair")
    assert confirmed(product, MACS[1]) == {1, 3}


def test_a_notification_restarts_one_that_has_never_read_from_us_not_to(site):
    """Which is why it is first asked in the window of the night (rule first-notify)."""
    phone = Yealink(url=site.url, mac=MACS[0])

    assert notify(phone, "check-sync;reboot=false") == 200

    assert phone.restarts == 1
