"""Whether two machines say that they are the same one: clones of a virtual machine share its key (rule clones).

Each start of `up` draws a word, which stands in the data directory, and each beat leaves it in the row of the machine. After a restart
the word changes once and stays. Where two machines share a row, a word comes back that another had taken the place of, again and again.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE = Path("run") / "start"
TURNS = 2
"""So often must words have taken each other's place in turn: a machine that was put back to a snapshot of itself does it once."""
ALONE = 15
"""So many beats with the same word in a row, and there is one machine. Two workers that share a queue beat by chance, not in turn."""

Starts = dict[str, Any]


def draw(data: Path) -> None:
    """A start of `up` begins. On a full disk the word stays as it was."""
    new = data / FILE.with_name(".new-start")
    with suppress(OSError):
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(16))
        new.replace(data / FILE)


def after_a_beat(starts: Mapping[str, Any], data: Path) -> Starts:
    """What the row of this machine says of its starts with this beat: which `word` was the last, which one was there `before`, how
    often they took `turns`, and how many beats the last has been `alone` since.
    """
    try:
        word = (data / FILE).read_text()
    except OSError:
        # No `up` has run here.
        word = ""
    turns, alone = starts.get("turns", 0), starts.get("alone", 0)
    if not word:
        return dict(starts)
    if word == starts.get("word"):
        alone = min(alone + 1, ALONE)
        return {**starts, "turns": turns if alone < ALONE else 0, "alone": alone}
    came_back = word == starts.get("before")
    return {"word": word, "before": starts.get("word", ""), "turns": turns + came_back, "alone": 0}


def are_told(starts: Mapping[str, Any]) -> bool:
    return bool(starts.get("turns", 0) >= TURNS)
