"""The tests read no variable of an installation, and say so: else a run on SQLite is taken for one on the database that was named."""

import os
import subprocess
import sys

import pytest

from tests.support.product import ROOT

pytestmark = pytest.mark.process


def header(**variables):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PBXCERTS_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:xdist", __file__],
        cwd=ROOT,
        env=own | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.partition("collected")[0]


def test_a_database_that_was_named_in_vain_is_told_with_what_to_name():
    said = header(PBXCERTS_DATABASE="postgresql://anna:kettle@127.0.0.1:1/phones")

    assert "left out PBXCERTS_DATABASE; the tests' database is sqlite, PBXCERTS_TEST_DATABASE names another" in said
    assert "kettle" not in said


def test_where_nothing_is_left_out_nothing_is_said():
    assert "left out" not in header()
