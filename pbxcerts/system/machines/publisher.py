"""Which machine publishes: who may claim it, who may take it over, and when (rule one-publishes)."""

from contextlib import suppress

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django_q.models import OrmQ, Schedule

from pbxcerts.system.machines import clones, machine_key
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import MachineReading


class TakeOverRefused(Exception):
    """The machine can't publish now. The message is for a person."""


def register(reading: MachineReading, *, works: bool, serves: bool) -> None:
    """Write down what is started on this machine, before it is. With a worker it publishes where nobody does; without one it leaves
    that to another.
    """
    clones.begin(settings.DATA)
    found = Machines.load(reading)
    found.own.works, found.own.serves = works, serves
    found.compare_clock(timekeeping.current_clock(heartbeat=found.own))
    names = ("name", "version", "names_store", "secrets", "starts")
    told = {name: value for name, value in found.told().items() if name in names}
    Heartbeat.objects.update_or_create(key=settings.MACHINE, defaults={**told, "works": works, "serves": serves})
    if works:
        claim(found)
    else:
        # Nobody else holds the data directory, so here is no worker any more that could still publish.
        Heartbeat.own().update(publishes=False)
    found.tell_own_processes()


def claim(machines: Machines) -> bool:
    """Publish where nobody does, if this machine is the one to: its environment names a store, or no other has a worker. Whether
    this machine publishes now.
    """
    if machines.publisher is not None:
        return machines.publishes_here
    own = machines.own
    has_a_panel_alone = own.serves and not own.works
    if has_a_panel_alone or not (settings.NAMES_STORE or not any(row.works for row in machines.others)):
        return False
    return _publish(own)


def _publish(row: Heartbeat) -> bool:
    """False where another machine was faster: the database lets at most one publish."""
    if row.key == settings.MACHINE:
        # Also where no `up` has run yet: what publishes must be the same machine tomorrow.
        with suppress(OSError):
            machine_key.keep(settings.DATA, settings.MACHINE)
    try:
        with transaction.atomic():
            row.publishes = bool(Heartbeat.objects.filter(key=row.key).update(publishes=True))
    except IntegrityError:
        row.publishes = False
    return row.publishes


def take_over(key: str, machines: Machines) -> Heartbeat:
    """Have the machine with this key publish from its next heartbeat on. Never while the one that does may still serve: it must
    have been silent for five minutes, and must not have beaten since it was read. Raises TakeOverRefused.
    """
    chosen = next((row for row in machines.all if row.key == key), None)
    publisher = machines.publisher
    if chosen is None or not chosen.works:
        raise TakeOverRefused(_("There is no such machine with a worker."))
    if chosen.publishes:
        raise TakeOverRefused(_("This machine publishes already."))
    with transaction.atomic():
        if publisher is not None:
            if not machines.is_silent(publisher):
                raise TakeOverRefused(
                    _(
                        "%(machine)s still publishes. End it there first; five minutes later another machine can take over."
                    )
                    % {"machine": machines.label(publisher)}
                )
            silent = Heartbeat.objects.filter(key=publisher.key, beats=publisher.beats, publishes=True)
            if not silent.update(publishes=False):
                raise TakeOverRefused(_("%(machine)s is back and publishes.") % {"machine": machines.label(publisher)})
        if not _publish(chosen):
            raise TakeOverRefused(_("Another machine was faster."))
    return chosen


def forget(key: str, machines: Machines) -> Heartbeat:
    """Remove a machine that is gone for good, which is silent and does not publish. Raises TakeOverRefused."""
    gone = next((row for row in machines.others if row.key == key), None)
    if gone is None:
        raise TakeOverRefused(_("There is no such machine, or it is this one."))
    if gone.publishes:
        raise TakeOverRefused(
            _("%(machine)s publishes: let another machine take over first.") % {"machine": machines.label(gone)}
        )
    removed = Heartbeat.objects.filter(key=key, beats=gone.beats, publishes=False)
    if not machines.is_silent(gone) or not removed.delete()[0]:
        raise TakeOverRefused(_("%(machine)s was heard of within five minutes.") % {"machine": machines.label(gone)})
    queue = machine_key.queue_of(key)
    Schedule.objects.filter(cluster=queue).delete()
    OrmQ.objects.filter(key=queue).delete()
    return gone


def show_life() -> bool:
    """One beat more in the middle of a long round. Whether this machine still publishes."""
    return bool(Heartbeat.own().filter(publishes=True).update(beats=F("beats") + 1))
