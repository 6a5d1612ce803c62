"""The product as a process, and simulated Yealink telephones that hear NOTIFYs and ask for their files over real sockets."""

import sqlite3
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from tests.support.makers.ear import listening
from tests.support.makers.yealink import Yealink
from tests.support.provisioning import Provisioning
from tests.support.running import MANAGE, wait_for

YEALINKS = """
import sys
from datetime import UTC, datetime, timedelta

from certificates.models import Settings
from pbxcerts.system.models import General
from terminals.models import DeliverySettings, Terminal, TerminalType

now = datetime.now(UTC)
# It is the first hour of the night in which telephones may restart.
General.objects.update(time_zone="UTC")
Settings.objects.update(generation_time=(now - timedelta(minutes=10)).time().replace(second=0, microsecond=0))
DeliverySettings.load()
kind = TerminalType.objects.create(
    name="A Yealink of a test", method="yealink", wants="root", way="direct", turns_checking_on=True
)
Terminal.objects.bulk_create(
    Terminal(number=str(200 + n), type=kind, mac=f"00156500{n:04X}", address=address)
    for n, address in enumerate(sys.argv[1:])
)
"""

ENABLE = """
import sys
from terminals.models import Terminal

Terminal.objects.filter(number=sys.argv[1]).update(enabled=bool(int(sys.argv[2])))
"""

TIME_PASSES = """
import sys
from datetime import timedelta

from django.db.models import F
from terminals.batches import one_writer
from terminals.checking.models import Checking

names = ["asked_at", "until", "read_at", "due_at", "shown_at", "taken_back_at", "off_at"]
span = timedelta(seconds=float(sys.argv[1]))
rows = Checking.objects.filter(terminal__number__in=sys.argv[2:])
with one_writer():
    rows.changed_to(**{name: F(name) - span for name in names})
"""


class RealYealink(Yealink):
    """One that checks nothing as its maker sends it out, as some do. It does one thing at a time, whoever makes it ask."""

    DEFAULTS = Yealink.DEFAULTS | {"static.security.trust_certificates": "0"}
    is_off = False

    def __init__(self, **options):
        self._busy = threading.RLock()
        super().__init__(**options)

    def poll(self):
        with self._busy:
            if not self.is_off:
                super().poll()

    @property
    def checks(self):
        return self.provisioning.chain


class CheckingSite(Provisioning):
    """`phones` by number, each of which asks under its own secret path."""

    def __enter__(self):
        self.phones = {}
        self._ears = ExitStack()
        return self

    def __exit__(self, *error):
        self._ears.close()
        super().__exit__(*error)

    def furnish(self, count):
        """None of them has come yet."""
        # With the patience of a deployment, for the same reason as below.
        self.open(phones=0, program=MANAGE)
        made = [RealYealink(url="", mac=f"00156500{n:04X}", names={"localhost": "127.0.0.1"}) for n in range(count)]
        ports = [self._ears.enter_context(listening(phone)) for phone in made]
        self.run(YEALINKS, *(f"127.0.0.1:{port}" for port in ports))
        rows = self.rows("terminals.Terminal", "number", "path_secret", "mac")
        for row in sorted(rows, key=lambda row: row["number"]):
            phone = next(one for one in made if one.mac == row["mac"].lower())
            phone.url = f"https://localhost:{self.https}/{row['path_secret']}/"
            self.phones[row["number"]] = phone
        for phone in self.phones.values():
            wait_for(lambda phone=phone: phone.fetch(f"{phone.url}{phone.mac}.cfg"), what="a listener that knows it")
        return self

    def one_heartbeat_after_the_other(self):
        """A round that tells somebody to check takes some seconds: asked for each second, they would stand in a queue that is too long."""

        def beat(ask, enough):
            before = self.beats()
            ask("pbxcerts.tasks.heartbeat")
            while self.beats() == before and not enough.wait(0.1):
                pass

        return self.again_and_again(beat, every=0.2)

    def poll(self, *numbers):
        """All of them, or these, at once."""
        with ThreadPoolExecutor(8) as at_once:
            list(at_once.map(lambda number: self.phones[number].poll(), numbers or self.phones))

    def time_passes(self, seconds, *numbers):
        """What is known of their check was so much longer ago."""
        self.run(TIME_PASSES, str(seconds), *(numbers or self.phones))

    def enable(self, number, *, enabled=True):
        """Whether it is asked, and told, at all."""
        self.run(ENABLE, number, str(int(enabled)))

    # -- how things stand, read beside the running product -----------------------------------------------------------

    def _query(self, query, *values):
        with closing(sqlite3.connect(f"file:{self.data}/pbxcerts.sqlite3?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def checking(self):
        """The state of each that was told."""
        return dict(
            self._query(
                "SELECT t.number, c.state FROM terminals_checking c JOIN terminals_terminal t ON t.id = c.terminal_id"
            )
        )

    def states(self):
        return Counter(self.checking().values())

    def confirmed(self, generation):
        rows = self._query(
            "SELECT t.number FROM terminals_installation i JOIN terminals_terminal t ON t.id = i.terminal_id"
            " WHERE i.generation_id = ? AND i.confirmed_at IS NOT NULL",
            generation,
        )
        return {number for (number,) in rows}

    def messages(self):
        return {kind for (kind,) in self._query("SELECT kind FROM system_eventmessage WHERE cleared_at IS NULL")}

    def presents(self, number):
        """Whether the listener does."""
        presented = ssl.get_server_certificate(("127.0.0.1", self.https))
        return presented.split() == (self.data / f"store/generations/{number:04}/host.pem").read_text().split()

    def serves(self):
        return int((self.data / "store" / "current").readlink().name)
