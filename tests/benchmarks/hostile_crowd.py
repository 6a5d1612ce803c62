"""Five hundred connections that do not read, pipeline, send slow heads or bodies, or say nothing, on every listener at once.

What the whole tree uses meanwhile (PSS of all processes), and how many files honest telephones get beside them. The hostile
ones come from an address of this machine that is not loopback, where there is one: those of loopback have no limit of their own.
"""

import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

from tests.benchmarks.idle_tree import memory, tree
from tests.benchmarks.mass_download import ASKED, LOGGED_IN, OPEN, SEEN_WITHIN, Clients, page_seconds
from tests.benchmarks.measuring import Line, run, throw_away
from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.provisioning import FIRST_PAIR, Provisioning, is_open
from tests.support.running import MANAGE, wait_for

HOSTILE = 500
PHONES, FEW_PHONES = 500, 40
LARGE = "/static/bootstrap/css/bootstrap.css.map"
KINDS = ("silent", "head", "body", "pipeline", "unread")


def own_address():
    """An address of this machine that other machines use; loopback where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            # Nothing is sent: only the way there is looked up.
            asking.connect(("203.0.113.1", 9))
            return asking.getsockname()[0]
        except OSError:
            return "127.0.0.1"


class Everywhere(Provisioning):
    """Its listeners are open to other machines, over TLS or not."""

    def go_on(self):
        self.https, self.http, self.proof, self.port = (free_port() for _ in range(4))
        self.panel_https = free_port()
        self.environment |= {
            "PBXCERTS_TERMINALS_HTTPS": f"0.0.0.0:{self.https}",
            "PBXCERTS_TERMINALS_HTTP": f"0.0.0.0:{self.http}",
            "PBXCERTS_TERMINALS_PROOF": f"0.0.0.0:{self.proof}",
            "PBXCERTS_PLAIN_HTTP": "True",
        }
        bind = ["--bind", f"0.0.0.0:{self.port}", "--bind-https", f"0.0.0.0:{self.panel_https}"]
        self.launch(*bind, program=MANAGE)
        for port in (self.https, self.http, self.proof, self.port, self.panel_https):
            wait_for(lambda port=port: self.still_runs() and is_open(port), seconds=30, what="an open listener")


def orders(product, path):
    """The hostile ones, the same number for each listener and kind."""
    at = {
        ("http", product.http): path,
        ("https", product.https): path,
        ("https", product.proof): "/",
        ("http", product.port): LARGE,
        ("https", product.panel_https): LARGE,
    }
    each = HOSTILE // (len(at) * len(KINDS))
    return [
        {"scheme": scheme, "port": port, "path": asked, "kind": kind, "count": each}
        for (scheme, port), asked in at.items()
        for kind in KINDS
    ]


@contextmanager
def hostile(address, told):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.hostile_clients", address, json.dumps(told)], cwd=ROOT
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait()


def used(product):
    return sum(memory(process) for process in tree(product.process.pid))


def benchmark(rounds):
    phones, lasts = (PHONES, 30) if rounds > 1 else (FEW_PHONES, 1)
    with Everywhere(throw_away()) as product, Clients() as clients:
        product.install().run(FIRST_PAIR, str(phones))
        product.generate()
        product.run(OPEN)
        files = json.loads(product.run(ASKED))["Mitel"]["http"]
        product.go_on()
        session = product.run(LOGGED_IN).strip()
        time.sleep(SEEN_WITHIN if rounds > 1 else 2)
        before = used(product)
        listeners = {"http": product.http, "https": product.https}
        alone = {scheme: [clients.rate(port, scheme, 50, files)] for scheme, port in listeners.items()}
        page_alone = page_seconds(product, session, 5)
        rates = {"http": [], "https": []}
        pages = []
        most = 0.0
        with hostile(own_address(), orders(product, files[1][0])):
            end = time.monotonic() + lasts
            while time.monotonic() < end:
                time.sleep(1)
                for scheme, port in listeners.items():
                    clients.ask(port, scheme, 50, files)
                    most = max(most, used(product))
                    rates[scheme].append(clients.answer())
                pages.append(page_seconds(product, session, 2))
        # Before and after, as the machine may have other things to do as well.
        for scheme, port in listeners.items():
            alone[scheme].append(clients.rate(port, scheme, 50, files))
    lines = [
        Line("memory of the tree, alone", f"{before:.0f} MB PSS"),
        Line(f"memory beside {HOSTILE} hostile connections", f"at most {most:.0f} MB PSS", target="below 200 MB"),
    ]
    for scheme, both in alone.items():
        rate = statistics.mean(both)
        beside = statistics.median(rates[scheme])
        lines.append(Line(f"files over {scheme}, alone", f"{rate:,.0f} files/s"))
        lines.append(
            Line(f"files over {scheme}, beside them", beside="alone", ratio=beside / rate, target="at least 0.5")
        )
    lines.append(Line("settings page, beside them", beside="alone", ratio=statistics.median(pages) / page_alone))
    return lines


if __name__ == "__main__":
    run(benchmark, rounds=3)
