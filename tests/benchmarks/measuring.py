"""Take samples in turn and show their medians."""

import argparse
import atexit
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.product import Product

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache"


@dataclass(frozen=True)
class Cost:
    """Milliseconds: on the wall, and of all cores (user and system, ended children included).

    `best` is the fastest of several: what is left of `wall` on a machine that has other things to do as well. `samples`: of which
    this is the median.
    """

    wall: float
    cpu: float
    best: float
    samples: tuple["Cost", ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of the table. `ratio`, by the CPU `cpu_ratio`, is to what `beside` names; what is no time stands in `value`."""

    what: str
    value: str = ""
    wall: float | None = None
    cpu: float | None = None
    best: float | None = None
    beside: str = ""
    ratio: float | None = None
    cpu_ratio: float | None = None
    target: str = ""


@dataclass(frozen=True)
class Moment:
    """A point in time and the CPU used up to it, in seconds. An action that returns one is measured up to it."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.perf_counter(), _cpu())


def cost_of(action: Callable[[], object]) -> Cost:
    start = Moment.now()
    reached = action()
    end = reached if isinstance(reached, Moment) else Moment.now()
    took = (end.wall - start.wall) * 1000
    return Cost(took, (end.cpu - start.cpu) * 1000, took)


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def in_turn(
    rounds: int, actions: dict[str, Callable[[], object]], before: dict[str, Callable[[], object]] | None = None
) -> dict[str, Cost]:
    """A B C A B C ...: the medians of each. `before` is called before each sample and not measured."""
    samples: dict[str, list[Cost]] = {name: [] for name in actions}
    # The first of each loads and compiles what the others find.
    for turn in range(-1, rounds):
        for name, action in actions.items():
            (before or {}).get(name, lambda: None)()
            cost = cost_of(action)
            if turn >= 0:
                samples[name].append(cost)
    return {name: median(costs) for name, costs in samples.items()}


def median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        min(cost.wall for cost in costs),
        tuple(costs),
    )


def lines_of(medians: dict[str, Cost], beside: dict[tuple[str, str], str]) -> list[Line]:
    """A line for each median, then one for each comparison: {(what, beside what): target}."""
    lines = [Line(name, wall=cost.wall, cpu=cost.cpu, best=cost.best) for name, cost in medians.items()]
    for (what, other), target in beside.items():
        ours, theirs = medians[what], medians[other]
        lines.append(
            Line(
                what,
                beside=other,
                ratio=_ratio([(one.wall, another.wall) for one, another in _rounds(ours, theirs)]),
                cpu_ratio=_ratio([(one.cpu, another.cpu) for one, another in _rounds(ours, theirs)]),
                target=target,
            )
        )
    return lines


def _rounds(ours: Cost, theirs: Cost) -> list[tuple[Cost, Cost]]:
    """What was measured one right after the other: a machine that becomes slower or faster does so for both."""
    return list(zip(ours.samples, theirs.samples, strict=False)) or [(ours, theirs)]


def _ratio(rounds: list[tuple[float, float]]) -> float | None:
    if not all(theirs for _ours, theirs in rounds):
        return None
    return statistics.median(ours / theirs for ours, theirs in rounds)


def run(benchmark: Callable[[int], list[Line]], *, rounds: int = 30) -> None:
    """The command line of a benchmark. `--json` is for the test that tries whether it runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=rounds, help="samples of each (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    # What is measured begins as a person starts it.
    Product.popen = subprocess.Popen
    lines = benchmark(options.rounds)
    if options.json:
        print(json.dumps([asdict(line) for line in lines]))  # noqa: T201 - what a person or the test reads
        return
    for line in lines:
        print(_row(line))  # noqa: T201 - the same


def _row(line: Line) -> str:
    target = f"   ({line.target})" if line.target else ""
    if line.ratio is not None:
        by_cpu = f", {line.cpu_ratio:.2f} by CPU" if line.cpu_ratio is not None else ""
        return f"{line.what:<44} {line.ratio:6.2f} x {line.beside}{by_cpu}{target}"
    if line.value:
        return f"{line.what:<44} {line.value}{target}"
    return f"{line.what:<44} {line.wall:8.2f} ms (best {line.best:.2f}), {line.cpu:.2f} ms CPU{target}"


def throw_away() -> Path:
    """A directory that is gone when the benchmark ends; on the disk that the repository is on, for its flushes count."""
    CACHE.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="benchmark-", dir=CACHE))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def set_up_django(settings: str = "pbxcerts.settings") -> Path:
    """Django over a new installation of its own; returns its directory."""
    directory = throw_away()
    for name in [name for name in os.environ if name.startswith("PBXCERTS_")]:
        del os.environ[name]
    os.environ["PBXCERTS_DATA"] = str(directory / "data")
    os.environ["DJANGO_SETTINGS_MODULE"] = settings
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return directory
