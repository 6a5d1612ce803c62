"""The installation of the rollout's tests: an active pair, and telephones."""

from tests.terminals.conftest import delivery, fleet, world

__all__ = ["delivery", "fleet", "world"]
