"""The product as a person starts it, in processes of its own, over a data directory of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.support import forked
from tests.support.made_once import made_once
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


def _new_database(place):
    with tempfile.TemporaryDirectory(prefix="pbxcerts-tests-") as directory:
        product = Product(Path(directory))
        migrating = product.command("manage.py", "migrate", "--verbosity", "0")
        assert migrating.communicate() == ("", "")
        shutil.copyfile(product.data / "pbxcerts.sqlite3", place)


def copy_new_database(file):
    """The database that the first start of `up` makes, at another place."""
    shutil.copyfile(made_once("pbxcerts.sqlite3", _new_database), file)


class Product:
    """`changes` are environment variables, as a deployment sets them. What was started is ended with the `with` block."""

    popen = forked.Popen

    def __init__(self, directory, **changes):
        self.data = directory / "data"
        self.log = directory / "up.log"
        self.port = free_port()
        own = {name: value for name, value in os.environ.items() if not name.startswith("PBXCERTS_")}
        self.environment = own | {
            "PBXCERTS_DATA": str(self.data),
            "DJANGO_SETTINGS_MODULE": "pbxcerts.settings",
            "LC_ALL": "C.UTF-8",
            # Their usual ports are the same for every product that is tested at the same time.
            "PBXCERTS_TERMINALS_HTTPS": "",
            "PBXCERTS_TERMINALS_HTTP": "",
            "PBXCERTS_TERMINALS_PROOF": "",
            **changes,
        }
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def install(self):
        """Have the database there that the first start makes, where a test tells of something else: copied, that takes no time."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        copy_new_database(self.data / "pbxcerts.sqlite3")
        return self

    def command(self, *arguments):
        """A process of our own beside the product; its input and output are pipes."""
        return self.popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code, *arguments):
        """What a few lines of Python print that have Django set up."""
        process = self.command("-c", f"import django; django.setup()\n{code}", *arguments)
        output, error = process.communicate()
        assert process.returncode == 0, error
        return output

    def up(self, **changes):
        """Start `manage.py up`; `changes` are environment variables for this start alone."""
        with self.log.open("wb") as log:
            self.process = self.popen(
                [sys.executable, ROOT / "manage.py", "up", "--bind", f"127.0.0.1:{self.port}"],
                env=self.environment | changes,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def still_runs(self):
        assert self.process.poll() is None, self.log.read_text()
        return True

    def wait_until_it_answers(self):
        """Until the log-in page comes."""
        while self.still_runs():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/login/", timeout=10):
                    return
            except OSError:
                time.sleep(0.05)

    def end(self):
        """Told to end, as a service manager does it; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=90)
