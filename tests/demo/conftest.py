import pytest

from pbxcerts.demo import stage


@pytest.fixture(autouse=True)
def _no_port_is_held_afterwards(monkeypatch):
    held = []
    monkeypatch.setattr(stage, "_held", held)
    yield
    for guard in held:
        guard.close()
