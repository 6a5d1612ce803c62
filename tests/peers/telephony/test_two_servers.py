"""Two Kamailios, one of them with a copy of the store: the README's script copies it and reloads both."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from certificates.communication_server.presented import look_at_tls_address
from tests.support.peers import require_program
from tests.support.ports import free_port
from tests.support.product import ROOT, Product
from tests.support.running import wait_for
from tests.support.telephony.office import Office
from tests.support.telephony.programs import SERVER_GROUP

pytestmark = [pytest.mark.peer, pytest.mark.long]

SET_UP = """
import json, sys
from django.core.management import call_command
call_command("settings", *json.loads(sys.argv[1]))
"""
SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
PidFile {directory}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
"""


@contextmanager
def sshd(directory):
    """Serves whoever runs the tests; gives the command that logs in there."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or require_program("sshd")
    port = free_port()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    (directory / "sshd_config").write_text(SSHD.format(port=port, directory=directory))
    if os.geteuid() == 0:
        # Where it is not started as a service nobody has made it.
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", directory / "sshd_config"], stderr=subprocess.DEVNULL)
    options = f"-i {directory}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile={directory}/known"
    try:
        wait_for(lambda: _is_open(port), what="an open sshd")
        yield f"ssh -p {port} {options} -o BatchMode=yes -o ConnectTimeout=5"
    finally:
        process.terminate()
        process.wait()


def _is_open(port):
    with closing(socket.socket()) as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def script(place, **values):
    """As it stands in the README, with the values of this test."""
    section = (ROOT / "README.md").read_text().split("\n## Several machines\n", 1)[1]
    text = re.search(r"```sh\n(#!/bin/sh.*?)```", section, re.DOTALL)[1]
    for name, value in values.items():
        text, found = re.subn(rf"^((?:export )?{name}=).*$", lambda m, v=value: m[1] + shlex.quote(v), text, flags=re.M)
        assert found == 1, name
    place.write_text(text)
    place.chmod(0o755)
    return place


@pytest.fixture
def office():
    with Office() as office:
        yield office


@pytest.fixture
def product(office, tmp_path):
    store = office.store("store")
    with Product(tmp_path, PBXCERTS_STORE=str(store.path), PBXCERTS_STORE_GROUP=SERVER_GROUP) as product:
        general = ["fqdn=pbx.test", "on_this_machine=false", "key_type=p256", "ntp_enabled=false"]
        product.install().run(SET_UP, json.dumps(general))
        yield product


def manage(product, *arguments):
    order = product.command("manage.py", *arguments, "--json")
    output, error = order.communicate()
    assert order.returncode in {0, 1}, output + error
    return json.loads(output)


def generate(product):
    """Make a pair and serve it at once; what came of the switch."""
    value = manage(product, "regenerate", "--at-once", "--without-clock", "--reason", "a test")
    return value.get("switch", {}).get("outcome") or value["error"]["code"]


def presented(server):
    return look_at_tls_address(f"127.0.0.1:{server.port}").sha256


def test_a_switch_reaches_both_or_neither_and_a_server_that_is_off_holds_up_nothing(office, product, tmp_path):
    require_program("rsync")
    first_store, second_store = office.store("store"), office.store("second")
    generate(product)
    shutil.copytree(first_store.path, second_store.path, symlinks=True)
    subprocess.run(["chgrp", "-R", SERVER_GROUP, second_store.path], check=True)
    first, second = office.kamailio(first_store), office.kamailio(second_store)
    addresses = ",".join(f"127.0.0.1:{server.port}" for server in (first, second))
    manage(product, "settings", f"tls_addresses={addresses}")
    with sshd(tmp_path) as log_in:
        # Each has a control socket of its own.
        both = {"SECOND": f"{os.environ.get('USER') or 'root'}@127.0.0.1", "THERE": str(second_store.path)}
        text = script(tmp_path / "reload-both", **both, RSYNC_RSH=log_in, RELOAD="@RELOAD@").read_text()
        reloads = [tmp_path / "reload-first", tmp_path / "reload-second"]
        for place, server in zip(reloads, (first, second), strict=True):
            place.write_text(f"#!/bin/sh\nexec {shlex.join(server.reload_command)}\n")
            place.chmod(0o755)
        there = f'$RSYNC_RSH "$SECOND" {reloads[1]}'
        text = text.replace('$RSYNC_RSH "$SECOND" "$RELOAD"', there).replace("RELOAD=@RELOAD@", f"RELOAD={reloads[0]}")
        (tmp_path / "reload-both").write_text(text)
        product.environment["PBXCERTS_RELOAD_COMMAND"] = str(tmp_path / "reload-both")

        before = presented(first)
        assert generate(product) == "verified"
        assert presented(first) == presented(second) != before
        assert second_store.current == first_store.current == 2
        assert second_store.target("current") == "generations/0002"
    before = presented(first)
    assert generate(product) == "went_back", "nobody gets to the second server, which goes on with the old pair"
    assert presented(first) == presented(second) == before

    second.stop()
    manage(product, "discard")
    assert generate(product) == "verified"
    assert presented(first) != before
