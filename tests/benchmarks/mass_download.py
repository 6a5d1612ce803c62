"""Telephones of four makers restart, maker by maker: each fetches its configuration and the trust file that this names, if it does,
over a new connection each. Over HTTPS that is its own configuration, under its secret path.

Beside the product, with the same pair and files, nginx with one worker (where it is installed), and a Django view with one
query under gunicorn (where that is). Clients and servers share the machine: over HTTPS the clients' handshakes cost as much as
the servers'.
"""

import http.client
import importlib.util
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.benchmarks.makers import MAKERS, MANY
from tests.benchmarks.measuring import Line, run, throw_away
from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.provisioning import FIRST_PAIR, Provisioning, is_open
from tests.support.running import wait_for

PHONES = 5_000
FEW_PHONES = 125
"""Of each maker."""
SILENT = 200
CLIENTS = 2
SEEN_WITHIN = 7
"""Seconds until the listeners know of a new window, with a long list."""
RECORDED_WITHIN = 3
"""Seconds until it is written down what the last phones did; it is a part of what they cost."""
GUNICORN_WORKERS, GUNICORN_THREADS = 1, 8

RSA = """
from certificates.models import Settings
Settings.load(); Settings.objects.update(key_type="rsa2048")
"""
OPEN = """
from datetime import UTC, datetime
from terminals.web import bootstrap
from terminals.web.models import BootstrapWindow
BootstrapWindow.objects.update(closes_at=datetime.now(UTC))
bootstrap.open_window(None, minutes=240, by="benchmark", now=datetime.now(UTC))
"""
RECORDED = """
import json
from pbxcerts.system.models import EventMessage
from terminals.models import Installation
logged = EventMessage.objects.filter(kind="fetched_over_http").count()
print(json.dumps([Installation.objects.filter(state="confirmed").count(), logged]))
"""
ASKED = """
import json
from terminals.web import snapshot
from terminals.web.provisioning import trust_path
from tests.benchmarks.makers import MAKERS, NAMES_NONE

known = snapshot.read_snapshot()
asked = {maker.name: {"http": [], "https": []} for maker in MAKERS}
for one in known.terminals:
    type = known.type_of(one)
    maker = next(maker for maker in MAKERS if maker.method == type.method)
    for scheme, folder in (("http", ""), ("https", f"/{one.path_secret}")):
        paths = [folder + maker.path(one.mac)]
        if maker.named is not NAMES_NONE:
            paths.append(trust_path(one, type.files[0], proves=scheme == "https"))
        asked[maker.name][scheme] += [(path, maker.user_agent(one.mac)) for path in paths]
print(json.dumps(asked))
"""
"""Of each maker and scheme: the path of each file, and the User-Agent of the phone that asks for it."""
LOGGED_IN = """
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from pbxcerts.system.session_store import SessionStore
from pbxcerts.system.models import Role, User
user = User.objects.create_user("vera", password="seven copper kettles", role=Role.ADMINISTER)
session = SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session.save()
print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
"""
NGINX_PATH = f"{os.environ['PATH']}:/usr/sbin"
NGINX = """
worker_processes 1;
worker_rlimit_nofile 20000;
error_log %(directory)s/error.log;
pid %(directory)s/nginx.pid;
daemon off;
events { worker_connections 8192; }
http {
    access_log off;
    client_body_temp_path %(directory)s/body; proxy_temp_path %(directory)s/proxy;
    fastcgi_temp_path %(directory)s/fastcgi; uwsgi_temp_path %(directory)s/uwsgi; scgi_temp_path %(directory)s/scgi;
    default_type text/plain;
    server {
        listen 127.0.0.1:%(http)s backlog=2048;
        listen 127.0.0.1:%(https)s ssl backlog=2048;
        ssl_certificate %(pair)s/fullchain.pem;
        ssl_certificate_key %(pair)s/host.key;
        ssl_session_tickets off;
        ssl_session_cache off;
        root %(directory)s/files;
    }
}
"""


class Clients:
    """Several processes that share the files and the connections at once."""

    def __init__(self) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.download_clients"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(CLIENTS)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for process in self._processes:
            process.stdin.close()
            process.wait()
            process.stdout.close()

    def ask(self, port, scheme, at_once, files):
        for number, process in enumerate(self._processes):
            share = {"at_once": at_once // CLIENTS, "files": files[number::CLIENTS]}
            process.stdin.write(json.dumps({"port": port, "scheme": scheme, **share}) + "\n")
            process.stdin.flush()

    def answer(self):
        results = [json.loads(process.stdout.readline()) for process in self._processes]
        assert sum(result["lost"] for result in results) == 0, results
        return sum(result["files"] for result in results) / max(result["seconds"] for result in results)

    def rate(self, *order):
        """Files a second."""
        self.ask(*order)
        return self.answer()


def cpu_of(pid):
    """Seconds of CPU that a process and its threads have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(command, port, **environment):
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: process.poll() is None and is_open(port), seconds=30, what=command[0])
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def nginx(product, asked):
    """The same bytes as files, with the same pair."""
    directory = product.data.parent / "nginx"
    trusting_all = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting_all.check_hostname, trusting_all.verify_mode = False, ssl.CERT_NONE
    connections = {
        "http": http.client.HTTPConnection("127.0.0.1", product.http),
        "https": http.client.HTTPSConnection("127.0.0.1", product.https, context=trusting_all),
    }
    for scheme, connection in connections.items():
        with closing(connection):
            for path, agent in asked[scheme]:
                connection.request("GET", path, headers={"User-Agent": agent})
                answer = connection.getresponse()
                file = directory / "files" / path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(answer.read())
                assert answer.status == 200, path
    ports = {"http": free_port(), "https": free_port()}
    pair = (product.data / "store" / "current").resolve()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX % {"directory": directory, "pair": pair, **ports})
    command = [shutil.which("nginx", path=NGINX_PATH), "-c", str(configuration)]
    if os.geteuid() == 0:
        command += ["-g", "user root;"]
    return ports, server(command, ports["http"])


def gunicorn(product):
    port = free_port()
    environment = product.environment | {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.one_query"}
    command = [sys.executable, "-m", "gunicorn", "pbxcerts.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(GUNICORN_WORKERS), "--threads", str(GUNICORN_THREADS), "--backlog", "2048"]
    return port, server(command, port, **environment)


def page_seconds(product, session, count):
    """The median of the settings page, one after the other."""
    took = []
    request = urllib.request.Request(f"http://127.0.0.1:{product.port}/certificates/", headers={"Cookie": session})
    for _ in range(count):
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            assert "/login/" not in answer.url
            answer.read()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def benchmark(rounds):
    phones = PHONES if rounds > 1 else FEW_PHONES
    rounds = min(rounds, 3)
    lines = []
    with ExitStack() as stack:
        product = stack.enter_context(Provisioning(throw_away()))
        product.install().run(FIRST_PAIR, "0")
        product.run(MANY, str(phones * len(MAKERS)), str(len(MAKERS)))
        product.run(RSA)
        product.generate()
        product.run(OPEN)
        asked = json.loads(product.run(ASKED))
        product.go_on()
        session = product.run(LOGGED_IN).strip()
        for files in asked.values():
            files["https"] = files["https"][: max(len(files["https"]) // 5, 1000)]
        clients = stack.enter_context(Clients())
        ours = {"http": product.http, "https": product.https}
        with_nginx, with_gunicorn = shutil.which("nginx", path=NGINX_PATH), importlib.util.find_spec("gunicorn")
        web = {"the product": product.web}
        if with_nginx:
            everything = {scheme: [file for files in asked.values() for file in files[scheme]] for scheme in ours}
            nginx_ports, running = nginx(product, everything)
            # The master only waits for its worker.
            web["nginx"] = child_of(stack.enter_context(running))
        if with_gunicorn:
            django_port, running = gunicorn(product)
            stack.enter_context(running)

        for scheme, at_once in (("http", 200), ("http", 1000), ("https", 200), ("https", 1000)):
            servers = {}
            for maker, files in asked.items():
                servers[f"the product, {maker}"] = ours[scheme], files[scheme]
                if with_nginx:
                    servers[f"nginx, {maker}"] = nginx_ports[scheme], files[scheme]
            if with_gunicorn and scheme == "http":
                some = asked["Mitel"]["http"]
                servers["Django under gunicorn"] = django_port, some[: len(some) // 5 * 2 : 2]
            rates = {name: [] for name in servers}
            costs = {name: [] for name in servers}
            for turn in range(rounds):
                if scheme == "http":
                    # In a window of its own, so that each phone of each round is logged.
                    product.run(OPEN)
                    time.sleep(SEEN_WITHIN)
                # There and back: none always comes after the same one.
                for name, (port, files) in list(servers.items())[:: -1 if turn % 2 else 1]:
                    pid = web.get(name.partition(",")[0])
                    before = cpu_of(pid) if pid else 0
                    rates[name].append(clients.rate(port, scheme, at_once, files))
                    if pid == product.web and rounds > 1:
                        time.sleep(RECORDED_WITHIN)
                    costs[name].append((cpu_of(pid) - before) / len(files) if pid else 0)
            medians = {name: statistics.median(each) for name, each in rates.items()}
            cost = {name: statistics.median(each) for name, each in costs.items()}
            what = f"{scheme}, {at_once} at once"
            for name, rate in medians.items():
                used = f", {cost[name] * 1e6:.0f} µs CPU a file" if cost[name] else ""
                lines.append(Line(f"{what}: {name}", f"{rate:,.0f} files/s{used}"))
            targets = {
                (f"the product, {maker}", other): target
                for maker in asked
                for other, target in (
                    (f"nginx, {maker}", "at least 0.5"),
                    ("the product, Mitel", "at least 0.9"),
                    ("Django under gunicorn", "at least 5"),
                )
                if f"the product, {maker}" != other
            }
            for (name, other), target in targets.items():
                if other in medians:
                    ratio = medians[name] / medians[other]
                    by_cpu = cost[other] / cost[name] if other == "the product, Mitel" and cost[name] else None
                    lines.append(
                        Line(f"{what}: {name}", beside=other, ratio=ratio, cpu_ratio=by_cpu or None, target=target)
                    )

        mitel = asked["Mitel"]["http"]
        pages = {"alone": [], "during": []}
        meanwhile = []
        for _ in range(rounds):
            pages["alone"].append(page_seconds(product, session, 15))
            clients.ask(product.http, "http", 200, mitel * 6)
            time.sleep(0.5)
            pages["during"].append(page_seconds(product, session, 15))
            meanwhile.append(clients.answer())
        alone, during = (statistics.median(each) for each in pages.values())
        lines += [
            Line("settings page, alone", wall=alone * 1000, cpu=0, best=alone * 1000),
            Line("settings page, during a mass download", wall=during * 1000, cpu=0, best=during * 1000),
            Line("files meanwhile", f"{statistics.median(meanwhile):,.0f} files/s"),
            Line("settings page", beside="alone", ratio=during / alone, target="at most 1.5"),
        ]
        rates = {"alone": [], "beside": []}
        for _ in range(rounds):
            rates["alone"].append(clients.rate(product.http, "http", 200, mitel))
            with ExitStack() as silent:
                for _ in range(SILENT):
                    silent.enter_context(socket.create_connection(("127.0.0.1", product.http), timeout=60))
                rates["beside"].append(clients.rate(product.http, "http", 200, mitel))
        time.sleep(SEEN_WITHIN)
        confirmed, logged = json.loads(product.run(RECORDED))
        # A window for each round at 200 and at 1,000, and the first one, in which nginx got its copies.
        windows = 2 * rounds + 1
        lines += [
            Line("terminals confirmed", f"{confirmed:,} of {phones * len(MAKERS):,}", target="all"),
            Line("fetches over HTTP logged", f"{logged:,} of {phones * len(MAKERS) * windows:,}", target="all"),
        ]
        alone, beside = (statistics.median(each) for each in rates.values())
        what = f"http beside {SILENT} silent connections"
        lines.append(Line(what, beside="alone", ratio=beside / alone, target="about 1"))
    return lines


if __name__ == "__main__":
    run(benchmark, rounds=3)
