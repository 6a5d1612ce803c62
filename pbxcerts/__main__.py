"""The command line: `pbxcerts COMMAND`, the same as `manage.py COMMAND`."""

import argparse
import json
import os
import sys
from typing import NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility, get_commands
from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _


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
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbxcerts.settings")
    if sys.argv[1:2] == ["up"]:
        _take_data_directory(sys.argv[2:])
    try:
        Commands(sys.argv).execute()
    except ImproperlyConfigured as error:
        _end(str(error), code="configuration", status=1)
    except KeyboardInterrupt:
        sys.exit(130)


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
        os.environ["PBXCERTS_DATA"] = known.data


if __name__ == "__main__":
    main()
