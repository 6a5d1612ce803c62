"""Backups of small installations in English, made and restored by the commands as a person types them."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from django.utils import translation

from tests.support import forked
from tests.support.backups import a_key
from tests.support.made_once import made_once
from tests.support.product import ROOT, Product

PASSPHRASE = "correct horse battery staple"
SET_UP = """
from certificates.models import Settings
from pbxcerts.system.models import General, Role, User
from pbxcerts.system.session_store import SessionStore

General.load()
General.objects.update(fqdn="pbx.example.com", on_this_machine=False, language="en")
Settings.load()
Settings.objects.update(key_type="p256")
User.objects.create_user("anna", password="seven copper kettles", role=Role.ADMINISTER)
session = SessionStore()
session["said"] = "this session is a secret"
session.save()
"""


class Site:
    """One data directory, and a place beside it for backups and keys. The language is English where it can be known."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.product = Product(directory, **variables)
        self.data = self.product.data
        self.passphrase = directory / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.key = directory / "own-key"
        self.public, private = a_key()
        self.key.write_text(private + "\n")

    def install(self):
        if "PBXCERTS_DATABASE" not in self.product.environment:
            self.product.install()
        self.product.run(SET_UP)
        self.done("regenerate", "--without-clock")
        return self

    def manage(self, *arguments, before=(), **options):
        """`options` are those of subprocess.run; `before`: a program that starts ours."""
        given = {"capture_output": True, "text": True, "timeout": 300, "check": False} | options
        command = [*before, sys.executable, str(ROOT / "manage.py"), *map(str, arguments)]
        return forked.run(command, cwd=self.directory, env=self.product.environment, **given)

    def done(self, *arguments, **options):
        """The value of a command that succeeds."""
        ran = self.manage(*arguments, "--json", **options)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def refused(self, *arguments, **options):
        """Code and sentence of a command that does not."""
        ran = self.manage(*arguments, "--json", **options)
        assert ran.returncode in {1, 2, 3}, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        error = json.loads(ran.stdout)["error"]
        assert ran.stderr.strip() == error["text"]
        return error["code"], error["text"]

    def back_up(self, name="one.age"):
        file = self.directory / name
        self.done("backup", file, "--recipient", self.public)
        return file

    def locked_by_passphrase(self, name="one.age"):
        file = self.directory / name
        self.done("backup", file, "--passphrase-file", self.passphrase)
        return file

    def files(self):
        """Every file and link of the data directory with its content."""
        return {
            str(path.relative_to(self.data)): path.readlink() if path.is_symlink() else path.read_bytes()
            for path in self.data.rglob("*")
            if path.is_symlink() or path.is_file()
        }

    def states(self):
        return {row["number"]: row["state"] for row in self.done("status")["generations"]}

    def served(self):
        return (self.data / "store" / "current" / "host.key").read_bytes()

    def lose_everything(self):
        shutil.rmtree(self.data)


@pytest.fixture(autouse=True)
def _english():
    """For what is tried in this process."""
    with translation.override("en"):
        yield


@pytest.fixture(scope="session")
def installed_data():
    """The data directory of one that nobody changes."""
    return made_once("backup-site", lambda place: Site(place).install()) / "data"


@pytest.fixture
def site(installed_data, tmp_path):
    """A copy of it for one test."""
    copy = Site(tmp_path / "site")
    shutil.copytree(installed_data, copy.data, symlinks=True)
    return copy


@pytest.fixture
def elsewhere(tmp_path):
    """Another machine, on which nothing is installed."""
    return Site(tmp_path / "elsewhere")
