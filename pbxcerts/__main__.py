"""The command line: `pbxcerts COMMAND`, the same as `manage.py COMMAND`."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility, get_commands
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext as _

from pbxcerts import __version__, env
from pbxcerts.backup import exchange
from pbxcerts.system import data_owner, own_process
from pbxcerts.system.misconfigured import Misconfigured


class Commands(ManagementUtility):
    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Exit status 2 for a command that does not exist, where Django has 1."""
        if subcommand not in get_commands():
            # With settings that can't be read nearly every command is missing; then they are to blame, and this raises.
            _known = settings.INSTALLED_APPS
            text = _("There is no command “%(command)s”; “%(program)s help” lists all.")
            _end(text % {"command": subcommand, "program": self.prog_name}, code="usage", status=2)
        return super().fetch_command(subcommand)


def main() -> None:
    own_process.begin()
    if sys.argv[1:2] == ["demo"]:
        # A product loads nothing of it.
        from pbxcerts.demo import stage

        stage.take(sys.argv[2:])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbxcerts.settings")
    if sys.argv[1:2] in (["up"], ["unit"], ["backup"], ["restore"]):
        _take_data_directory(sys.argv[2:])
    try:
        _carry_out(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has gone (`| head`). Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (DatabaseError, InterfaceError) as error:
        # Of a command that is Django's own, as `migrate`.
        from pbxcerts.system.database.database_faults import why_no_database

        if not (why := why_no_database(error)):
            raise
        _end(why, code="database", status=1)
    except ImproperlyConfigured as error:
        text = error.in_words() if isinstance(error, Misconfigured) else str(error)
        _end(text, code="configuration", status=1)
    except KeyboardInterrupt:
        sys.exit(130)


def _carry_out(arguments: list[str]) -> None:
    if arguments in (["--version"], ["version"]):
        # Before anything is read that could be missing.
        sys.stdout.write(f"{__version__}\n")
        return
    # The agent's unit is not about the data directory, and its configuration may be for root alone to read.
    if not (arguments[:1] == ["unit"] and any(word.partition("=")[0] == "--agent" for word in arguments)):
        _go_on_as_owner_of_data()
    Commands(sys.argv).execute()


def _end(text: str, *, code: str, status: int) -> NoReturn:
    """One sentence on stderr; with `--json` as an object on stdout too."""
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"error": {"code": code, "text": text}}) + "\n")
    sys.stderr.write(text + "\n")
    sys.exit(status)


def _take_data_directory(arguments: list[str]) -> None:
    """`--data` must be known before the settings are read; the command itself looks at the other options."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data")
    known, _others = parser.parse_known_args(arguments)
    if known.data:
        os.environ[f"{env.PREFIX}DATA"] = known.data


def _go_on_as_owner_of_data() -> None:
    """Before the settings, which read secrets there."""
    product = Path(__file__).resolve().parent.parent
    data = env.data_directory("DATA", product)
    data_owner.go_on_as_owner(data, product)
    if data_owner.is_another_than_the_caller():
        # By itself it would be the one of that user.
        os.environ[f"{env.PREFIX}DATA"] = str(data)
    exchange.finish_interrupted(data)


if __name__ == "__main__":
    main()
