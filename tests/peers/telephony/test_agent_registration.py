"""The agent as a telephone that Kamailio reaches over the agent's own TLS connection alone (DESIGN 3.7)."""

import asyncio
import json
import logging
import re
from ipaddress import ip_address

import pytest

from certificates.pki.identity import Identity
from terminals.agent import config
from terminals.agent.config import Endpoint
from terminals.agent.registration import Registration
from terminals.agent.store import TrustStore
from tests.support.est_server import a_pair_now
from tests.support.telephony.agent import AgentHost
from tests.support.telephony.office import Office
from tests.support.telephony.programs import eventually
from tests.support.telephony.site import Site

pytestmark = pytest.mark.peer

NUMBER, PASSWORD = "120", "three blue bowls"
LIST = f"number,name,type,transport,way\n{NUMBER},Host with the agent,pbxcerts-agent,tls,server\n"

TELEPHONE = """
import json, sys
from certificates.models import Generation
from terminals import device_tokens
from terminals.models import DeliverySettings, Terminal

DeliverySettings.load()
DeliverySettings.objects.update(
    proxy_host="127.0.0.1", proxy_port=int(sys.argv[1]), proxy_transport="tls", sip_domain="pbx.test"
)
token = device_tokens.issue(Terminal.objects.get(number=sys.argv[2]))
print(json.dumps({"token": token, "fingerprint": Generation.objects.get(number=1).root_sha256}))
"""


class SiteOfOne(Site):
    """One terminal: the agent, which no NOTIFY reaches but over the connection over which it is registered."""

    telephone_password = PASSWORD

    def _open(self):
        registration = {"server": self.server.port, "number": NUMBER, "password": PASSWORD}
        self.agent = self.office.stack.enter_context(
            AgentHost(self.office.directory / "host", registration=registration)
        )
        listed = self.office.directory / "terminals.csv"
        listed.write_text(LIST)
        self.manage("terminals", "import", str(listed))
        issued = json.loads(self.product.run(TELEPHONE, str(self.server.port), NUMBER))
        self.product.go_on()
        self.agent.start(**issued, https=self.product.https, http=self.product.http, proof=self.product.proof)

    def _connect_telephones(self):
        self.agent.wait_for(f"Registered as sip:{NUMBER}@pbx.test")
        self.agent.wait_for("1 roots reported and proved")

    def connection(self):
        """The agent's port of its one connection to the server."""
        (port,) = self.agent.connections_to(self.server.port)
        return port

    def end_connection(self, port):
        """As the server ends it."""
        listed = self.server.control("tls.list")
        (number,) = re.findall(rf"id: (\d+)(?:(?!id: ).)*src_port: {port}\b", listed, re.DOTALL)
        self.server.control("tls.kill", number)

    def is_registered(self):
        return f"AoR: {NUMBER}" in self.server.control("ul.dump")


@pytest.fixture
def office():
    with Office() as office:
        yield office


@pytest.mark.parametrize(
    ("password", "outcome"),
    [
        (PASSWORD, f"Registered as sip:{NUMBER}@pbx.test for 600 s"),
        ("kettle", "Not registered: the server answered 401 Unauthorized"),
        (None, "Not registered: the server answered 401 Unauthorized"),
    ],
    ids=["right", "wrong", "none"],
)
def test_kamailio_registers_whoever_knows_the_password(office, tmp_path, caplog, password, outcome):
    caplog.set_level(logging.INFO)
    store = office.store_with("store", a_pair_now(7, identity=Identity(("pbx.test",), (ip_address("127.0.0.1"),))))
    server = office.kamailio(store, telephone_password=PASSWORD)
    place = Endpoint(secure=True, host="127.0.0.1", port=server.port, path="")
    wanted = config.Registration(place, "sip:120@pbx.test", NUMBER, "sip:pbx.test", NUMBER, password, 600)
    trusted = TrustStore(tmp_path / "trust.pem")
    trusted.path.write_bytes((store.path / "current" / "root.pem").read_bytes())

    async def scenario():
        running = asyncio.ensure_future(Registration(wanted, trusted, print).run())
        await asyncio.to_thread(eventually, lambda: outcome in caplog.text, what=lambda: caplog.text)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scenario())


def test_a_renewal_reaches_it_over_its_connection_which_stays_and_the_next_one_trusts_the_new_root(office, tmp_path):
    site = SiteOfOne(office, tmp_path)
    before = site.connection()
    assert site.is_registered()

    site.manage("regenerate", "--without-clock")
    with site.product.asking_for_heartbeats():
        eventually(lambda: site.states(2).get(NUMBER) == "confirmed", what=site.agent.log)
        eventually(site.is_switched, what=site.server.log)
        eventually(lambda: site.switch_outcome() == "verified", what=site.server.log)
    assert f"localhost:{site.server.port} asks for a round" in site.agent.log()
    assert site.evidence(2) == {NUMBER: "proved"}
    assert site.connection() == before

    registered = site.agent.log().count("Registered as")
    site.end_connection(before)
    eventually(lambda: site.agent.log().count("Registered as") > registered, what=site.agent.log)
    assert site.connection() != before
    assert "is not trusted" not in site.agent.log()

    assert site.agent.end() == 0
    assert not site.is_registered()
