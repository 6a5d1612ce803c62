"""What the commands for administrators and scripts have in common: exit codes, `--json`, one sentence for an error."""

from __future__ import annotations

import json
import os
import pwd
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from pbxcerts.system.models import General


class Unsuccessful(CommandError):
    """The command did not do what it was told. `code` is stable, for scripts; the message is one sentence for a person.

    Unsuccessful
    ├── Failed      exit 1: it was tried and went wrong
    ├── WrongUse    exit 2: an argument or a value is wrong, nothing was tried
    └── NotNow      exit 3: the clock or the state refuses it

    `value` goes beside the error into the JSON object: what was reached all the same.
    """

    exit_code: ClassVar[int]

    def __init__(self, message: str, *, code: str, value: dict[str, Any] | None = None) -> None:
        super().__init__(message, returncode=self.exit_code)
        self.code = code
        self.value = value or {}


class Failed(Unsuccessful):
    exit_code = 1


class WrongUse(Unsuccessful):
    exit_code = 2


class NotNow(Unsuccessful):
    exit_code = 3


@dataclass(frozen=True)
class Report:
    """What a command has to say: to a script and to a person."""

    text: str
    value: dict[str, Any] = field(default_factory=dict)


class OperatorCommand(BaseCommand, ABC):
    """A command for an administrator or a script; subclasses do it in `act`.

    Exit code 0: done, or nothing to do; otherwise as `Unsuccessful` says. An error is one sentence on stderr; with
    `--json` stdout holds one JSON object and nothing else, on an error `{"error": {"code": …, "text": …}}`. Words are in
    the system language, times in the time zone of System / General.
    """

    requires_system_checks = []
    # What root writes among the files of a service that runs as another user, that service can't renew any more.
    writes = True

    @abstractmethod
    def act(self, general: General, options: dict[str, Any]) -> Report | None:
        """Do it. None where the output has been written already. Raises Unsuccessful."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        with ExitStack() as reader:
            try:
                _find_installation(writes=self.writes)
                general = General.load()
                reader.enter_context(translation.override(general.language))
                reader.enter_context(timezone.override(general.zone))
                report = self.act(general, options)
            except DatabaseError as error:
                raise Failed(_why_unusable(error), code="database") from error
            except OSError as error:
                where = f"{error.filename}: {error.strerror}" if error.filename else str(error)
                raise Failed(where, code="file") from error
        if report is not None:
            self.stdout.write(json.dumps(report.value) if options["as_json"] else report.text)

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            self.execute(**self._parsed(argv))
        except CommandError as error:
            if "--traceback" in argv:
                raise
            if "--json" in argv:
                code = error.code if isinstance(error, Unsuccessful) else "failed"
                reached = error.value if isinstance(error, Unsuccessful) else {}
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


def _find_installation(*, writes: bool) -> None:
    """Never make a database by looking for one: `up` gives it its mode and its tables. Raises Unsuccessful."""
    name = connection.settings_dict["NAME"]
    try:
        is_missing = isinstance(name, Path) and not name.exists()
    except OSError as error:
        raise Failed(
            _(
                "The data directory %(directory)s cannot be read: %(reason)s. Run this command as the user it belongs to."
            )
            % {"directory": settings.DATA, "reason": error.strerror},
            code="file",
        ) from error
    if is_missing:
        raise Failed(
            _(
                "There is no pbxcerts in %(directory)s yet: start it with “pbxcerts up”, or name its data directory"
                " in PBXCERTS_DATA."
            )
            % {"directory": settings.DATA},
            code="not_installed",
        )
    if writes and os.geteuid() == 0 and settings.DATA.is_dir() and (owner := settings.DATA.stat().st_uid) != 0:
        raise WrongUse(
            _("The data directory belongs to the user %(user)s: run this command as that user, not as root.")
            % {"user": _user_name(owner)},
            code="user",
        )


def _why_unusable(error: DatabaseError) -> str:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return _(
                "The database is not up to date: start this version with “pbxcerts up”, or run “pbxcerts migrate”."
            )
    except DatabaseError:
        # It can't be asked for its state either; what it said first is what counts.
        return _("The database can't be used: %(reason)s.") % {"reason": error}
    if "locked" in str(error):
        return _("The database is locked by another process. Try again in a moment.")
    return _("The database can't be used: %(reason)s.") % {"reason": error}


def person() -> str:
    """Who the records say it was: the user of the operating system."""
    return _("%(user)s (command line)") % {"user": _user_name(os.getuid())}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def utc(instant: datetime | None) -> str | None:
    """ISO 8601 in UTC, for scripts: 2026-11-23T01:00:00Z."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if instant else None


def local(instant: datetime | None) -> str:
    """In the time zone that is set, as `deadline` takes it and columns like it; "-" where there is none."""
    return f"{timezone.localtime(instant):%Y-%m-%d %H:%M}" if instant else "-"


def aligned(rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Columns, each as wide as its longest text."""
    lines = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        (indent + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))).rstrip()
        for line in lines
    )
