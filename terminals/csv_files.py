"""CSV files of terminals as text: rows in, rows out. What a row means is for `terminals.imports`.

ImportFileError      the whole file is of no use; its text says why
├── TooLarge
├── TooManyLines
├── NotText          neither UTF-8 nor Windows-1252, as spreadsheets write them
├── NotCsv           quotes that do not end, a row with more cells than the header
└── WrongHeader
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from tablib import Dataset, InvalidDimensions

COLUMNS = (
    *("number", "name", "type", "mac", "address", "transport", "way"),
    *("sip_user", "sip_password", "enabled", "notes"),
)
EXPORTED = tuple(column for column in COLUMNS if column != "sip_password")
DELIMITERS = ",;\t"

MOST_BYTES = 2_000_000
"""Below what one request may hold (DATA_UPLOAD_MAX_MEMORY_SIZE): the panel itself then says what is too large."""
MOST_LINES = 20_000
"""A blank line costs as much memory as a full one, so lines are counted before anything is made of them."""

# What a spreadsheet takes for a formula; a dialling number is none.
_FORMULA = re.compile(r"'*[=+\-@]")
_DIALLING_NUMBER = re.compile(r"\+[0-9]+", re.ASCII)


class ImportFileError(Exception):
    pass


class TooLarge(ImportFileError):
    def __init__(self) -> None:
        most = {"megabytes": MOST_BYTES // 1_000_000}
        super().__init__(_("The file is larger than %(megabytes)s MB. Import it in several parts.") % most)


class TooManyLines(ImportFileError):
    def __init__(self, lines: int) -> None:
        counts = {"lines": lines, "most": MOST_LINES}
        super().__init__(
            _("The file has %(lines)s lines; at most %(most)s are imported at once. Import it in several parts.")
            % counts
        )


class NotText(ImportFileError):
    def __init__(self) -> None:
        super().__init__(_("This is not a CSV file: save it in your spreadsheet as “CSV UTF-8”."))


class NotCsv(ImportFileError):
    pass


class WrongHeader(ImportFileError):
    pass


@dataclass(frozen=True)
class Row:
    """`number` is the row's in a spreadsheet, where the header is row 1; lines that are quite empty are not counted."""

    number: int
    cells: Mapping[str, str]


def read(content: bytes) -> list[Row]:
    """The rows of a file with commas, semicolons or tabs. Only the columns that it has; cells as they were before the export.

    Raises ImportFileError.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge
    text = _decoded(content)
    lines = len(text.splitlines())
    if lines > MOST_LINES:
        raise TooManyLines(lines)
    first_line = text.lstrip().partition("\n")[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    table = Dataset()
    try:
        table.load(text.lstrip("\r\n"), format="csv", headers=False, delimiter=delimiter, strict=True)
    except InvalidDimensions:
        # The first row is no row too many, so what is there already is the rows before this one.
        raise NotCsv(_("Row %(row)s has more cells than the header.") % {"row": table.height + 1}) from None
    except csv.Error as error:
        raise NotCsv(_("The file can't be read as CSV: %(reason)s.") % {"reason": error}) from error
    if not table.height:
        raise WrongHeader(_("The file is empty."))
    header = _header(table[0])
    return [
        Row(number, {name: _as_it_was(cell) for name, cell in zip(header, cells, strict=True) if name})
        for number, cells in enumerate(table[1:], start=2)
        if any(cells)
    ]


def write(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = EXPORTED) -> str:
    """With all columns a file that `read` reads again; none of them holds credentials."""
    table = Dataset(headers=columns)
    for row in rows:
        table.append([_harmless(column, row[column]) for column in columns])
    exported: str = table.export("csv")
    return exported


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise NotText from None
    if "\0" in text:
        raise NotText
    return text


def _header(cells: Iterable[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    known = {"columns": ", ".join(COLUMNS)}
    # A column without a name is what a spreadsheet has beside the table.
    if unknown := [name for name in header if name and name not in COLUMNS]:
        raise WrongHeader(
            _("The header has a column “%(name)s”, which there is not. The columns are: %(columns)s.")
            % (known | {"name": unknown[0][:40]})
        )
    if doubled := [name for name in header if name and header.count(name) > 1]:
        raise WrongHeader(_("The header has the column “%(name)s” twice.") % {"name": doubled[0]})
    if "number" not in header:
        raise WrongHeader(_("The header lacks the column “number”. The columns are: %(columns)s.") % known)
    return header


def _harmless(column: str, cell: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula."""
    if column == "number" and _DIALLING_NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _as_it_was(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
