"""The command line: `pbxcerts COMMAND`, the same as `manage.py COMMAND`."""

import argparse
import json
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbxcerts.settings")
    if sys.argv[1:2] == ["up"]:
        _take_data_directory(sys.argv[2:])
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps({"error": {"code": "configuration", "text": str(error)}}) + "\n")
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _take_data_directory(arguments: list[str]) -> None:
    """`--data` must be known before the settings are read; the command itself looks at the other options."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data")
    known, _others = parser.parse_known_args(arguments)
    if known.data:
        os.environ["PBXCERTS_DATA"] = known.data


if __name__ == "__main__":
    main()
