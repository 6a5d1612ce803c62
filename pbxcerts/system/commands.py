"""What the commands for administrators and scripts have in common: exit codes, `--json`, one sentence for an error."""

import json
import os
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from pbxcerts import __version__
from pbxcerts.system import data_owner
from pbxcerts.system.database import database_version
from pbxcerts.system.database.database_faults import why_unusable
from pbxcerts.system.models import General


class CommandUnsuccessful(CommandError):
    """The command did not do what it was told. `code` is stable, for scripts; the message is one sentence for a person.

    CommandUnsuccessful
    ├── CommandFailed   exit 1: it was tried and went wrong
    ├── WrongUse        exit 2: an argument or a value is wrong, nothing was tried
    └── NotNow          exit 3: the clock or the state refuses it

    `value` goes beside the error into the JSON object: what was reached all the same.
    """

    exit_code: ClassVar[int]

    def __init__(self, message: str, *, code: str, value: dict[str, Any] | None = None) -> None:
        super().__init__(message, returncode=self.exit_code)
        self.code = code
        self.value = value or {}


class CommandFailed(CommandUnsuccessful):
    exit_code = 1


class WrongUse(CommandUnsuccessful):
    exit_code = 2


class NotNow(CommandUnsuccessful):
    exit_code = 3


@dataclass(frozen=True)
class CommandReport:
    """What a command has to say: to a script and to a person."""

    text: str
    value: dict[str, Any] = field(default_factory=dict)


class ReportingCommand(BaseCommand, ABC):
    """A command with the manners of all of ours; subclasses do it in `report`.

    Exit code 0: done, or nothing to do; otherwise as `CommandUnsuccessful` says. An error is one sentence on stderr;
    with `--json` stdout holds one JSON object and nothing else, on an error `{"error": {"code": …, "text": …}}`.
    """

    requires_system_checks = []

    @abstractmethod
    def report(self, options: dict[str, Any]) -> CommandReport | None:
        """Do what the command is for. Returns None if it has written its output itself. Raises CommandUnsuccessful."""

    def get_version(self) -> str:
        return __version__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = self.report(options)
        except (DatabaseError, InterfaceError) as error:
            raise CommandFailed(why_unusable(error), code="database") from error
        except OSError as error:
            raise CommandFailed(_why_no_file(error), code="file") from error
        if report is not None:
            self.stdout.write(json.dumps(report.value) if options["as_json"] else report.text)

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            self.execute(**self._parsed(argv))
        except CommandError as error:
            if "--traceback" in argv:
                raise
            if "--json" in argv:
                code = error.code if isinstance(error, CommandUnsuccessful) else "failed"
                reached = error.value if isinstance(error, CommandUnsuccessful) else {}
                self.stdout.write(json.dumps({"error": {"code": code, "text": str(error)}, **reached}))
            self.stderr.write(str(error))
            sys.exit(error.returncode)
        finally:
            connections.close_all()

    def _parsed(self, argv: list[str]) -> dict[str, Any]:
        parser = self.create_parser(argv[0], argv[1])
        try:
            return vars(parser.parse_args(argv[2:]))
        except CommandError as error:
            raise WrongUse(str(error).removeprefix("Error: "), code="usage") from None


class OperatorCommand(ReportingCommand):
    """A command for an administrator or a script, of an installation that is there; subclasses do it in `act`.

    Words are in the system language, times in the time zone of System / General.
    """

    @abstractmethod
    def act(self, general: General, options: dict[str, Any]) -> CommandReport | None:
        """Do what the command is for. Returns None if it has written its output itself. Raises CommandUnsuccessful."""

    def report(self, options: dict[str, Any]) -> CommandReport | None:
        with ExitStack() as reader:
            try:
                _find_database()
                if why := database_version.why_too_new():
                    raise CommandFailed(why, code="newer_database")
                general = General.load()
                reader.enter_context(translation.override(general.spelt(general.language)))
                reader.enter_context(timezone.override(general.zone))
                return self.act(general, options)
            except (DatabaseError, InterfaceError) as error:
                raise CommandFailed(why_unusable(error), code="database") from error
            except OSError as error:
                raise CommandFailed(_why_no_file(error), code="file") from error


def _find_database() -> None:
    """Never make a database by looking for one: `up` gives it its mode and its tables. Raises CommandUnsuccessful."""
    name = connection.settings_dict["NAME"]
    try:
        is_missing = isinstance(name, Path) and not name.exists()
    except OSError as error:
        raise CommandFailed(
            _(
                "The data directory %(directory)s cannot be read: %(reason)s. Run this command as the user it belongs to."
            )
            % {"directory": settings.DATA, "reason": error.strerror},
            code="file",
        ) from error
    if is_missing:
        raise CommandFailed(
            _(
                "There is no pbxcerts in %(directory)s yet: start it with “pbxcerts up”, or name its data directory"
                " in PBXCERTS_DATA."
            )
            % {"directory": settings.DATA},
            code="not_installed",
        )


def _why_no_file(error: OSError) -> str:
    where = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return ". ".join(filter(None, [where, who_goes_on(error)]))


def who_goes_on(error: OSError) -> str:
    """Why root may not use a file of root's, in a sentence; "" where that is not why."""
    if not isinstance(error, PermissionError) or not data_owner.is_another_than_the_caller():
        return ""
    said = _("This command goes on as the user %(user)s, to whom the data directory belongs.")
    return said % {"user": data_owner.name_of(os.geteuid())}


def os_user() -> str:
    """The user of the operating system, as records of commands name the person."""
    return _("%(user)s (command line)") % {"user": data_owner.name_of(data_owner.STARTED_BY)}


def local(instant: datetime | None) -> str:
    """An instant in the installation's time zone, as the command `deadline` takes it; "-" for None."""
    return f"{timezone.localtime(instant):%Y-%m-%d %H:%M}" if instant else "-"


def aligned(rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Columns, each as wide as its longest text."""
    lines = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        (indent + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))).rstrip()
        for line in lines
    )
