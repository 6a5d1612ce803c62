"""The installation of the rollout's tests: an active pair, and telephones."""

import pytest

from pbxcerts.health import database_reading, readiness
from tests.terminals.conftest import delivery, fleet, world

__all__ = ["delivery", "fleet", "world"]


@pytest.fixture(autouse=True)
def _the_connection_is_the_tests_own(monkeypatch):
    """In the transaction of a test it looks as if somebody had left it in the middle of something."""
    for module in (database_reading, readiness):
        monkeypatch.setattr(module, "close_old_connections", lambda: None)
