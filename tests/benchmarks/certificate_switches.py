"""A hundred switches to a new pair while clients ask over TLS: no error in a request, no dropped connection.

The pairs are made and activated as an administrator has it done, the listeners are those of the panel and of the terminals.
"""

import json
import statistics
import subprocess
import sys
import time

from tests.benchmarks.measuring import Line, run, throw_away
from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.provisioning import FIRST_PAIR, Provisioning, is_open
from tests.support.running import wait_for

CLIENTS = 10
"""Of each kind at each listener."""
SECONDS_ALONE = 3

STAY = """
from pbxcerts.system.models import General
General.objects.update(redirect_to_https=False)
"""
SWITCH = """
import hashlib, json, ssl, sys
from contextlib import suppress
from certificates.renewal import orders
from certificates.renewal.handover import known_terminals
from certificates.models import Generation
from certificates.status.observing import communication_server
from certificates.renewal.rounds import reconcile
from pbxcerts.system.time import timekeeping

for _line in sys.stdin:
    clock = timekeeping.current_clock()
    order = orders.GenerationOrder(Generation.Trigger.COMMAND, without_clock=True, reason="a test")
    made = orders.order_generation(clock, order)
    reconcile(clock, terminals=known_terminals(), server=communication_server())
    # The heartbeat may be at it already.
    while (state := Generation.objects.get(number=made.number).state) != Generation.State.ACTIVE:
        if state == Generation.State.PREPARED:
            with suppress(orders.StateRefused):
                orders.activate(clock, by="a test")
        reconcile(clock, terminals=known_terminals(), server=communication_server())
    der = ssl.PEM_cert_to_DER_cert(Generation.objects.get(number=made.number, state="active").host_pem)
    print(json.dumps(hashlib.sha256(der).hexdigest()), flush=True)
"""


class EveryListener(Provisioning):
    """With the panel over HTTPS too."""

    def start(self, *options, **changes):
        self.panel = free_port()
        return super().start("--bind-https", f"127.0.0.1:{self.panel}", *options, **changes)


class Clients:
    def __init__(self, ports):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.certificate_switches_clients"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say({"ports": ports, "clients": CLIENTS})

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _say(self, words):
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def see(self, fingerprint):
        """Wait until every listener has shown it; returns what was counted meanwhile."""
        self._say(fingerprint)
        return json.loads(self._process.stdout.readline())

    def end(self):
        self._process.stdin.close()
        return json.loads(self._process.stdout.readline())


def rate(totals):
    return (totals["kept"] + totals["new"]) / totals["seconds"]


def benchmark(rounds):
    with EveryListener(throw_away()) as product:
        product.install().run(FIRST_PAIR, "3")
        product.run(STAY)
        product.generate()
        product.go_on()
        wait_for(lambda: is_open(product.panel), what="the panel over HTTPS")
        ports = {product.https: "/.well-known/est/cacerts", product.panel: "/login/"}
        with Clients(ports) as clients:
            time.sleep(SECONDS_ALONE)
            alone = clients.end()
        administrator = product.command("-c", f"import django; django.setup()\n{SWITCH}")
        seen = []
        with Clients(ports) as clients:
            for _ in range(rounds):
                administrator.stdin.write("\n")
                administrator.stdin.flush()
                answer = administrator.stdout.readline()
                assert answer, administrator.stderr.read()
                seen.append(clients.see(json.loads(answer)))
            totals = clients.end()
        _output, error = administrator.communicate()
        assert administrator.returncode == 0, error
    what = f"{rounds} certificate switches"
    return [
        Line(f"{what}: errors in requests", str(totals["errors"]), target="0"),
        Line(f"{what}: dropped connections", str(totals["dropped"]), target="0"),
        Line(f"{what}: requests over kept connections", f"{totals['kept']:,}"),
        Line(f"{what}: requests over new connections", f"{totals['new']:,}"),
        Line(f"{what}: of these with the newest certificate", f"{totals['shown']:,}"),
        Line(
            "from the switch to the new certificate at all listeners",
            f"{statistics.median(one['seconds'] for one in seen):.2f} s, "
            f"at most {max(one['seconds'] for one in seen):.2f} s",
            target="the links are looked at once a second",
        ),
        Line("requests a second meanwhile", beside="without switches", ratio=rate(totals) / rate(alone)),
    ]


if __name__ == "__main__":
    run(benchmark, rounds=100)
