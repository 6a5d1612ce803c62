"""What the tests begin as forks of a loaded process is what it would be from its beginning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pbxcerts.system.machines import machine_key
from tests.support import forked
from tests.support.product import Product

pytestmark = pytest.mark.process

TELLS = """
import json, os, sys
import django; django.setup()
from django.conf import settings
from django.db import connection
from django_q.conf import Conf
from pbxcerts import env
from pbxcerts.system.models import General

print(json.dumps([
    sys.argv, sys.stdin.read(), os.getcwd(), __name__, sys.path[0], os.getpgrp() == os.getpid(),
    {name: value for name, value in os.environ.items() if name.startswith(("PBXCERTS_", "TZ"))}, env.of_the_caller(),
    str(settings.DATA), settings.SECRET_KEY, str(settings.TERMINALS_HTTPS), str(connection.settings_dict["NAME"]), General.load().pk,
    [Conf.SECRET_KEY, Conf.CLUSTER_NAME],
]))
print("to stderr", file=sys.stderr)
sys.exit(7)
"""


def begun(how, product, directory, *arguments, **options):
    done = how.run(
        [sys.executable, *arguments],
        **{"cwd": directory, "env": product.environment, "capture_output": True, "text": True, "check": False}
        | options,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_has_arguments_streams_environment_settings_and_exit_status_as_from_its_beginning(tmp_path):
    secret = "fifty characters of our own making that are long enough"
    product = Product(tmp_path, PBXCERTS_SECRET_KEY=secret, PBXCERTS_TERMINALS_HTTPS="127.0.0.7:18443")
    product.install()
    machine_key.keep(product.data, "0" * 32)
    how = {"input": "said to it", "process_group": 0}

    forked_one, begun_one = (
        begun(by, product, tmp_path, "-c", TELLS, "a", "b c", **how) for by in (forked, subprocess)
    )

    assert begun_one[0] == 7, begun_one
    assert secret in begun_one[1]
    assert forked_one == begun_one


def test_a_command_of_the_product_refuses_with_the_same_words(tmp_path):
    asked = "-m", "pbxcerts", "status", "--json"
    product = Product(tmp_path)

    assert begun(forked, product, forked.ROOT, *asked) == begun(subprocess, product, forked.ROOT, *asked)


def test_it_is_known_by_its_arguments_and_ends_as_it_is_told():
    with forked.Popen([sys.executable, "-c", "input()", "known by this"], stdin=subprocess.PIPE) as process:
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        assert [os.fsencode(sys.executable), b"-c", b"input()", b"known by this"] == shown[:4]
        process.kill()
        assert process.wait() == -9
