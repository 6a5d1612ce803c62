"""Terminals as the rows of a CSV file, as an import takes them again."""

from collections.abc import Iterable, Mapping
from typing import Any

from terminals.directory.csv.csv_files import EXPORTED
from terminals.models import Terminal, TerminalType


def cells(values: Mapping[str, Any]) -> dict[str, str]:
    """A terminal as the cells of a row. `type` is the name of its type."""
    return {
        column: str(value) if value is not None else ""
        for column, value in {**values, "enabled": "true" if values["enabled"] else "false"}.items()
    }


def rows() -> Iterable[dict[str, str]]:
    """All terminals by number, without credentials."""
    names = dict(TerminalType.objects.values_list("pk", "name"))
    for values in Terminal.objects.order_by("number").values(*EXPORTED):
        yield cells(values | {"type": names[values["type"]]})
