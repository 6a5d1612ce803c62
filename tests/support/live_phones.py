"""Mitel phones that live beside a real product: each hears its NOTIFY on a socket of its own and then fetches until it can."""

import json
import math
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.client import HTTPException

from tests.support.panel import Browser
from tests.support.product import ROOT
from tests.support.provisioning import MitelPhone, Provisioning
from tests.support.running import MANAGE, wait_for

COPIED = re.compile(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", re.MULTILINE)
TRANSACTION = re.compile(r"^(?:Call-ID|CSeq): .*\r\n", re.MULTILINE)
TRIES_AGAIN_AFTER = 0.2

PLACES = """
import json, sys
from terminals.models import Terminal, TerminalType

TerminalType.objects.filter(name="A Mitel of a test").update(way="direct")
for key, address in json.loads(sys.argv[1]):
    Terminal.objects.filter(pk=key).update(address=address)
"""

DELIVERY = """
import json, sys
from terminals.models import DeliverySettings

DeliverySettings.load()
DeliverySettings.objects.update(**json.loads(sys.argv[1]))
"""

PASSWORD = "seven copper kettles"
OTTO = """
import sys
from pbxcerts.system.models import General, Role, User

General.objects.update(language="en")
User.objects.create_user("otto", password=sys.argv[1], role=Role.OPERATE)
"""

# A heartbeat each second. What a locked database does not take is asked for again.
HEARTBEATS = """
import django, time
django.setup()
from django.db import OperationalError
from django_q.tasks import async_task
while True:
    try:
        async_task("pbxcerts.tasks.heartbeat")
    except OperationalError:
        continue
    time.sleep(1)
"""


class Turnstile:
    """Lets through whoever restarts: everybody, nobody, or so many and then nobody."""

    def __init__(self):
        self._left = math.inf
        self._changed = threading.Condition()

    def let(self, number):
        with self._changed:
            self._left = number
            self._changed.notify_all()

    def set(self):
        self.let(math.inf)

    def clear(self):
        self.let(0)

    def wait(self, timeout):
        """Whether one came through."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._left > 0, timeout):
                return False
            self._left -= 1
            return True


class LivePhone:
    """`asked`: how many NOTIFYs, repetitions not counted, made it restart. `refused`: how often it could not fetch.

    `may_fetch` is shared by all: who has not come through it is still on its way. While `may_answer` is not set, what is
    heard waits for its answer.
    """

    def __init__(self, files, may_fetch):
        self.files = files
        self.asked = self.refused = self.fetched = 0
        self.is_fetching = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._may_fetch = may_fetch
        self._heard = set()
        self._over = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def end(self):
        self._over.set()
        self.may_answer.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _listen(self):
        while not self._over.is_set():
            try:
                octets, source = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            self.may_answer.wait()
            request = octets.decode()
            copied = "".join(COPIED.findall(request))
            self._socket.sendto(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n".encode(), source)
            transaction = "".join(TRANSACTION.findall(request))
            if transaction not in self._heard:
                self._heard.add(transaction)
                self.asked += 1
                self._threads.append(threading.Thread(target=self._restart))
                self._threads[-1].start()

    def _restart(self):
        while not self._may_fetch.wait(0.1):
            if self._over.is_set():
                return
        while not self._over.is_set():
            self.is_fetching = True
            try:
                self.files.restart()
            except (OSError, HTTPException):
                self.refused += 1
                time.sleep(TRIES_AGAIN_AFTER)
            else:
                self.fetched += 1
                return
            finally:
                self.is_fetching = False


class LiveSite(Provisioning):
    """A product with so many live phones that trust its first pair. `begin` hands out the second."""

    def __enter__(self):
        self.phones = []
        self.may_fetch = Turnstile()
        return self

    def __exit__(self, *error):
        for phone in self.phones:
            phone.end()
        super().__exit__(*error)

    def furnish(self, number):
        # With the patience of a deployment: while the database is locked no heartbeat gets through.
        self.open(phones=number, program=MANAGE)
        for row in self.rows("terminals.Terminal", "mac", "path_secret", "id"):
            self.phones.append(LivePhone(MitelPhone(self, row), self.may_fetch))
        self.run(PLACES, json.dumps([(phone.files.key, phone.address) for phone in self.phones]))
        for phone in self.phones:
            phone.files.restart()
        wait_for(lambda: self.confirmed(1) == number, what="phones that trust the first pair")
        return self

    def log_in(self):
        """`otto` is the browser of a person who may order something; in English."""
        self.run(OTTO, PASSWORD)
        self.otto = Browser(f"http://127.0.0.1:{self.port}").log_in("otto", PASSWORD)

    def set_delivery(self, **values):
        self.run(DELIVERY, json.dumps(values))

    def begin(self):
        """Terminals restart at once: it may be day."""
        assert self.generate() == 2
        order = self.command("manage.py", "rollout", "restart-now")
        output, error = order.communicate()
        assert order.returncode == 0, output + error

    def installations(self, fields, generation=2):
        """Read beside the running product."""
        with closing(sqlite3.connect(f"file:{self.data}/pbxcerts.sqlite3?mode=ro", uri=True)) as database:
            query = f"SELECT {fields} FROM terminals_installation WHERE generation_id = ?"
            return database.execute(query, [generation]).fetchall()

    def confirmed(self, generation=2):
        return self.installations("state", generation).count(("confirmed",))

    def wait_for_the_first(self, number):
        """So many have been let through, have fetched, and that is recorded."""
        wait_for(lambda: self.confirmed() == self.fetched == number, what="a record of what the first phones fetched")

    @property
    def fetched(self):
        return sum(phone.fetched for phone in self.phones)

    @property
    def refused(self):
        return sum(phone.refused for phone in self.phones)

    @property
    def asked(self):
        return [phone.asked for phone in self.phones]

    def is_switched(self):
        return (self.data / "store" / "current").readlink().name == "0002"

    @contextmanager
    def asking_for_heartbeats(self):
        asking = self.popen(
            [sys.executable, "-c", HEARTBEATS],
            cwd=ROOT,
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            asking.kill()
            asking.wait()

    @contextmanager
    def locked_database(self):
        """Another process holds the lock for writing, as a backup or a person with a shell may."""
        with closing(sqlite3.connect(self.data / "pbxcerts.sqlite3", timeout=60, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def assert_all_went_well(self):
        """Everybody has the second pair and was restarted once for it, and the server presents it."""
        wait_for(lambda: self.confirmed() == len(self.phones), what="all confirmed")
        wait_for(self.is_switched, what="the switch")
        assert self.asked == [1] * len(self.phones), "nobody is restarted twice"
        assert set(self.installations("attempts, failed_at")) == {(1, None)}
