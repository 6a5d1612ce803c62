"""A whole site on loopback: the product as a person starts it, Kamailio, and telephones that hold what their method delivered.

Numbers: 110 and 111 talk to each other; 120 (baresip, on the host of the agent like these two), 130 (the Mitel phone) and 140
(Linphone) call each other.
"""

import json
import shlex
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from tests.support.panel import Browser, hidden_fields, links
from tests.support.provisioning import Provisioning
from tests.support.telephony.agent import AgentHost
from tests.support.telephony.calls import Calls
from tests.support.telephony.mitel import MitelPhone
from tests.support.telephony.programs import SERVER_GROUP

NAME = "pbx.test"
MAC = "00085D000130"
PASSWORD = "seven copper kettles"
A_SECOND_OF_SPEECH = 50  # RTP packets of 20 ms

SET_UP = """
import json, sys
from django.core.management import call_command
from pbxcerts.system.models import Role, User
from certificates.models import Settings

Settings.load()
User.objects.create_user("otto", password=sys.argv[1], role=Role.OPERATE)
call_command("settings", *json.loads(sys.argv[2]))
"""

# The token is shown once on the page of the terminal; the window lets a Mitel phone load its first files over HTTP.
TELEPHONES = """
import json, sys
from datetime import UTC, datetime, timedelta
from certificates.models import Generation
from terminals.directory import device_tokens
from terminals.models import DeliverySettings, Terminal
from terminals.web.models import BootstrapWindow

DeliverySettings.load()
DeliverySettings.objects.update(
    proxy_host="127.0.0.1", proxy_port=int(sys.argv[1]), proxy_transport="tls", sip_domain="pbx.test"
)
now = datetime.now(UTC)
window = BootstrapWindow.objects.create(opened_at=now, closes_at=now + timedelta(minutes=10), opened_by="otto")
window.terminals.add(Terminal.objects.get(number="130"))
print(json.dumps({
    "token": device_tokens.issue(Terminal.objects.get(number="120")),
    "fingerprint": Generation.objects.get(number=1).root_sha256,
}))
"""

LIST = """\
number,name,type,mac,address,transport,way
120,Host with the agent,pbxcerts-agent,,{agent},tcp,direct
130,Desk,Mitel 6930,{mac},127.0.0.1,tls,server
140,Softphone,Linphone,,,,
"""

INSTALLATIONS = """
SELECT number, state, evidence FROM terminals_installation JOIN terminals_terminal ON terminal_id = terminals_terminal.id
WHERE generation_id = ?
"""


class Site:
    """`settings` are of the product, as in NAME=VALUE. All of it ends with the office and the product, in which it is set up."""

    telephone_password = ""

    def __init__(self, office, directory, *settings):
        self.office = office
        self.store = office.store("store")
        self.product = office.stack.enter_context(
            Provisioning(directory, PBXCERTS_STORE=str(self.store.path), PBXCERTS_STORE_GROUP=SERVER_GROUP)
        )
        self._first_pair(settings)
        self._open()
        self._connect_telephones()

    def _first_pair(self, settings):
        # No window of restarts is open during the test, so that they come when a person orders them and not before.
        elsewhen = datetime.now(UTC) + timedelta(hours=12)
        general = [f"fqdn={NAME}", "ip_addresses=127.0.0.1", "on_this_machine=false", "own_names=localhost"]
        certificates = ["key_type=p256", "time_zone=UTC", f"generation_time={elsewhen:%H:%M}", "ntp_enabled=false"]
        self.product.install().run(SET_UP, PASSWORD, json.dumps([*general, *certificates]))
        self.product.generate()
        self.server = self.office.kamailio(self.store, telephone_password=self.telephone_password)
        self.product.environment["PBXCERTS_RELOAD_COMMAND"] = shlex.join(self.server.reload_command)
        self.manage("settings", f"tls_addresses=127.0.0.1:{self.server.port}", *settings)

    def _open(self):
        self.agent = self.office.stack.enter_context(AgentHost(self.office.directory / "host"))
        listed = self.office.directory / "terminals.csv"
        listed.write_text(LIST.format(agent=self.agent.address, mac=MAC))
        self.manage("terminals", "import", str(listed))
        issued = json.loads(self.product.run(TELEPHONES, str(self.server.port)))
        self.product.go_on()
        self.panel = f"http://127.0.0.1:{self.product.port}"
        self.otto = Browser(self.panel).log_in("otto", PASSWORD)
        ports = {"https": self.product.https, "http": self.product.http, "proof": self.product.proof}
        self.agent.start(**issued, **ports)
        self.agent.wait_for("1 roots reported and proved")

    def _connect_telephones(self):
        place = f"{NAME}:{self.server.port}"
        anna, berta, clara = (
            self.office.baresip(number, server=place, trust=self.agent.trust_file) for number in ("110", "111", "120")
        )
        desk = MitelPhone(
            self.office, "130", mac=MAC, server=place, bootstrap=self.product.http, provisioning=self.product.https
        )
        self.office.stack.enter_context(desk)
        with self.technician() as trust:
            softphone = self.office.linphone("140", server=place, trust=trust)
        for telephone in (anna, berta, clara, softphone):
            assert telephone.refusal() == ""
        assert desk.refusal() == ""
        self.clara, self.desk, self.softphone = clara, desk, softphone
        anna.dial("111")
        for telephone in (anna, berta):
            telephone.wait_for_call()
        self.calls = Calls({"120": clara, "130": desk, "140": softphone}, (anna, berta))
        self.calls.until(lambda: self.is_confirmed(1), what="the first certificates at every telephone")

    # -- what people do ----------------------------------------------------------------------------------------------------

    def manage(self, *arguments):
        """A command of the product while calls go on, where there are telephones already; its value."""
        order = self.product.command("manage.py", *arguments, "--json")
        if hasattr(self, "calls"):
            self.calls.until(lambda: order.poll() is not None, what=f"the end of {arguments}")
        output, error = order.communicate()
        assert order.returncode == 0, output + error
        return json.loads(output)

    def technician(self):
        return Technician(self)

    # -- what is there -----------------------------------------------------------------------------------------------------

    def states(self, generation):
        """The state of each terminal, by its number."""
        return {number: state for number, state, _evidence in self._rows(INSTALLATIONS, generation)}

    def evidence(self, generation):
        """What the confirmation of each terminal rests on."""
        return {number: evidence for number, _state, evidence in self._rows(INSTALLATIONS, generation)}

    def is_confirmed(self, generation):
        return self.states(generation) == dict.fromkeys(self.calls.telephones, "confirmed")

    def switch_outcome(self):
        """Of the latest switch of the communication server."""
        return self._rows("SELECT outcome FROM certificates_switch ORDER BY id DESC LIMIT 1")[0][0]

    def is_switched(self):
        return self.store.target("current") == "generations/0002"

    def _rows(self, query, *values):
        with closing(sqlite3.connect(f"file:{self.product.data}/pbxcerts.sqlite3?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def speech_goes_on(self):
        for telephone in self.calls.talking:
            telephone.wait_for_packets(telephone.packets_received() + A_SECOND_OF_SPEECH)
        return True


class Technician:
    """At the desk of 140, with the personal link that otto has made: gives the file, and says in the end that it is installed."""

    def __init__(self, site):
        self.site = site

    def __enter__(self):
        otto = self.site.otto
        (order,) = links(otto.page("/terminals/work-list/"), "/link/")
        (address,) = set(links(otto.post(order), "/terminals/link/"))
        self.link = urlsplit(address).path
        self.browser = Browser(self.site.panel)
        page = self.browser.page(self.link)
        self.shown = hidden_fields(page)
        (file,) = links(page, "/file/")
        return self.browser.get(file)

    def __exit__(self, *failure):
        if failure == (None, None, None):
            self.browser.post(self.link, **self.shown, name="Tess")
