"""A further delivery method is one file: nothing else of the product has to know it (rule delivery-methods)."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.product import copy_new_database

ROOT = Path(__file__).resolve().parents[3]

DRIVER = """
from dataclasses import replace
from terminals.drivers import mitel_sip
from terminals.drivers.base import gettext_noop
from terminals.drivers.configuration import ConfigurationFile, FileOf, UserAgent


class AcmeFiles(mitel_sip.MitelFiles):
    pattern = r"acme-[0-9A-Fa-f]{12}\\.xml"
    media_type = "text/xml"

    def requested(self, name):
        return ConfigurationFile(FileOf.TERMINAL, mac=name[5:17].upper())

    def telephone(self, user_agent):
        word, _space, mac = user_agent.partition(" ")
        return UserAgent("Acme 1", mac, "9.9") if word == "Acme" else None


class Acme(mitel_sip.MitelSip):
    name = "acme"
    label = gettext_noop("Acme telephone")
    summary = gettext_noop("loads by itself.")
    note = gettext_noop("By the manufacturer's documents; not tried on a device.")
    capabilities = replace(mitel_sip.MitelSip.capabilities, restarts=False)
    files = AcmeFiles()


driver = Acme()
"""

STORY = """
import sys
import terminals.drivers
terminals.drivers.__path__.append(sys.argv[1])

import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)

from django.test import RequestFactory
from terminals.drivers.registry import AUTOMATIC_METHODS, PROVISIONED_METHODS, RESTARTING_METHODS
from terminals.forms.types import TypeForm
from terminals.models import Terminal, TerminalType
from terminals.web.provisioning import ProvisioningHandlers
from terminals.web.routing import TerminalRequest
from terminals.web.snapshot import Snapshots, read_snapshot

assert "acme" in AUTOMATIC_METHODS and "acme" in PROVISIONED_METHODS and "acme" not in RESTARTING_METHODS

values = {"name": "Acme 1", "method": "acme", "way": "server", "wants": "root", "trust_format": "pem"}
form = TypeForm(values, instance=TerminalType())
assert form.is_valid(), form.errors
acme = form.save()
assert acme.get_method_display() == "Acme telephone"
assert "Acme telephone" in str(TypeForm(instance=acme))
assert not TypeForm(values | {"trust_format": "der"}, instance=TerminalType()).is_valid()

Terminal.objects.create(number="7", type=acme, mac="00085D4A905F")
snapshots = Snapshots()
snapshots.current = read_snapshot()
handlers = ProvisioningHandlers(snapshots, https_port=8443, http_port=None)

def asked(path, agent):
    for route in handlers.routes_over_https():
        if found := route.matches(path):
            request = TerminalRequest("GET", path, {"user-agent": agent, "host": "pbx.example.org"}, found.groupdict(), client="192.0.2.7")
            return route.handler(request)

# There is no pair yet: the telephone is known, and nothing can be handed out.
assert asked("/acme-00085d4a905f.xml", "Acme 00085D4A905F").refused == "no_trust_file"
assert asked("/acme-00085d4a905f.xml", "Acme 00085D4A9060").refused == "foreign_mac"
assert asked("/acme-00085d4a9060.xml", "Acme 00085D4A9060").refused == "unknown_phone"
assert asked("/00085D4A905F.cfg", "").status == 404
print("done")
"""


@pytest.mark.process
def test_one_file_makes_a_delivery_method_of_the_forms_the_rollout_and_the_listeners(tmp_path):
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "acme.py").write_text(textwrap.dedent(DRIVER))

    copy_new_database(tmp_path / "pbxcerts.sqlite3")
    done = subprocess.run(
        [sys.executable, "-c", STORY, tmp_path / "drivers"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "pbxcerts.settings", "PBXCERTS_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.stdout.strip(), done.returncode) == ("done", 0), done.stderr
