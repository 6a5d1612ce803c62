"""The machines of this installation: which of them live, and which one publishes (rules machines, one-publishes).

Whether another machine lives is judged by its beats alone, over time that our own CLOCK_BOOTTIME measures: no clock of one machine
is ever compared with another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from pbxcerts import __version__
from pbxcerts.system.machines import clones, shared_secrets
from pbxcerts.system.machines.shared_secrets import Difference
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.network import interfaces
from pbxcerts.system.run_files import FAILING_LISTENERS, FAILING_PROCESSES, OTHER_MACHINES, OtherMachine
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import Clock, MachineReading

SILENT_AFTER = timedelta(minutes=5)
CLOCKS_AGREE_WITHIN = timedelta(seconds=5)
"""As rule clock-gate calls a clock right. Who asks on one machine and who is asked on another must agree which was first."""

Seen = dict[str, list[Any]]


@dataclass(frozen=True)
class Machines:
    """All of them, read at `reading`. `seen`: how long the others' beats stand, as `Heartbeat.seen` keeps it."""

    own: Heartbeat
    others: tuple[Heartbeat, ...]
    seen: Seen
    reading: MachineReading

    @classmethod
    def load(cls, reading: MachineReading) -> Machines:
        """In one query."""
        before = timekeeping.read_machine()
        rows = list(_rows())
        after = timekeeping.read_machine()
        own = next((row for row in rows if row.key == settings.MACHINE), None)
        if own is None:
            own = Heartbeat.load()
            rows = list(_rows())
            own = next((row for row in rows if row.key == settings.MACHINE), own)
        elif (database_now := getattr(own, "database_now", None)) is not None:
            took = timedelta(seconds=after.boottime - before.boottime)
            if took < CLOCKS_AGREE_WITHIN / 2:
                own.database_ahead_of_machine = (database_now - before.wall - took / 2).total_seconds()
        others = tuple(row for row in rows if row.key != own.key)
        return cls(own, others, seen_by(own, others, reading), reading)

    @property
    def all(self) -> tuple[Heartbeat, ...]:
        """By their names."""
        return tuple(sorted((self.own, *self.others), key=lambda row: (row.name, row.key)))

    def label(self, row: Heartbeat) -> str:
        """Its name; where two machines have the same, with the beginning of its key."""
        is_alone = sum(other.name == row.name for other in self.all) == 1
        return row.name if row.name and is_alone else f"{row.name} ({row.key[:6]})".strip()

    @property
    def publisher(self) -> Heartbeat | None:
        return next((row for row in self.all if row.publishes), None)

    @property
    def publishes_here(self) -> bool:
        return self.own.publishes

    def silence(self, row: Heartbeat) -> timedelta:
        """How long we have seen no beat of another machine; none of our own."""
        if row.key not in self.seen:
            return timedelta()
        return timedelta(seconds=self.reading.boottime - self.seen[row.key][1])

    def is_silent(self, row: Heartbeat) -> bool:
        return self.silence(row) >= SILENT_AFTER

    # -- what must be alike --------------------------------------------------------------------------------------------

    def difference(self, row: Heartbeat) -> Difference | None:
        """Which secret of a machine is another than the publisher's."""
        publisher = self.publisher
        if publisher is None or row.key == publisher.key:
            return None
        secrets = shared_secrets.fingerprints() if row.key == self.own.key else row.secrets
        return shared_secrets.difference(secrets, publisher.secrets) if secrets else None

    @property
    def refusal(self) -> Difference | None:
        """Why this machine may not work; None where it may (rule same-secrets)."""
        found = self.difference(self.own)
        return found if found is not None and found.refuses else None

    def compare_clock(self, clock: Clock) -> None:
        """Take down how our best clock stands to the database's, which has said what time it is when this was read."""
        if self.own.database_ahead_of_machine is not None:
            best_ahead = (clock.best - clock.machine).total_seconds()
            self.own.database_ahead = self.own.database_ahead_of_machine - best_ahead

    def clock_differs_by(self, row: Heartbeat) -> timedelta:
        """By how much a machine's clock is ahead of the publisher's, the best one or else the machine's, as the database's clock
        shows both; nothing where that is less than five seconds or not known (rule one-time).
        """
        publisher = self.publisher
        if publisher is None:
            return timedelta()
        best = _ahead(row.database_ahead, publisher.database_ahead)
        return best or _ahead(row.database_ahead_of_machine, publisher.database_ahead_of_machine)

    @property
    def machine_clock_ahead(self) -> timedelta:
        """By how much the clock of this machine is ahead of that of the one that publishes."""
        publisher = self.publisher
        if publisher is None:
            return timedelta()
        return _ahead(self.own.database_ahead_of_machine, publisher.database_ahead_of_machine)

    # -- what is kept --------------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """What our own row says anew with this beat, of which the data directory takes note (rule clones)."""
        return {
            "name": interfaces.host_name() or "localhost",
            "version": __version__,
            "names_store": settings.NAMES_STORE,
            "seen": self.seen,
            "failing": failing(),
            "secrets": shared_secrets.fingerprints(),
            "database_ahead": self.own.database_ahead,
            "database_ahead_of_machine": self.own.database_ahead_of_machine,
            "ran_boottime": self.reading.boottime,
            "ran_boot_id": self.reading.boot_id,
            "starts": clones.after_a_beat(self.own.starts, settings.DATA),
            "beats": F("beats") + 1,
        }

    def tell_own_processes(self) -> None:
        """Write down for pages and commands of this machine what they must know of the others without asking the database."""
        OTHER_MACHINES.write_if_new(
            settings.DATA,
            {
                row.key: OtherMachine(
                    name=self.label(row),
                    publishes=row.publishes,
                    is_silent=self.is_silent(row),
                    store_mark=row.store_mark if row.publishes else "",
                    store_standing=row.store_standing if row.publishes else "",
                    refuses_us=(self.refusal or "") if row.publishes else "",
                    our_clock_ahead=self.machine_clock_ahead.total_seconds() if row.publishes else 0.0,
                )
                for row in self.others
            },
        )


def _ahead(own: float | None, publisher: float | None) -> timedelta:
    """By how much a clock is ahead of the publisher's, of which the database's is so many seconds ahead."""
    if own is None or publisher is None:
        return timedelta()
    ahead = timedelta(seconds=publisher - own)
    return ahead if abs(ahead) > CLOCKS_AGREE_WITHIN else timedelta()


def _rows() -> QuerySet[Heartbeat]:
    is_one = Q(works=True) | Q(serves=True) | Q(publishes=True) | Q(key=settings.MACHINE)
    rows = Heartbeat.objects.filter(is_one).select_related("last_check")
    return rows.annotate(database_now=Now()) if connection.vendor == "postgresql" else rows


def seen_by(own: Heartbeat, others: tuple[Heartbeat, ...], reading: MachineReading) -> Seen:
    """What we have seen of the others until this reading. After a start of this machine it begins anew."""
    before: Mapping[str, list[Any]] = own.seen if own.ran_boot_id == reading.boot_id else {}
    seen = {}
    for row in others:
        known = before.get(row.key)
        stands = known is not None and known[0] == row.beats and known[1] <= reading.boottime
        seen[row.key] = known if stands and known is not None else [row.beats, reading.boottime]
    return seen


def failing() -> dict[str, Any]:
    """What the files of this machine's processes say of what fails, as its row keeps it."""
    processes = FAILING_PROCESSES.read(settings.DATA)
    listeners = FAILING_LISTENERS.read(settings.DATA)
    return {
        **({"processes": {name: vars(one) for name, one in processes.items()}} if processes else {}),
        **({"listeners": {name: vars(one) for name, one in listeners.items()}} if listeners else {}),
    }
