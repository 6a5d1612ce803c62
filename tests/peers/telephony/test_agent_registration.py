"""The agent as a telephone that Kamailio reaches over its own TLS connection alone (rule agent-connections)."""

import asyncio
import json
import logging
import re
import ssl
from ipaddress import ip_address

import pytest

from certificates.pki.identity import Identity
from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent import config
from terminals.agent.registration import Registration
from terminals.agent.store import TrustStore
from terminals.sip.notify import Hop, Notify, Transport
from tests.support.est_server import a_pair_now
from tests.support.phones import ask
from tests.support.telephony.agent import AgentHost
from tests.support.telephony.office import Office, trust_file
from tests.support.telephony.programs import eventually
from tests.support.telephony.site import Site

pytestmark = pytest.mark.peer

NUMBER, PASSWORD = "120", "three blue bowls"
LIST = f"number,name,type,transport,way\n{NUMBER},Host with the agent,pbxcerts-agent,tls,server\n"

TELEPHONE = """
import json, sys
from certificates.models import Generation
from terminals.directory import device_tokens
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


class Agent:
    """The registration of an agent whose trust store holds what the server's store holds; `asked`: by whom it was."""

    def __init__(self, server, directory, password=None):
        place = Endpoint("127.0.0.1", server.port)
        wanted = config.RegistrationConfig(
            place, f"sip:{NUMBER}@pbx.test", NUMBER, "sip:pbx.test", NUMBER, password, 600
        )
        trusted = TrustStore(directory / "trust.pem")
        trusted.path.write_bytes(trust_file(server.stores[0]))
        self.asked = []
        self._registration = Registration(wanted, trusted, self.asked.append)

    def during(self, work):
        async def run():
            running = asyncio.ensure_future(self._registration.run())
            try:
                return await asyncio.to_thread(work)
            finally:
                running.cancel()
                await asyncio.wait([running])

        return asyncio.run(run())


@pytest.fixture
def store(office):
    return office.store_with("store", a_pair_now(7, identity=Identity(("pbx.test",), (ip_address("127.0.0.1"),))))


@pytest.mark.parametrize(
    ("password", "outcome"),
    [
        (PASSWORD, f"Registered as sip:{NUMBER}@pbx.test for 600 s"),
        ("kettle", "Not registered: the server answered 401 Unauthorized"),
        (None, "Not registered: the server answered 401 Unauthorized"),
    ],
    ids=["right", "wrong", "none"],
)
def test_kamailio_registers_whoever_knows_the_password(office, store, tmp_path, caplog, password, outcome):
    caplog.set_level(logging.INFO)
    agent = Agent(office.kamailio(store, telephone_password=PASSWORD), tmp_path, password)
    agent.during(lambda: eventually(lambda: outcome in caplog.text, what=lambda: caplog.text))
    assert ("Registered as" in caplog.text) is (password == PASSWORD)


def test_a_telephone_with_the_same_number_is_called_and_the_agent_hears_the_notify(office, store, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    server = office.kamailio(store)
    agent = Agent(server, tmp_path)
    anna, berta = (
        office.baresip(name, server=f"pbx.test:{server.port}", trust=trust_file(store)) for name in ("110", NUMBER)
    )
    assert (anna.refusal(), berta.refusal()) == ("", "")
    trusted = ssl.create_default_context(cadata=trust_file(store).decode())
    hop = Hop("127.0.0.1", server.port, Transport.TLS)
    notify = Notify(0, f"sip:{NUMBER}@pbx.test", "check-sync;reboot=false", hop)

    def work():
        eventually(lambda: "Registered as" in caplog.text, what=lambda: caplog.text)
        (answered,) = asyncio.run(ask(notify, tls=trusted))
        anna.dial(NUMBER)
        for telephone in (anna, berta):
            telephone.wait_for_call()
        return answered

    assert agent.during(work).status == 200
    assert agent.asked == [f"127.0.0.1:{server.port}"]


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
