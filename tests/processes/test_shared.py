"""What the processes of the tree have in memory once, because it was there before they were forked (rule process-tree)."""

import subprocess
import sys

import pytest

from tests.support.product import ROOT, Product

pytestmark = pytest.mark.process

LOADED_LATER = """
import io, sys
from pbxcerts.management.commands.up import load_for_all
load_for_all(serves=sys.argv[1] == "web")
before = {*sys.modules}
from pbxcerts import tasks, wsgi
from wsgiref.util import setup_testing_defaults
tasks.heartbeat()
asked = {"PATH_INFO": "/login/", "HTTP_HOST": "127.0.0.1"}
setup_testing_defaults(asked)
said = []
list(wsgi.application(asked, lambda status, headers: said.append(status)))
assert said == ["200 OK"]
print(*{*sys.modules} - before)
"""
OUR_OWN = ("pbxcerts.", "certificates.", "terminals.")


@pytest.fixture
def product(tmp_path):
    product = Product(tmp_path).install()
    # The other way to start a process is quick because everything is loaded.
    product.popen = subprocess.Popen
    return product


def loaded_later(product, only):
    """Modules of ours that a heartbeat and a page load, beside those of the templates."""
    loaded = product.run(LOADED_LATER, only).split()
    return {name for name in loaded if name.startswith(OUR_OWN) and "templatetags" not in name}


def test_what_a_heartbeat_and_a_page_need_is_loaded_before(product):
    assert loaded_later(product, "web") == set()


def test_where_there_is_no_web_process_the_pages_are_not_loaded(product):
    assert "pbxcerts.urls" in loaded_later(product, "worker")


def test_a_library_that_few_pages_need_stays_away(product):
    loaded = product.run(f"{LOADED_LATER}\nprint(*sys.modules)", "web").split()

    assert "terminals.views.links" in loaded
    assert {"segno", "apprise", "requests", "pyrage", "prometheus_client", "psycopg", "redis"} & {*loaded} == set()


# What malloc hands out, beyond what pymalloc has for the small: octets for which there are gaps among others that stay.
GAPS = """
import sys
from pbxcerts.processes import memory
pieces = [bytes(2000) for _piece in range(1000)]
kept = pieces[::2]
del pieces
if sys.argv[1] == "shared":
    memory.share()
asked = [bytes(2000) for _piece in range(100)]
print(sum(id(piece) < max(map(id, kept)) for piece in asked))
"""


@pytest.mark.parametrize(("before", "in_gaps"), [("shared", range(1)), ("", range(50, 101))])
def test_no_process_writes_into_the_gaps_between_what_is_shared(before, in_gaps):
    done = subprocess.run([sys.executable, "-c", GAPS, before], cwd=ROOT, capture_output=True, text=True, check=True)

    assert int(done.stdout) in in_gaps
