"""Facts that are not in the database yet, kept in files: if the web process is killed, the next one goes on with them.

They are to outlive the process, not the machine: nothing is flushed to the disk (rule evidence-queue).
"""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from terminals.evidence.facts import CameBack, FetchedConfiguration, FetchedTrust, OfTerminal, Proved, Reported

KINDS: dict[str, type[OfTerminal]] = {
    "FetchedConfiguration": FetchedConfiguration,
    "FetchedTrust": FetchedTrust,
    "Reported": Reported,
    "Proved": Proved,
    "CameBack": CameBack,
}
"""By their names in the files. These stay whatever the classes are called, and so do the names of the fields: the process
before may have been of another version.
"""
NEWER_FIELDS = ("by_secret_path", "named")
"""Fields that earlier versions do not know; where one says nothing it is left out."""
NAMES = {kind: name for name, kind in KINDS.items()}

logger = logging.getLogger("pbxcerts.web")


class Journal:
    """Files `evidence-<number>` in a directory, the newest of them open. Where it cannot be written, nothing is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._before = sorted(directory.glob("evidence-*"), key=_number)
        self._next = _number(self._before[-1]) + 1 if self._before else 1
        self._descriptor: int | None = None
        self._is_failing = False

    def left(self) -> list[OfTerminal]:
        """The facts that the process before has left, in their order. Their files stay until `forget`."""
        return [fact for file in self._before for fact in _facts(file)]

    def write(self, facts: Sequence[OfTerminal]) -> None:
        lines = b"".join(_in_json(entries).encode() + b"\n" for entries in _by_who_can_read(facts))
        try:
            if self._descriptor is None:
                file = self._directory / f"evidence-{self._next}"
                self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                self._next += 1
                self._before.append(file)
            os.write(self._descriptor, lines)
        except OSError as error:
            if not self._is_failing:
                logger.warning("Evidence is kept in memory alone until it is in the database: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False

    def turn(self) -> list[Path]:
        """Begin a new file; returns those until now, to be forgotten when their facts are in the database."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        return list(self._before)

    def forget(self, files: Sequence[Path]) -> None:
        for file in files:
            file.unlink(missing_ok=True)
            self._before.remove(file)


def _number(file: Path) -> int:
    digits = file.name.partition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _by_who_can_read(facts: Sequence[OfTerminal]) -> list[list[list[Any]]]:
    """The entries of a line for every version, and of lines for those that know of a newer field, or of telephones that came back: an
    earlier one leaves these out, and asks its telephones again.
    """
    lines: dict[tuple[str, ...], list[list[Any]]] = defaultdict(list)
    for fact in facts:
        values: dict[str, Any] = {**vars(fact), "at": fact.at.isoformat()}
        said: tuple[str, ...] = ()
        for name in NEWER_FIELDS:
            if values.get(name):
                said += (name,)
            else:
                values.pop(name, None)
        of_a_kind = said if not isinstance(fact, CameBack) else (NAMES[CameBack],)
        lines[of_a_kind].append([NAMES[type(fact)], values])
    return list(lines.values())


_in_json = json.JSONEncoder(default=sorted, check_circular=False).encode
"""Made once: `json.dumps` makes one each time."""


def _facts(file: Path) -> Iterator[OfTerminal]:
    """A line that was cut off when the process was killed, or that another version wrote, is left out."""
    for line in file.read_bytes().splitlines():
        try:
            yield from [_fact(KINDS[kind], values) for kind, values in json.loads(line)]
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("A line of %s cannot be read: %s", file, error)


def _fact(kind: type[OfTerminal], values: dict[str, Any]) -> OfTerminal:
    sets = {name: frozenset(value) for name, value in values.items() if isinstance(value, list)}
    return kind(**values | sets | {"at": datetime.fromisoformat(values["at"])})
