"""What the processes of the tree have in memory once, because it was there before they were forked (rule process-tree)."""

import os
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
OUR_OWN = (
    "pbxcerts.",
    "certificates.",
    "terminals.",
    "crispy_forms.",
    "django_htmx.",
    "django_q.",
    "django.core.cache.",
)


@pytest.fixture
def product(tmp_path):
    product = Product(tmp_path).install()
    # The other way to start a process is quick because everything is loaded.
    product.popen = subprocess.Popen
    return product


def loaded_later(product, only):
    """Modules of ours, and of what our templates and tasks name, that a heartbeat and a page load."""
    return {name for name in product.run(LOADED_LATER, only).split() if name.startswith(OUR_OWN)}


def test_what_a_heartbeat_and_a_page_need_is_loaded_before(product):
    assert loaded_later(product, "web") == set()


def test_where_there_is_no_web_process_the_pages_are_not_loaded(product):
    assert "pbxcerts.urls" in loaded_later(product, "worker")


def test_a_library_that_few_pages_need_stays_away(product):
    loaded = product.run(f"{LOADED_LATER}\nprint(*sys.modules)", "web").split()

    assert "terminals.views.links" in loaded
    assert {"segno", "apprise", "requests", "pyrage", "prometheus_client", "psycopg", "redis"} & {*loaded} == set()


KNOWN_BEFORE = """
import sys
from pbxcerts.management.commands.up import load_for_all
load_for_all(serves=sys.argv[1] == "web")
from django.urls import get_resolver
from pbxcerts.system.models import EventMessage
from django.db import connection
known = [get_resolver()._populated, "_relation_tree" in vars(EventMessage._meta), connection.connection is None]
print(*known)
"""


@pytest.mark.parametrize(("only", "addresses"), [("web", "True"), ("worker", "False")])
def test_what_is_put_together_once_is_before_without_opening_the_database(product, only, addresses):
    assert product.run(KNOWN_BEFORE, only).split() == [addresses, "True", "True"]


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


# What pymalloc hands out for the small: from the pools in which there is room among others that stay.
GAPS_IN_POOLS = """
import sys
from pbxcerts.processes import memory
pieces = [bytes(400) for _piece in range(1000)]
kept = pieces[::2]
del pieces
if sys.argv[1] == "shared":
    memory.share()
asked = [bytes(400) for _piece in range(100)]
pools = {id(piece) // memory.POOL for piece in kept}
print(sum(id(piece) // memory.POOL in pools for piece in asked))
"""


@pytest.mark.parametrize("gaps", [GAPS, GAPS_IN_POOLS])
@pytest.mark.parametrize(("before", "in_gaps"), [("shared", range(1)), ("", range(50, 101))])
def test_no_process_writes_into_the_gaps_between_what_is_shared(gaps, before, in_gaps):
    done = subprocess.run([sys.executable, "-c", gaps, before], cwd=ROOT, capture_output=True, text=True, check=True)

    assert int(done.stdout) in in_gaps


# The cache of what a name means on a type holds the name.
HELD_NAMES = """
import sys
from pbxcerts.processes import memory
name = sys.intern("asked for " + "once")
before = sys.getrefcount(name)
hasattr(memory, name), hasattr(0, name)
held = sys.getrefcount(name) - before
memory.share()
print(held, sys.getrefcount(name) - before)
"""


def test_no_process_lets_go_of_a_name_that_is_shared():
    done = subprocess.run([sys.executable, "-c", HELD_NAMES], cwd=ROOT, capture_output=True, text=True, check=True)

    held, afterwards = map(int, done.stdout.split())
    assert held > 0
    assert afterwards == 0


# Megabytes that a process has more in memory afterwards.
GROWN = """
from pathlib import Path
from pbxcerts.processes import memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) // 256
before = resident()
memory.share()
print(resident() - before)
"""


@pytest.mark.parametrize("allocator", ["malloc", "malloc_debug", "pymalloc_debug"])
def test_another_allocator_of_python_does_without_and_keeps_nothing(allocator):
    """PYTHONMALLOC: without pools, or with pieces of another size in them."""
    environment = os.environ | {"PYTHONMALLOC": allocator}
    program = [sys.executable, "-c", GROWN]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert int(done.stdout) < 10
