"""Where a test sets up its communication server and its telephones; all of them end with it."""

import tempfile
import wave
from contextlib import ExitStack
from pathlib import Path

from certificates.communication_server.publication import Publication, PublishedPair
from certificates.communication_server.store import Store
from tests.support.debian13 import require_debian13
from tests.support.telephony.baresip import Baresip
from tests.support.telephony.kamailio import Kamailio
from tests.support.telephony.lent import Lent
from tests.support.telephony.linphone import Linphone
from tests.support.telephony.names import NameServer
from tests.support.telephony.programs import SERVER_GROUP

SAMPLES_A_SECOND = 8000
# A telephone hangs up when its tone ends.
SECONDS_OF_TONE = 300


class Office:
    def __enter__(self):
        require_debian13()
        self.stack = ExitStack()
        self.directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="pbxcerts-office-")))
        # Server and telephones run as users of their own, and each has its directory in it.
        self.directory.chmod(0o711)
        self.names = self.stack.enter_context(NameServer())
        self.tone = self.directory / "tone.wav"
        _write_tone(self.tone)
        return self

    def __exit__(self, *failure):
        self.stack.close()

    def store(self, name, *, group=SERVER_GROUP):
        return Store(self.directory / name, group=group)

    def store_with(self, name, pair, **options):
        """A store in which the pair is published as the active one."""
        store = self.store(name, **options)
        published = PublishedPair(1, pair.root, pair.host, pair.host_key)
        store.publish(Publication(pairs=(published,), current=1, next=None, bundle=(pair.root, pair.host)))
        return store

    def kamailio(self, *stores, **options):
        return self.stack.enter_context(
            Kamailio(self.directory / f"kamailio-of-{stores[0].path.name}", stores, **options)
        )

    def baresip(self, name, **options):
        return self.stack.enter_context(
            Baresip(self.directory / f"baresip-{name}", name, names=self.names, tone=self.tone, **options)
        )

    def lent(self, number, **options):
        return self.stack.enter_context(
            Lent(self.directory / f"lent-{number}", number, names=self.names, tone=self.tone, **options)
        )

    def linphone(self, name, **options):
        return self.stack.enter_context(Linphone(self.directory / f"linphone-{name}", name, tone=self.tone, **options))


def trust_file(store):
    """What is exported for the telephones."""
    return (store.path / "trust.pem").read_bytes()


def _write_tone(place):
    """A square wave of 500 Hz, 16 bit, mono."""
    period = b"\x00\x10" * 8 + b"\x00\xf0" * 8
    with wave.open(str(place), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLES_A_SECOND)
        file.writeframes(period * (SECONDS_OF_TONE * SAMPLES_A_SECOND // 16))
