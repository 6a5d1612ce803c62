"""A new pair for ten thousand phones, from the heartbeat that begins it until the last has confirmed; waves are off.

Once they are Mitel phones, and once, in an installation of its own, of four makers in turn. Before the first rollout each of those
has come for its files, as a Snom has to that is notified (rule first-notify). They take the certificate of a new pair as their
makers have it: a Mitel and a Yealink fetch two files, a Snom three, a Grandstream one.

The product is the whole tree of `up` over a SQLite file: the cluster's worker sends the NOTIFYs, half of which are challenged,
and the web process serves the files and keeps what the phones did. Beside it a bare asyncio program (`bare_rollout`) sends the
same and serves the same out of memory. The phones are other processes and restart in no time (`fetching_fleet`).

Over plain HTTP a bootstrap window is open for all phones, and each fetch is logged. Over HTTPS the phones' handshakes cost as
much as the servers'.
"""

import asyncio
import json
import sqlite3
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import bare_notify, bare_rollout, up_with_a_rollout
from tests.benchmarks.counted_queries import counted
from tests.benchmarks.fetching_fleet import fetching_fleet
from tests.benchmarks.idle_tree import cpu, memory, tree
from tests.benchmarks.makers import MAKERS, MANY
from tests.benchmarks.mass_download import OPEN, RSA
from tests.benchmarks.measuring import Cost, Line, Moment, lines_of, median, run, throw_away
from tests.benchmarks.sip_fleet import PASSWORD, USER, address_of
from tests.support.ports import free_port
from tests.support.provisioning import FIRST_PAIR, Provisioning
from tests.support.running import wait_for

PHONES, FEWER = 10_000, 1_000
AT_ONCE = 500
"""The most that an administrator can set."""
WRITES_EVERY = 0.02
WITHIN = 200
COME_AT_ONCE = 1_000
MOST_ROUNDS = 3
"""A Yealink that has taken ten certificates takes no further one (rule full-list)."""

FLEET = """
import sys
from datetime import UTC, datetime, time
from certificates.models import Settings
from pbxcerts.system.models import General
from terminals.batches import execute, updates
from pbxcerts.system.sealing import seal
from terminals.models import DeliverySettings, Terminal
from tests.benchmarks.sip_fleet import PASSWORD, REALM, USER, address_of

keys = Terminal.objects.order_by("pk").values_list("pk", flat=True)
addresses = [f"{address_of(number)}:{sys.argv[1]}" for number in range(len(keys))]
execute(updates(Terminal, [{"id": key, "address": one} for key, one in zip(keys, addresses)], match=["id"]))
Terminal.objects.update(way="direct", sip_user=USER, sip_realm=REALM, sip_password=seal(PASSWORD.encode()))
DeliverySettings.load()
DeliverySettings.objects.update(waves=False, at_once=int(sys.argv[2]))
# The window of the night is far away: phones restart because this rollout says so.
Settings.objects.update(generation_time=time((datetime.now(UTC).hour + 12) % 24))
General.objects.update(time_zone="UTC")
"""
ENABLE = """
import sys
from terminals.models import Terminal
first = Terminal.objects.order_by("pk")[: int(sys.argv[1])].values("pk")
Terminal.objects.update(enabled=False)
Terminal.objects.filter(pk__in=list(first.values_list("pk", flat=True))).update(enabled=True)
"""
FILES = """
import json
from terminals.drivers.configuration import ConfigurationFile, FileOf, PhoneTls
from terminals.drivers.mitel_sip import driver
from terminals.web import snapshot
from terminals.web.provisioning import trust_path
known = snapshot.read_snapshot()
files = {}
for one in known.terminals:
    trust = known.type_of(one).files[0]
    path = trust_path(one, trust)
    tls = PhoneTls(trust_url=f"https://localhost:8443{path}")
    files[f"/{one.mac}.cfg"] = driver.files.content(ConfigurationFile(FileOf.TERMINAL, mac=one.mac), tls, own_lines=["sip line1 user name: 100"]).decode()
    files[path] = trust.content.decode()
print(json.dumps(files))
"""
CAME = """
from terminals.evidence.models import Requester
print(Requester.objects.values("terminal").distinct().count())
"""
LEFT = """
SELECT count(*) = 0 OR EXISTS (SELECT 1 FROM terminals_installation WHERE generation_id = :number AND state < 'confirmed')
    OR EXISTS (SELECT 1 FROM terminals_installation WHERE generation_id = :number AND state > 'confirmed')
FROM (SELECT 1 FROM terminals_installation WHERE generation_id = :number LIMIT 1)
"""


@dataclass(frozen=True)
class Rolled:
    """A rollout of the product. `waited`: the longest time, in ms, that another writer waited meanwhile; `memory`: MB."""

    cost: Cost
    memory: float
    waited: float
    queries: int
    beats: int


class OtherWriter:
    """Changes one row every 20 ms, as a page that is saved, and sees in passing whether all have confirmed."""

    def __init__(self, data, number):
        self.longest, self.done_at = 0.0, None
        self._file, self._number = data / "pbxcerts.sqlite3", number
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with sqlite3.connect(self._file, timeout=20, isolation_level=None) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            while self.done_at is None:
                began = time.perf_counter()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE system_heartbeat SET publish_failure = publish_failure")
                connection.execute("COMMIT")
                self.longest = max(self.longest, time.perf_counter() - began)
                (left,) = connection.execute(LEFT, {"number": self._number}).fetchone()
                if not left:
                    self.done_at = time.time()
                time.sleep(WRITES_EVERY)


def roll_out(product, ask):
    told, ended = product.data / "began", product.data / "ended"
    for file in (told, ended):
        file.unlink(missing_ok=True)
    members = tree(product.process.pid)
    ask("tests.benchmarks.rollout_task.roll_out", str(product.data))
    end = time.monotonic() + WITHIN
    while not told.exists():
        assert time.monotonic() < end, "the worker did not begin"
        time.sleep(0.002)
    cpu_before, queries_before = sum(map(cpu, members)), counted(product.data)
    began = json.loads(told.read_text())
    writer = OtherWriter(product.data, began["generation"])
    most = 0.0
    while writer.done_at is None:
        assert time.monotonic() < end, "not all phones have confirmed"
        most = max(most, sum(map(memory, members)))
        time.sleep(0.2)
    cpu_after = sum(map(cpu, members))
    wait_for(ended.exists, what="the end of the heartbeat")
    queries = counted(product.data) - queries_before
    wall = (writer.done_at - began["at"]) * 1000
    cost = Cost(wall, (cpu_after - cpu_before) * 1000, wall)
    return Rolled(cost, most, writer.longest * 1000, queries, int(ended.read_text()))


def roll_out_bare(fleet, phones, server):
    targets = ((address_of(number), fleet.port) for number in range(phones))
    start = Moment.now()
    statuses = asyncio.run(bare_rollout.roll_out(targets, server, at_most=AT_ONCE, user=USER, password=PASSWORD))
    end = Moment.now()
    assert statuses == [200] * phones
    wall = (end.wall - start.wall) * 1000
    return Cost(wall, (end.cpu - start.cpu) * 1000, wall)


def installation(stack, phones, makers):
    """Of so many phones of the first so many makers, and what is asked to roll out."""
    product = stack.enter_context(Provisioning(throw_away(), DJANGO_SETTINGS_MODULE="tests.benchmarks.counted_queries"))
    product.install().run(FIRST_PAIR, "0")
    product.run(MANY, str(phones), str(makers))
    product.run(RSA)
    product.generate()
    product.run(OPEN)
    product.go_on(program=Path(up_with_a_rollout.__file__))
    return product, stack.enter_context(product.asking())


def come_once(product, fleet, phones):
    """Each phone comes for its files, so many at a time that none waits for long. Some are called by the product meanwhile."""
    for first in range(0, phones, COME_AT_ONCE):
        last = min(first + COME_AT_ONCE, phones)
        targets = ((address_of(number), fleet.port) for number in range(first, last))
        asyncio.run(bare_notify.notify_all(targets, at_most=AT_ONCE, user=USER, password=PASSWORD))
        wait_for(lambda last=last: int(product.run(CAME)) >= last, seconds=60, what="that these phones have come")


def benchmark(rounds):
    phones, fewer = (PHONES, FEWER) if rounds > 1 else (200, 50)
    rounds = min(rounds, MOST_ROUNDS)
    lines = []
    with ExitStack() as stack:
        product, ask = installation(stack, phones, 1)
        of_makers, ask_makers = installation(stack, phones, len(MAKERS))
        few = None
        for scheme in ("http", "https"):
            bare, ours = f"bare asyncio program, {scheme}", f"rollout, {scheme}"
            mixed = f"rollout to phones of {len(MAKERS)} makers, {scheme}"
            bare_port = free_port()
            fleet = stack.enter_context(fetching_fleet(free_port(), scheme, getattr(product, scheme), 1))
            mixed_fleet = stack.enter_context(
                fetching_fleet(free_port(), scheme, getattr(of_makers, scheme), len(MAKERS))
            )
            bare_fleet = stack.enter_context(fetching_fleet(free_port(), scheme, bare_port, 1))
            product.run(FLEET, str(fleet.port), str(AT_ONCE))
            of_makers.run(FLEET, str(mixed_fleet.port), str(AT_ONCE))
            if few is None:
                product.run(ENABLE, str(fewer))
                time.sleep(6)  # until the listeners know
                few = roll_out(product, ask)
                product.run(ENABLE, str(phones))
                come_once(of_makers, mixed_fleet, phones)
            time.sleep(6)
            roll_out(product, ask)
            roll_out(of_makers, ask_makers)
            files = {path.encode(): content.encode() for path, content in json.loads(product.run(FILES)).items()}
            current = product.data / "store" / "current"
            pair = (current / "fullchain.pem", current / "host.key") if scheme == "https" else None
            server = bare_rollout.Server(bare_port, files, pair)
            roll_out_bare(bare_fleet, phones, server)
            fleet.report(), bare_fleet.report(), mixed_fleet.report()
            costs, rolled, rolled_mixed = [], [], []
            for _ in range(rounds):
                costs.append(roll_out_bare(bare_fleet, phones, server))
                rolled.append(roll_out(product, ask))
                rolled_mixed.append(roll_out(of_makers, ask_makers))
            seen = {bare: bare_fleet.report(), ours: fleet.report(), mixed: mixed_fleet.report()}
            medians = {bare: median(costs)} | {
                name: median([one.cost for one in each]) for name, each in ((ours, rolled), (mixed, rolled_mixed))
            }
            lines += lines_of(medians, {(ours, bare): "at most 2", (mixed, ours): "at most 1.2"})
            waited = max(one.waited for one in rolled)
            lines += [
                Line(
                    f"{ours}: memory of all processes",
                    f"{max(one.memory for one in rolled):.0f} MB PSS",
                    target="below 250 MB",
                ),
                Line(f"{ours}: longest wait of another writer", f"{waited:.0f} ms", target="at most 150 ms"),
                Line(
                    f"{ours}: queries",
                    f"{few.queries} for {fewer} phones, {max(one.queries for one in rolled)} for {phones}",
                ),
                Line(f"{mixed}: queries", f"{max(one.queries for one in rolled_mixed)} for {phones}"),
                Line(f"{ours}: heartbeats", f"{max(one.beats for one in rolled)}"),
                Line(f"{mixed}: heartbeats", f"{max(one.beats for one in rolled_mixed)}"),
            ]
            for name, report in seen.items():
                assert report["lost"] == 0, report
                lines.append(
                    Line(
                        f"phones of the {name}",
                        f"{report['cpu'] / rounds:.0f} ms cpu a run, {report['repeated']} requests repeated",
                    )
                )
    return lines


if __name__ == "__main__":
    run(benchmark, rounds=MOST_ROUNDS)
