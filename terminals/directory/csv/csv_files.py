"""CSV files of terminals as text: rows in, rows out. What a row means is for `terminals.directory.csv.import_plan`."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from pbxcerts.system.pages.invisible import shown
from terminals.directory.csv.column_heads import column_of
from terminals.directory.csv.errors import ImportFileTooLarge, NotCsv, NotText, TooManyLines, WrongHeader

COLUMNS = (
    *("number", "name", "type", "mac", "address", "transport", "way"),
    *("sip_user", "sip_realm", "sip_password", "enabled", "notes"),
)
EXPORTED = tuple(column for column in COLUMNS if column != "sip_password")
DELIMITERS = ",;\t"

_END_OF_FILE = "\x1a"
"""Ctrl-Z, with which old programs end a text file."""
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?\r?\n', re.IGNORECASE)
"""What Excel writes before a table so that it finds the separator again; it is no row of it."""
# What a spreadsheet takes for a formula at the beginning of a cell; where it reads the file with another separator than
# it was written with, a cell may begin behind each separator and line break.
_BEGINNING = r"(?:^|(?<=[,;\t\r\n]))"
_FORMULA = re.compile(rf"{_BEGINNING}(?='*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_HARMLESS_FORMULA = re.compile(rf"{_BEGINNING}'(?='*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_DIALLING_NUMBER = re.compile(r"\+[0-9]+", re.ASCII)


class Separator(StrEnum):
    """Between the cells of a file that is written. A German spreadsheet expects semicolons: its comma is the decimal one."""

    COMMA = ","
    SEMICOLON = ";"


def separator_for(language: str) -> Separator:
    """The one that spreadsheets of this language expect."""
    return Separator.SEMICOLON if language == "de" else Separator.COMMA


@dataclass(frozen=True)
class CsvLimits:
    """What one file may hold. A blank line costs as much memory as a full one, so lines are counted before anything is made of
    them.
    """

    bytes: int
    lines: int

    @property
    def megabytes(self) -> int:
        return self.bytes // 1_000_000


OF_A_PAGE = CsvLimits(2_000_000, 20_000)
"""Below what one request may hold (DATA_UPLOAD_MAX_MEMORY_SIZE): the panel itself then says what is too large."""
OF_A_COMMAND = CsvLimits(20_000_000, 200_000)
"""A command has a process of its own: what it needs for a hundred thousand terminals (300 MB) is gone when it ends."""


@dataclass(frozen=True)
class CsvRow:
    """`number` is the row's in a spreadsheet, where the first is row 1."""

    number: int
    cells: Mapping[str, str]


def read(content: bytes, limits: CsvLimits = OF_A_PAGE) -> list[CsvRow]:
    """The rows of a file with commas, semicolons or tabs. Only the columns that it has; cells as they were before the export.

    Raises ImportFileError.
    """
    if len(content) > limits.bytes:
        raise ImportFileTooLarge(megabytes=limits.megabytes)
    text = _decoded(content)
    lines = len(text.splitlines())
    if lines > limits.lines:
        raise TooManyLines(lines, most=limits.lines)
    separator = _SEPARATOR_LINE.match(text)
    if separator:
        text = text[separator.end() :]
    first_line = text.lstrip().partition("\n")[0]
    delimiter = separator[1] if separator else max(DELIMITERS, key=first_line.count)
    table = ((number, cells) for number, cells in _table(text, delimiter) if any(cells))
    _number, names = next(table, (0, []))
    if not names:
        raise WrongHeader(_("The file is empty."))
    header = _header(names)
    rows = []
    for number, cells in table:
        if any(cells[len(header) :]):
            raise NotCsv(_("Row %(row)s has more cells than the header.") % {"row": number})
        filled = [*cells, *[""] * (len(header) - len(cells))]
        named = {name: _as_it_was(cell) for name, cell in zip(header, filled, strict=False) if name}
        rows.append(CsvRow(number, named))
    return rows


def _table(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """All rows with their numbers. Raises NotCsv."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            yield number, cells
    except csv.Error:
        # Whatever it is that the reader has met: its own words are English, and name no row.
        raise NotCsv(
            _(
                "In row %(row)s a cell does not end where it should, or is much too long. Within a cell in quotation marks,"
                " write a quotation mark twice."
            )
            % {"row": number + 1}
        ) from None


def write(
    rows: Iterable[Mapping[str, str]], columns: Sequence[str] = EXPORTED, separator: Separator = Separator.COMMA
) -> str:
    """With all columns a file that `read` reads again; none of them holds credentials."""
    file = io.StringIO(newline="")
    table = csv.writer(file, delimiter=separator)
    table.writerow(columns)
    for row in rows:
        table.writerow([_harmless(column, row[column]) for column in columns])
    return file.getvalue()


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
    # A program that puts a byte order mark before what has one already writes two.
    return text.lstrip("\ufeff").rstrip(_END_OF_FILE)


def _header(cells: Iterable[str]) -> list[str]:
    # As the columns are called, or as people call them; what is neither is refused by its own name.
    header = [column_of(cell) or cell.strip().lower() for cell in cells]
    known = {"columns": ", ".join(COLUMNS)}
    # A column without a name is what a spreadsheet has beside the table.
    if unknown := [name for name in header if name and name not in COLUMNS]:
        raise WrongHeader(
            _("Unknown column “%(name)s”. The columns are: %(columns)s.") % (known | {"name": shown(unknown[0][:40])})
        )
    if doubled := [name for name in header if name and header.count(name) > 1]:
        raise WrongHeader(_("The header has the column “%(name)s” twice.") % {"name": doubled[0]})
    if "number" not in header:
        raise WrongHeader(_("The header lacks the column “number”. The columns are: %(columns)s.") % known)
    return header


def _harmless(column: str, cell: str) -> str:
    """With an apostrophe before each place that a spreadsheet would take for a formula."""
    if column == "number" and _DIALLING_NUMBER.fullmatch(cell):
        return cell
    return _FORMULA.sub("'", cell)


def _as_it_was(cell: str) -> str:
    return _HARMLESS_FORMULA.sub("", cell)
