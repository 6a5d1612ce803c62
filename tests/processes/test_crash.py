"""Killed at every single step between "slot claimed" and "reload done", the product reaches the right state by itself."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.crashes import SCENARIOS

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parent.parent.parent

# Fewer steps than this, and the walk has missed what it is about.
AT_LEAST = {
    "FirstGeneration": 60,
    "GenerationWithHandover": 40,
    "GenerationAtOnce": 50,
    "Activation": 15,
    "FailedActivation": 25,
    "RollBack": 15,
    "EndOfThePairBefore": 8,
    "OlderDatabase": 15,
    "DatabasePublished": 15,
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_step_it_is_killed_at_it_comes_to_the_right_end(scenario, tmp_path):
    walked = forked.run(
        [sys.executable, "-m", "tests.support.crashes", scenario, tmp_path],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "pbxcerts.settings", "PBXCERTS_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert walked.returncode == 0, walked.stderr
    *wrong, steps = json.loads(walked.stdout.splitlines()[-1])
    assert wrong == []
    assert steps >= AT_LEAST[scenario]
