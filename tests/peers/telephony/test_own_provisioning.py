"""A whole renewal with a Yealink and a Grandstream that fetch their trust by their own provisioning from a real `up` (rule
delivery-methods).

What each is said to hold, by simulators written from the makers' documents, is lent to a real telephone at a real Kamailio. No
certificate is carried by the test.
"""

import pytest

from tests.peers.telephony.test_whole_renewal import UNKNOWN_ROOT, assert_apart_is_within_a_restart
from tests.support.makers.configuration_server import ConfigurationServer
from tests.support.makers.ear import listening
from tests.support.makers.grandstream import Grandstream
from tests.support.makers.yealink import Yealink
from tests.support.running import wait_for
from tests.support.telephony.calls import Calls
from tests.support.telephony.office import Office
from tests.support.telephony.site import NAME, Site

pytestmark = pytest.mark.peer

YEALINK, GRANDSTREAM = "120", "130"
MACS = {YEALINK: "001565000120", GRANDSTREAM: "000B82000130"}
LIST = f"""\
number,name,type,mac,address,transport,way
{YEALINK},Desk,Yealink,{MACS[YEALINK]},127.0.0.1:{{yealink}},udp,direct
{GRANDSTREAM},Hall,Grandstream,{MACS[GRANDSTREAM]},127.0.0.1:{{grandstream}},udp,direct
"""

# The window lets a Yealink, which checks by its factory setting, take its first certificate over HTTP.
DELIVERY = """
import sys
from datetime import UTC, datetime, timedelta
from terminals.models import Terminal, TerminalType
from terminals.web.models import BootstrapWindow

for method in ("yealink", "grandstream"):
    TerminalType.objects.filter(name=method.capitalize()).update(method=method)
now = datetime.now(UTC)
window = BootstrapWindow.objects.create(opened_at=now, closes_at=now + timedelta(minutes=10), opened_by="otto")
window.terminals.add(Terminal.objects.get(number=sys.argv[1]))
"""


class SiteOfMakers(Site):
    """110 and 111, who talk to each other, hold what 120 and 130 held first, and sleep through all that follows."""

    def _open(self):
        start = self.office.stack.enter_context
        self.files = start(ConfigurationServer())
        known = {"url": self.files.url, "names": {"localhost": "127.0.0.1"}}
        yealink, grandstream = Yealink(mac=MACS[YEALINK], **known), Grandstream(mac=MACS[GRANDSTREAM], **known)
        self.holders = {YEALINK: yealink, GRANDSTREAM: grandstream}
        listed = self.office.directory / "terminals.csv"
        listed.write_text(LIST.format(yealink=start(listening(yealink)), grandstream=start(listening(grandstream))))
        self.manage("terminals", "import", str(listed))
        self.product.run(DELIVERY, YEALINK)
        self.product.go_on()

    def _connect_telephones(self):
        self._take_the_first_root()
        server = f"{NAME}:{self.server.port}"
        first = {number: holder.trust_store.encode() for number, holder in self.holders.items()}
        anna = self.office.baresip("110", server=server, trust=first[YEALINK])
        berta = self.office.baresip("111", server=server, trust=first[GRANDSTREAM])
        self.yealink, self.grandstream = (
            self.office.lent(number, server=server, holder=holder) for number, holder in self.holders.items()
        )
        for telephone in (anna, berta, self.yealink, self.grandstream):
            assert telephone.refusal() == ""
        anna.dial("111")
        for telephone in (anna, berta):
            telephone.wait_for_call()
        self.calls = Calls({YEALINK: self.yealink, GRANDSTREAM: self.grandstream}, (anna, berta))
        self.calls.until(lambda: self.is_confirmed(1), what="the first root at both")

    def _take_the_first_root(self):
        """As the page of each type says it for a site with a configuration server; from then on both check where they fetch."""
        yealink, grandstream = self.holders.values()
        self._name_our_files(f"http://localhost:{self.product.http}", checks=0)
        wait_for(lambda: yealink.poll() or yealink.anchors, what="the first root at the Yealink")
        wait_for(lambda: grandstream.restart() or grandstream.anchors, what="the first root at the Grandstream")
        self._name_our_files(f"https://localhost:{self.product.https}", checks=1)
        for holder in (yealink, grandstream):
            holder.poll()
            assert holder.provisioning.chain
            assert holder.refused == []

    def _name_our_files(self, for_yealink, *, checks):
        self.files.files = {
            "/y000000000000.boot": f'#!version:1.0.0.1\ninclude:config "{for_yealink}/$MAC.cfg"\n',
            f"/cfg{MACS[GRANDSTREAM].lower()}.xml": (
                '<gs_provision version="1"><config version="1"><P8467>1</P8467><P4428>1</P4428>'
                f"<P8463>{checks}</P8463><P22030>{checks}</P22030></config></gs_provision>"
            ),
            "/cfg.xml": f"-> https://localhost:{self.product.https}/cfg.xml",
        }


@pytest.fixture
def site(tmp_path):
    with Office() as office:
        yield SiteOfMakers(office, tmp_path)


def test_a_renewal_with_handover_costs_no_call(site):
    calls = site.calls

    site.manage("regenerate", "--without-clock")
    with site.product.asking_for_heartbeats():
        calls.until(lambda: site.states(2), what="a rollout")
        assert not site.is_switched()
        site.manage("rollout", "restart-now")
        calls.until(site.is_switched, what="the switch, when both have confirmed")
        calls.until(lambda: site.switch_outcome() == "verified", what="a look at the server")
    assert site.speech_goes_on()
    calls.everybody()
    for telephone in (site.yealink, site.grandstream):
        assert telephone.start_again().refusal() == ""
    calls.everybody()

    assert (calls.failed, calls.dropped) == ([], []), "\n".join([site.server.troubles(), *calls.logs])
    (once_asked,) = site.grandstream.restarted
    assert_apart_is_within_a_restart(calls.apart, site.grandstream, once_asked)
    assert site.yealink.restarts == 0
    assert site.evidence(2) == {YEALINK: "fetched", GRANDSTREAM: "fetched"}
    assert [len(holder.anchors) for holder in site.holders.values()] == [2, 2]
    assert site.speech_goes_on()
    for asleep in calls.talking:
        assert asleep.start_again().refusal() == UNKNOWN_ROOT
