"""What keeps a CSV file of terminals from being imported.

TerminalImportError
├── ImportFileError         the whole file is of no use; its text says why
│   ├── ImportFileTooLarge
│   ├── TooManyLines
│   ├── NotText             neither UTF-8 nor Windows-1252, as spreadsheets write them
│   ├── NotCsv              quotes that do not end, a row with more cells than the header
│   └── WrongHeader
└── ImportRefused           nothing was imported
    ├── RowsRefused         the plan says which rows and why
    └── ImportOvertaken     terminals or types are not as they were in the preview
"""

from django.utils.translation import gettext as _


class TerminalImportError(Exception):
    pass


class ImportFileError(TerminalImportError):
    pass


class ImportFileTooLarge(ImportFileError):
    def __init__(self, *, megabytes: int) -> None:
        super().__init__(
            _("The file is larger than %(megabytes)s MB. Import it in several parts.") % {"megabytes": megabytes}
        )


class TooManyLines(ImportFileError):
    def __init__(self, lines: int, *, most: int) -> None:
        counts = {"lines": lines, "most": most}
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


class ImportRefused(TerminalImportError):
    pass


class RowsRefused(ImportRefused):
    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows} rows are refused")


class ImportOvertaken(ImportRefused):
    pass
