"""How each machine is, in words for page and command."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from pbxcerts.system.events import Notice
from pbxcerts.system.machines.machine_warnings import machine_warnings
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time import time_words, timekeeping


@dataclass(frozen=True)
class MachineState:
    """`silence`: how long it has shown no life, None where it never has; `last_run`: when it last did, by its own clock.
    `can_take_over`, `can_be_removed`: what an administrator may order of it.
    """

    key: str
    label: str
    version: str
    is_own: bool
    works: bool
    serves: bool
    publishes: bool
    last_run: datetime | None
    silence: timedelta | None
    is_silent: bool
    warnings: tuple[Notice, ...]
    can_take_over: bool
    can_be_removed: bool

    @property
    def roles(self) -> str:
        names = [*([_("web process")] if self.serves else []), *([_("worker")] if self.works else [])]
        return ", ".join(names) or _("none")

    @property
    def silence_text(self) -> str:
        return time_words.span(self.silence or timedelta())


def states(machines: Machines) -> list[MachineState]:
    warnings = machine_warnings(machines)
    return [_state(row, machines, warnings) for row in machines.all]


def _state(row: Heartbeat, machines: Machines, warnings: list[Notice]) -> MachineState:
    is_own = row.key == machines.own.key
    silence = timekeeping.since_heartbeat(row, machines.reading) if is_own else machines.silence(row)
    publisher = machines.publisher
    is_free = publisher is None or (publisher.key != machines.own.key and machines.is_silent(publisher))
    return MachineState(
        key=row.key,
        label=machines.label(row),
        version=row.version,
        is_own=is_own,
        works=row.works,
        serves=row.serves,
        publishes=row.publishes,
        last_run=row.last_run,
        silence=silence if row.beats else None,
        is_silent=machines.is_silent(row) if not is_own else False,
        warnings=tuple(_about(row, warnings)),
        can_take_over=is_free and row.works and not row.publishes,
        can_be_removed=not is_own and not row.publishes and machines.is_silent(row),
    )


def _about(row: Heartbeat, warnings: list[Notice]) -> Iterator[Notice]:
    yield from (one for one in warnings if one.subject.partition(":")[0] == row.key)
