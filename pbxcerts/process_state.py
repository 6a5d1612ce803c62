"""Which processes of the tree cannot be started: written by the supervisor, read by the pages and by the heartbeat.

A file, not a row: the supervisor holds no database connection, and the database may be what is broken.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Failing:
    failures: int
    """How often in a row."""
    last_end: str
    """How it last ended, in technical words: an exit code, a signal, the silence."""


def file(data: Path) -> Path:
    return data / "run" / "processes.json"


def write(state: Path, failing: dict[str, Failing]) -> bool:
    """Whether it could be written: on a full disk supervision goes on and tries again."""
    new = state.with_suffix(".new")
    with suppress(OSError):
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            json.dump({name: asdict(child) for name, child in failing.items()}, handle)
        new.replace(state)
        return True
    return False


def read(state: Path) -> dict[str, Failing]:
    try:
        return {name: Failing(**child) for name, child in json.loads(state.read_text()).items()}
    except (OSError, ValueError, TypeError):
        return {}
