"""Whether two machines say that they are the same one: clones of a virtual machine share its key (rule clones).

Each beat leaves a word of its own in the row of the machine and in the data directory. Where the row holds a word that this data
directory does not know, somebody else has beaten: a clone, also one that was made with its memory and has not been started since.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE = Path("run") / "start"
KEPT = 8
"""Words that a data directory knows: commands beat too, and while one does others may."""
TURNS = 3
"""So often must somebody else have beaten: a machine that was put back to a snapshot of itself meets its later words once."""
ALONE = 15
"""So many beats in a row after which nobody else had, and there is one machine. Two workers that share a queue beat by chance, not in turn."""

Starts = dict[str, Any]


def begin(data: Path) -> None:
    """A start of `up` begins: from now on beats leave words here."""
    if not (data / FILE).exists():
        _keep(data, [])


def after_a_beat(starts: Mapping[str, Any], data: Path) -> Starts:
    """What the row of this machine says with this beat: its `word`, how many `turns` others took, and how many beats we have been
    `alone` since.
    """
    try:
        known = (data / FILE).read_text().split()
    except OSError:
        # No `up` has run here.
        return dict(starts)
    word = secrets.token_hex(16)
    if not _keep(data, [word, *known][:KEPT]):
        # A full disk: nobody learns a word that we could not recognize.
        return dict(starts)
    turns, alone = starts.get("turns", 0), starts.get("alone", 0)
    if starts.get("word", "") in {"", *known}:
        alone = min(alone + 1, ALONE)
        return {"word": word, "turns": turns if alone < ALONE else 0, "alone": alone}
    return {"word": word, "turns": turns + 1, "alone": 0}


def are_told(starts: Mapping[str, Any]) -> bool:
    return bool(starts.get("turns", 0) >= TURNS)


def _keep(data: Path, words: Sequence[str]) -> bool:
    """Whether they could be written down."""
    new = data / FILE.with_name(".new-start")
    with suppress(OSError):
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(" ".join(words))
        new.replace(data / FILE)
        return True
    return False
