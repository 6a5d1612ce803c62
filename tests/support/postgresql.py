"""A PostgreSQL of Debian on loopback, with a cluster of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.support.made_once import made_once
from tests.support.peers import missing
from tests.support.ports import free_port
from tests.support.product import Product

PASSWORD = "seven:copper/kettles@home"
STARTS_WITHIN = 30
INSTALLED = "installed"
"""The database of a new installation, which stands in each cluster."""


def program(name):
    """Debian keeps PostgreSQL's programs out of the way of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name) or missing(f"{name} is not installed")


@contextmanager
def unprivileged_directory():
    """How to start a program that refuses to run as root, and a directory of its own that it can reach."""
    directory = Path(tempfile.mkdtemp(prefix="pbxcerts-"))
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(directory, "nobody", "nogroup")
    try:
        yield directory, user
    finally:
        shutil.rmtree(directory)


def _copy(source, target):
    """With the owners of its files."""
    subprocess.run(["cp", "--archive", source, target], check=True)


def _new_cluster(place):
    with unprivileged_directory() as (directory, user):
        password = directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        options = ["-U", "pbx certs", "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "-N"]
        initdb = [program("initdb"), "-D", directory / "postgresql", *options]
        subprocess.run(initdb, check=True, capture_output=True, cwd=directory, **user)
        with _served(directory, user) as url, tempfile.TemporaryDirectory(prefix="pbxcerts-tests-") as of_the_product:
            with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {INSTALLED}")
            product = Product(Path(of_the_product), PBXCERTS_DATABASE=f"{url}/{INSTALLED}")
            assert product.command("manage.py", "migrate", "--verbosity", "0").communicate() == ("", "")
        _copy(directory / "postgresql", place)


class ClusterUrl(str):
    """The URL of a cluster without the name of a database; `end` and `start` it in between."""

    def end(self):
        # SIGINT is its fast shutdown: sessions are ended, none is waited for.
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.log.parent, stdout=log, stderr=log, **self.user)
        wait_until(lambda: psycopg.connect(f"{self}/postgres").close(), psycopg.OperationalError, self.process)


@contextmanager
def cluster(directory, user):
    """Serves until the end of the `with` block; gives its URL without the name of a database."""
    _copy(made_once("postgresql", _new_cluster), directory / "postgresql")
    with _served(directory, user) as url:
        yield url


@contextmanager
def _served(directory, user):
    port = free_port()
    settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={directory}", "fsync=off"]
    url = ClusterUrl(f"postgresql://pbx%20certs:{quote(PASSWORD, safe='')}@127.0.0.1:{port}")
    url.command = [
        *[program("postgres"), "-D", directory / "postgresql"],
        *(word for setting in settings for word in ("-c", setting)),
    ]
    url.log, url.user = directory / "postgresql.log", user
    try:
        url.start()
        yield url
    finally:
        url.end()


def new_database(url, *, template=None):
    """The URL of a new database in the cluster at `url`: an empty one, or a copy of the one at the URL `template`, which nobody uses."""
    name = f"pbxcerts_{os.urandom(4).hex()}"
    of = template.rpartition("/")[2] if template else "template1"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {of}")
    return f"{url}/{name}"


def installed_database(url):
    """The URL of a database in the cluster at `url` such as the first start of `up` makes it."""
    return new_database(url, template=f"{url}/{INSTALLED}")


def wait_until(tried, error, process):
    """What `tried` returns as soon as it raises no `error`; fails where the process has ended."""
    for _ in range(STARTS_WITHIN * 10):
        assert process.poll() is None
        try:
            return tried()
        except error:
            time.sleep(0.1)
    return tried()
