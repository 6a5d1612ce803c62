"""The product with its terminals' listeners open, and telephones that fetch their files from them with the standard library."""

import http.client
import json
import socket
import ssl
from contextlib import closing

from tests.support.product import free_port
from tests.support.running import Tree, wait_for

FIRST_PAIR = """
import json, sys
from django.core.management import call_command
call_command("migrate", verbosity=0)

from certificates.models import Settings
from pbxcerts.system.models import General
from terminals.models import Terminal, TerminalType

general = General.load()
general.fqdn, general.ip_addresses, general.on_this_machine = "pbx.example.org", ["192.0.2.10"], False
general.own_names, general.own_addresses = ["localhost"], ["127.0.0.1"]
general.save()
settings = Settings.load()
settings.key_type, settings.handover_counts = "p256", "all"
settings.save()
type = TerminalType.objects.create(
    name="A Mitel of a test", method="mitel_sip", model="Mitel6930", own_lines="sip line1 vmail: 100\\nadmin password: 22222"
)
Terminal.objects.bulk_create(
    Terminal(number=str(100 + n), type=type, mac=f"0008 5D00 {n:04X}".replace(" ", ""), address="127.0.0.1",
             own_lines=f"sip line1 user name: {100 + n}\\nsip line1 password: secret{n}")
    for n in range(int(sys.argv[1]))
)
"""

GENERATE = """
from certificates import lifecycle
from certificates.handover import terminals
from certificates.models import Generation
from certificates.observing import communication_server
from certificates.reconciling import reconcile
from pbxcerts.system import timekeeping

clock = timekeeping.current_clock()
made = lifecycle.order_generation(clock, trigger=Generation.Trigger.COMMAND, without_clock=True, reason="a test")
reconcile(clock, terminals=terminals(), server=communication_server())
print(made.number)
"""

ACTIVATE = """
from certificates import lifecycle
from certificates.handover import terminals
from certificates.observing import communication_server
from certificates.reconciling import reconcile
from pbxcerts.system import timekeeping

clock = timekeeping.current_clock()
lifecycle.activate(clock, by="a test")
reconcile(clock, terminals=terminals(), server=communication_server())
"""

ROWS = """
import json
from django.core.serializers.json import DjangoJSONEncoder
from django.apps import apps
import sys
print(json.dumps(list(apps.get_model(sys.argv[1]).objects.values(*sys.argv[2:])), cls=DjangoJSONEncoder))
"""


class Provisioning(Tree):
    """`start` first makes a pair and this many Mitel phones, then opens every listener of the terminals."""

    def open(self, *, phones=3, **changes):
        self.run(FIRST_PAIR, str(phones))
        self.generate()
        return self.go_on(**changes)

    def go_on(self, **changes):
        self.https, self.http, self.proof = free_port(), free_port(), free_port()
        self.environment |= {
            "PBXCERTS_TERMINALS_HTTPS": f"127.0.0.1:{self.https}",
            "PBXCERTS_TERMINALS_HTTP": f"127.0.0.1:{self.http}",
            "PBXCERTS_TERMINALS_PROOF": f"127.0.0.1:{self.proof}",
        }
        self.start(**changes)
        for port in (self.https, self.http, self.proof):
            wait_for(lambda port=port: is_open(port), seconds=20, what="an open listener")
        return self

    def generate(self):
        return int(self.run(GENERATE))

    def activate(self):
        self.run(ACTIVATE)

    def rows(self, model, *fields):
        return json.loads(self.run(ROWS, model, *fields))

    def phone(self, number):
        row = next(
            row
            for row in self.rows("terminals.Terminal", "number", "mac", "path_secret", "id")
            if row["number"] == str(number)
        )
        return MitelPhone(self, row)

    def get(self, path, *, port=None, **options):
        return super().get(path, **options) if port is None else fetch(port, path, **options)

    def root(self):
        return fetch(self.http, "/root.pem").body.decode()


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()


def fetch(port, path, *, context=None, method="GET", headers=None, body=None, host="127.0.0.1"):
    """One request over a connection of its own."""
    if context is None:
        connection = http.client.HTTPConnection(host, port, timeout=20)
    else:
        connection = http.client.HTTPSConnection(host, port, timeout=20, context=context)
    with closing(connection):
        connection.request(method, path, body=body, headers=headers or {})
        return Answer(connection.getresponse())


def trusting(pem, *, at_most=None):
    """A client that trusts these certificates and no other, and judges names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    if at_most is not None:
        context.maximum_version = at_most
    return context


def is_open(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


class MitelPhone:
    """It trusts what it fetched last and nothing else; its first certificates a person put into it."""

    def __init__(self, product, row, *, at_most=None):
        self._product = product
        self.key, self.mac, self.secret = row["id"], row["mac"], row["path_secret"]
        self.at_most = at_most
        self.trusts = None
        dashed = "-".join(self.mac[n : n + 2] for n in range(0, 12, 2))
        self.user_agent = f"Mitel6930 MAC:{dashed} V:6.4.0.140-SIP"

    def get(self, path, **options):
        if self.trusts is None:
            self.trusts = self._product.root()
        headers = {"User-Agent": self.user_agent} | options.pop("headers", {})
        context = trusting(self.trusts, at_most=self.at_most)
        return fetch(self._product.https, path, context=context, headers=headers, **options)

    def configuration(self, path=None):
        answer = self.get(path or f"/{self.mac}.cfg")
        assert answer.status == 200, answer.body
        return dict(line.lstrip("^").split(": ", 1) for line in answer.body.decode().splitlines() if ": " in line)

    def restart(self):
        """Fetch the configuration, then the trust file that it names; returns the configuration."""
        configuration = self.configuration()
        url = configuration["sips trusted certificates"]
        assert url == configuration["https user certificates"]
        self.trust_path = "/" + url.split("/", 3)[3]
        answer = self.get(self.trust_path)
        assert answer.status == 200
        self.trusts = answer.body.decode()
        return configuration
