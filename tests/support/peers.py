"""What the tests need of the machine: real programs that they talk to, and the powers of root.

Where it is not there they are skipped; where PBXCERTS_PEERS=required, as in `.ci/run`, they fail.
"""

import os
import shutil

import pytest

REQUIRED = os.environ.get("PBXCERTS_PEERS") == "required"

only_root = pytest.mark.skipif(os.geteuid() != 0 and not REQUIRED, reason="only root can do this")
"""Whoever is not root does it in vain where peers are required, so the test fails."""


def require_program(name):
    """The path of a program; without it the test is skipped, or fails where PBXCERTS_PEERS=required."""
    return shutil.which(name) or missing(f"{name} is not installed")


def missing(reason):
    """Skip the test, or fail it where PBXCERTS_PEERS=required."""
    end = pytest.fail if REQUIRED else pytest.skip
    return end(reason)
