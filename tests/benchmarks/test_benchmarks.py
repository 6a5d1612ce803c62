"""That the benchmarks run and measure something. How much is for a person to read: no time is a test."""

import json
import math
import subprocess
import sys

import pytest

from tests.support.postgresql import program
from tests.support.product import ROOT

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    "name",
    [
        "renewal",
        "settings_page",
        pytest.param("idle_heartbeat", marks=pytest.mark.long),
        pytest.param("idle_tree", marks=pytest.mark.long),
        pytest.param("silent_clients", marks=pytest.mark.long),
        pytest.param("hostile_crowd", marks=pytest.mark.long),
        "notify",
        pytest.param("terminal_list", marks=pytest.mark.long),
        pytest.param("mass_download", marks=pytest.mark.long),
        pytest.param("hundred_thousand", marks=pytest.mark.long),
        pytest.param("certificate_switches", marks=pytest.mark.long),
        pytest.param("rollout", marks=pytest.mark.long),
    ],
)
def test_it_runs_and_compares(name):
    assert_runs_and_compares(name)


@pytest.mark.long
@pytest.mark.peer
def test_so_does_the_one_over_postgresql():
    program("postgres")
    assert_runs_and_compares("four_workers")


def assert_runs_and_compares(name):
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", "--rounds", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)

    ratios = [line["ratio"] for line in lines if line["ratio"] is not None]
    assert ratios
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in ratios)
