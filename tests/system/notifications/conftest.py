"""Destinations, the machine's time as these tests want it, and event messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

# With it all kinds of event message are known.
import pbxcerts.heartbeat  # noqa: F401
from pbxcerts.system.models import EventMessage, General, Severity
from pbxcerts.system.notifications import queue
from pbxcerts.system.notifications.ahead import Coming
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.time import timekeeping


class Desk:
    """The heartbeat's part in the queue, at a time of its own: `desk.passes(minutes=5)` lets time pass."""

    def __init__(self, monkeypatch):
        self.general = General.load()
        self.now = replace(timekeeping.read_machine(), wall=datetime(2027, 3, 1, 12, 0, tzinfo=UTC))
        monkeypatch.setattr(timekeeping, "read_machine", lambda: self.now)
        self._numbers = iter(range(1, 10_000))

    def passes(self, **span):
        length = timedelta(**span)
        self.now = replace(self.now, wall=self.now.wall + length, boottime=self.now.boottime + length.total_seconds())

    def destination(self, kind="webhook", **fields):
        given = {
            "name": f"place {next(self._numbers)}",
            "kind": kind,
            "language": "en",
            "url": "http://127.0.0.1:9/",
            "options": {"shown": "http://127.0.0.1:9/…"},
            "digested_on": queue.today(self.general, self.now.wall),
            **fields,
        }
        destination = Destination(**given)
        queue.begin_with(destination)
        return destination

    def happens(self, severity=Severity.SERIOUS, kind="files_differ", **fields):
        values = {"subject": str(next(self._numbers)), "params": {"files": "root.pem"}, **fields}
        return EventMessage.objects.create(kind=kind, severity=severity, raised_at=self.now.wall, **values)

    def ends(self, message):
        EventMessage.objects.filter(pk=message.pk).update(cleared_at=self.now.wall)

    def notes(self, ahead=None):
        self.general.refresh_from_db()
        destinations = list(Destination.objects.filter(enabled=True))
        coming = Coming(ahead.comes_at, ahead.number, lambda: ahead) if ahead is not None else None
        queue.note(destinations, self.general, self.now.wall, self.now, coming)

    def due(self):
        return list(Delivery.objects.all().due(self.now))


@pytest.fixture
def desk(db, key_file, monkeypatch):
    return Desk(monkeypatch)
