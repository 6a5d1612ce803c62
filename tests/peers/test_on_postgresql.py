"""The tests that touch the database, on a PostgreSQL of Debian: a chosen part, and all of them with --long."""

import os
import subprocess
import sys

import pytest

from tests.support.postgresql import cluster, unprivileged_directory
from tests.support.product import ROOT

pytestmark = [pytest.mark.peer, pytest.mark.takes_minutes]

CHOSEN = [
    "tests/certificates/renewal/test_restored_copies.py",
    "tests/certificates/renewal/test_roll_back.py",
    "tests/certificates/renewal/test_states.py",
    "tests/certificates/renewal/test_withdraw.py",
    "tests/panel/test_moved.py::test_it_is_made_once_and_then_only_when_something_has_moved",
    "tests/system/notifications/test_queue.py",
    "tests/system/machines/test_roster.py",
    "tests/test_machine_elsewhere.py",
    "tests/terminals/call_proof/test_registered.py",
    "tests/terminals/checking/test_emptying_pages.py",
    "tests/terminals/checking/test_heartbeat.py",
    "tests/terminals/checking/test_messages.py",
    "tests/terminals/checking/test_pages.py",
    "tests/terminals/directory/csv/test_csv_import.py",
    "tests/terminals/directory/test_held.py",
    "tests/terminals/directory/test_searching.py",
    "tests/terminals/evidence",
    "tests/terminals/past",
    "tests/terminals/rollout/test_claims.py",
    "tests/terminals/rollout/test_one_round.py",
    "tests/terminals/tally",
    "tests/upgrade/test_made_by_sql.py",
]
"""A tenth of those that start no process: where statements are written by hand, rows are locked, or an order could be taken for granted."""


@pytest.mark.parametrize("tests", [CHOSEN, pytest.param(["tests"], marks=pytest.mark.long)], ids=["chosen", "all"])
def test_what_holds_on_sqlite_holds_there_too(tests):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PBXCERTS_"))}
    with unprivileged_directory() as (directory, user), cluster(directory, user) as url:
        done = subprocess.run(
            [
                *[sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--quiet", *tests],
                *["-m", "not process and not peer and not browser and not long"],
            ],
            cwd=ROOT,
            env=own | {"PBXCERTS_TEST_DATABASE": f"{url}/postgres"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert " passed" in done.stdout
