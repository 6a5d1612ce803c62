"""Real programs that the tests talk to."""

import os
import shutil

import pytest


def require_program(name):
    """The path of a program; without it the test is skipped, or fails where PBXCERTS_PEERS=required."""
    return shutil.which(name) or missing(f"{name} is not installed")


def missing(reason):
    """Skip the test, or fail it where PBXCERTS_PEERS=required."""
    end = pytest.fail if os.environ.get("PBXCERTS_PEERS") == "required" else pytest.skip
    return end(reason)
