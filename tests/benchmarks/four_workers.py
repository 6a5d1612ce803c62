"""Four workers over one PostgreSQL beside one: a new pair for ten thousand telephones in memory, and whether anybody is asked twice.

A round is for one of them (rule one-round). Each has a heartbeat every three seconds, in the place of a minute, and asks a thousand in a
round; the heartbeats of several fall between each other.
"""

import json
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.benchmarks.measuring import Cost, Line, lines_of, median, run, throw_away
from tests.support.postgresql import cluster, installed_database, new_database, unprivileged_directory
from tests.support.product import ROOT, Product
from tests.support.provisioning import FIRST_PAIR, GENERATE

PHONES = 10_000
ALONE, TOGETHER = "one worker", "four workers"
WORKERS = {ALONE: 1, TOGETHER: 4}
NO_WAVES = """
from terminals.models import DeliverySettings
from tests.benchmarks.answering_fleet import AT_ONCE
DeliverySettings.load()
DeliverySettings.objects.update(waves=False, at_once=AT_ONCE)
"""


def roll_out(product, workers, generation):
    """Cost, and what each worker has done."""
    command = [sys.executable, "-m", "tests.benchmarks.one_of_several_workers", generation]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen([*command, str(one / workers)], cwd=ROOT, env=product.environment, **pipes)
            )
            for one in range(workers)
        ]
        for one in started:
            assert one.stdout.readline() == "ready\n"
        began = time.monotonic()
        for one in started:
            one.stdin.write("\n")
            one.stdin.flush()
        done = [json.loads(one.stdout.read()) for one in started]
        # Whoever sees it first: the others see it with their next heartbeat.
        wall = (min(one["at"] for one in done) - began) * 1000
    return Cost(wall, sum(one["cpu"] for one in done), wall), done


def benchmark(rounds):
    phones = PHONES if rounds > 1 else 2_000
    costs, twice, shares = {name: [] for name in WORKERS}, 0, []
    with unprivileged_directory() as found, cluster(*found) as url:
        template = installed_database(url)
        product = Product(throw_away(), PBXCERTS_DATABASE=template)
        product.run(FIRST_PAIR, str(phones))
        product.run(NO_WAVES)
        product.run(GENERATE)
        generation = product.run(GENERATE).strip()
        for turn in range(-1, rounds):
            for name, workers in WORKERS.items():
                product.environment["PBXCERTS_DATABASE"] = new_database(url, template=template)
                cost, done = roll_out(product, workers, generation)
                asked = [phone for one in done for phone in one["asked"]]
                assert len(set(asked)) == phones, len(set(asked))
                twice += len(asked) - phones
                if turn >= 0:
                    costs[name].append(cost)
                    shares += [[one["rounds"] for one in done]] if name == TOGETHER else []
    medians = {name: median(some) for name, some in costs.items()}
    return [
        *lines_of(medians, {(TOGETHER, ALONE): "at most 1"}),
        Line("telephones asked twice", str(twice), target="none"),
        Line("rounds of each of the four", "; ".join(" ".join(map(str, one)) for one in shares)),
    ]


if __name__ == "__main__":
    run(benchmark, rounds=5)
