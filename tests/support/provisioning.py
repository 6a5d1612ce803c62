"""The product with its terminals' listeners open, and telephones that fetch their files from them with the standard library."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
from contextlib import closing

from tests.support import forked
from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.running import Tree, wait_for

FIRST_PAIR = """
import json, sys

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
from certificates.renewal import orders
from certificates.renewal.handover import known_terminals
from certificates.models import Generation
from certificates.status.observing import communication_server
from certificates.renewal.rounds import reconcile
from pbxcerts.system.time import timekeeping

clock = timekeeping.current_clock()
order = orders.GenerationOrder(Generation.Trigger.COMMAND, without_clock=True, reason="a test")
made = orders.order_generation(clock, order)
reconcile(clock, terminals=known_terminals(), server=communication_server())
print(made.number)
"""

ACTIVATE = """
from certificates.renewal import orders
from certificates.renewal.handover import known_terminals
from certificates.status.observing import communication_server
from certificates.renewal.rounds import reconcile
from pbxcerts.system.time import timekeeping

clock = timekeeping.current_clock()
orders.activate(clock, by="a test")
reconcile(clock, terminals=known_terminals(), server=communication_server())
"""

ROLL_BACK = ACTIVATE.replace("orders.activate(clock", "orders.roll_back(clock")

ROWS = """
import json
from django.core.serializers.json import DjangoJSONEncoder
from django.apps import apps
import sys
print(json.dumps(list(apps.get_model(sys.argv[1]).objects.values(*sys.argv[2:])), cls=DjangoJSONEncoder))
"""


CONSOLE = """
import contextlib, io, json, sys, traceback
import django; django.setup()
from django.db import connections

for line in sys.stdin:
    code, *arguments = json.loads(line)
    printed, failure, sys.argv = io.StringIO(), "", ["-c", *arguments]
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {"__name__": "__main__"})
    except BaseException:
        failure = traceback.format_exc()
    connections.close_all()
    print(json.dumps([printed.getvalue(), failure]), flush=True)
"""


class Console:
    """A process of our own beside the product that has Django set up, and runs what it is told."""

    def __init__(self, environment):
        self.environment = dict(environment)
        self._process = forked.Popen(
            [sys.executable, "-c", CONSOLE],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, code, *arguments):
        self._process.stdin.write(json.dumps([code, *arguments]) + "\n")
        self._process.stdin.flush()
        printed, failure = json.loads(self._process.stdout.readline())
        assert not failure, failure
        return printed

    def end(self):
        # It ends when there is nothing more to run.
        self._process.communicate()


class Provisioning(Tree):
    """`start` first makes a pair and this many Mitel phones, then opens every listener of the terminals."""

    _console = None

    def __exit__(self, *error):
        self._end_console()
        super().__exit__(*error)

    def run(self, code, *arguments):
        """As of every product, but in one process for all: to start one takes a hundred times as long as what it is asked."""
        if self._console is None or self._console.environment != self.environment:
            self._end_console()
            self._console = Console(self.environment)
        return self._console.run(code, *arguments)

    def _end_console(self):
        if self._console is not None:
            self._console.end()
            self._console = None

    def open(self, *, phones=3, **changes):
        self.install()
        self.run(FIRST_PAIR, str(phones))
        self.generate()
        return self.go_on(**changes)

    def go_on(self, *options, **changes):
        self.https, self.http, self.proof = free_port(), free_port(), free_port()
        self.environment |= {
            "PBXCERTS_TERMINALS_HTTPS": f"127.0.0.1:{self.https}",
            "PBXCERTS_TERMINALS_HTTP": f"127.0.0.1:{self.http}",
            "PBXCERTS_TERMINALS_PROOF": f"127.0.0.1:{self.proof}",
        }
        self.start(*options, **changes)
        for port in (self.https, self.http, self.proof):
            wait_for(lambda port=port: is_open(port), what="an open listener")
        return self

    def generate(self):
        return int(self.run(GENERATE))

    def activate(self):
        self.run(ACTIVATE)

    def roll_back(self):
        self.run(ROLL_BACK)

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
