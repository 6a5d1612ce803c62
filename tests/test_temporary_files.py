"""Where the tests' temporary files lie."""

import os
import tempfile
from types import SimpleNamespace

import pytest

from tests.support.in_memory import ENOUGH, PLACE, keep_temporary_files_in_memory

BLOCK = 4096


@pytest.fixture
def chosen(monkeypatch):
    """What is chosen over this much room in memory, with these flags of its mount, where the caller has named this place."""

    def choose(*, room=ENOUGH, flags=0, named=None):
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", named or "")
        if named is None:
            monkeypatch.delenv("TMPDIR")
        monkeypatch.setattr(os, "access", lambda *_arguments: True)
        state = SimpleNamespace(f_bavail=room // BLOCK, f_frsize=BLOCK, f_flag=flags)
        monkeypatch.setattr(os, "statvfs", lambda _place: state)
        keep_temporary_files_in_memory()
        return os.environ.get("TMPDIR")

    return choose


def test_they_lie_in_memory_where_it_has_room(chosen):
    assert chosen() == tempfile.gettempdir() == PLACE


def test_the_place_that_the_caller_names_stays(chosen):
    assert chosen(named="/srv/large") == "/srv/large"


@pytest.mark.parametrize("memory", [{"room": ENOUGH - BLOCK}, {"flags": os.ST_NOEXEC}], ids=["small", "not executable"])
def test_memory_that_will_not_do_is_left_alone(chosen, memory):
    assert chosen(**memory) is None
