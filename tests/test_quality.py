"""What a machine can say of the code: format, lint, types, templates, deployment, migrations."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent


def run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=580
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", "."],
        ["ruff", "check", "."],
        ["mypy"],
        ["djlint", "--quiet", "--check", "--lint", "pbxcerts/templates"],
    ],
    ids=["format", "lint", "types", "templates"],
)
def test_it_is_clean(command):
    run(str(TOOLS / command[0]), *command[1:])


@pytest.mark.parametrize(
    "command",
    [["check", "--deploy", "--fail-level", "WARNING"], ["makemigrations", "--check", "--dry-run"]],
    ids=["deployment", "migrations"],
)
def test_django_finds_nothing_to_complain_about(command, tmp_path):
    run(
        sys.executable,
        "manage.py",
        *command,
        DJANGO_SETTINGS_MODULE="pbxcerts.settings",
        PBXCERTS_DATA=str(tmp_path),
        PBXCERTS_SECURE_COOKIES="True",
    )
