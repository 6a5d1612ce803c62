"""Everything of the product is lost in the middle of a renewal, and restored from a backup while calls go on."""

import os
import shutil
import signal
from contextlib import suppress

import pytest

from tests.support.panel import Browser, links
from tests.support.running import MANAGE
from tests.support.telephony.office import Office
from tests.support.telephony.site import PASSWORD, Site

pytestmark = pytest.mark.peer


@pytest.fixture
def office():
    with Office() as office:
        yield office


def kill_everything(product):
    for pid in product.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    product.process.wait()
    product.ends_without_a_trace()


def test_a_renewal_goes_on_after_everything_was_lost_and_costs_no_call(office, tmp_path):
    site = Site(office, tmp_path)
    calls, product = site.calls, site.product
    backup, passphrase = tmp_path / "one.age", tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple\n")

    site.manage("regenerate", "--without-clock")
    with product.asking_for_heartbeats():
        calls.until(lambda: site.states(2), what="a rollout")
        site.manage("rollout", "restart-now")
        calls.until(
            lambda: site.states(2)["130"] == site.states(2)["120"] == "confirmed", what="the automatic terminals"
        )
        site.manage("backup", str(backup), "--passphrase-file", str(passphrase))
    assert not site.is_switched()
    kill_everything(product)
    shutil.rmtree(product.data)
    shutil.rmtree(site.store.path)
    calls.everybody()

    product.data = tmp_path / "elsewhere" / "data"
    product.environment["PBXCERTS_DATA"] = str(product.data)
    site.manage("restore", str(backup), "--passphrase-file", str(passphrase))
    # What the server and its configuration name is there again, for its group, before the product runs.
    key = (site.store.path / "current" / "host.key").stat()
    assert (key.st_mode & 0o777, key.st_gid) == (0o640, site.store._gid)
    product.start(program=MANAGE)
    site.panel = f"http://127.0.0.1:{product.port}"
    assert links(site.otto.page(f"{site.panel}/terminals/work-list/"), "/link/") == [], "nobody is logged in any more"
    site.otto = Browser(site.panel).log_in("otto", PASSWORD)
    with product.asking_for_heartbeats():
        product.wait_for_a_heartbeat()
        calls.everybody()
        assert (site.desk.asked, site.is_switched()) == (1, False)
        with site.technician() as trust:
            assert site.softphone.start_again(trust).refusal() == ""
        calls.until(site.is_switched, what="the switch, when every terminal has confirmed")
        calls.until(lambda: site.switch_outcome() == "verified", what="a look at the server")
    assert site.speech_goes_on()
    for telephone in (site.clara, site.desk, site.softphone):
        assert telephone.start_again().refusal() == ""
    calls.everybody()

    assert (calls.failed, calls.dropped) == ([], []), "\n".join([site.server.troubles(), *calls.logs])
    assert site.speech_goes_on()
    assert site.desk.asked == 1
    assert site.evidence(2) == {"120": "proved", "130": "fetched", "140": "person"}
