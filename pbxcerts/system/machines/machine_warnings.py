"""What pages and event messages say of the other machines (rules machines, one-publishes, same-secrets, one-time)."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.machines import clones
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.machines.shared_secrets import Difference
from pbxcerts.system.models import Heartbeat, Severity
from pbxcerts.system.run_files import OTHER_MACHINES

PUBLISHER_SILENT = EventKind(
    "publisher_silent",
    Severity.CRITICAL,
    _(
        "The machine %(machine)s, which publishes the certificates, has shown no life for more than five minutes. Meanwhile nothing"
        " is renewed and the communication server is not switched."
    ),
    cleared=_("A machine publishes the certificates again."),
    hint=_("Start it again. Where it is gone for good, let another machine take over: System / Machines."),
    cause=_("The machine is off, its worker does not run, or it can't reach the database."),
    consequence=_("Calls go on until the active pair ends; until another machine publishes, none is made."),
)
NOBODY_PUBLISHES = EventKind(
    "nobody_publishes",
    Severity.CRITICAL,
    _("No machine publishes the certificates: nothing is renewed and the communication server is not switched."),
    cleared=_("A machine publishes the certificates again."),
    hint=_("Say under System / Machines which one is to, or set PBXCERTS_STORE there."),
    cause=_("No machine with a worker has PBXCERTS_STORE set, or the one that published was removed."),
    consequence=_("Calls go on until the active pair ends; after that there are no calls over TLS."),
)
MACHINE_SILENT = EventKind(
    "machine_silent",
    Severity.SERIOUS,
    _("The machine %(machine)s has shown no life for more than five minutes."),
    cleared=_("The machine %(machine)s shows life again, or was removed."),
    hint=_("Start it again, or remove it under System / Machines."),
    cause=_("The machine is off, its processes do not run, or it can't reach the database."),
    consequence=_("No calls are lost. Terminals that load their files from it get none, and the rollout is slower."),
)
TWO_OF_ONE = EventKind(
    "two_of_one_machine",
    Severity.CRITICAL,
    _(
        "Two machines say that they are %(machine)s, as a clone of a virtual machine does. Both may publish certificates and take what the"
        " other one is to do."
    ),
    cleared=_("Only one machine says that it is %(machine)s."),
    hint=_(
        "End pbxcerts on the clone. If the clone is to stay, remove the key of the machine there (run/machine.json in its data directory) before it starts again."
    ),
    cause=_("A virtual machine was copied together with its data directory."),
    consequence=_(
        "Both may publish: a communication server may be switched to a pair that telephones do not have, and calls fail."
    ),
)
SECOND_STORE = EventKind(
    "second_store",
    Severity.SERIOUS,
    _("PBXCERTS_STORE is set on %(machine)s too, but %(publisher)s publishes: nothing is written to that store."),
    cleared=_("PBXCERTS_STORE is set only on the machine that publishes."),
    hint=_("Remove the variable there; or end the other machine and let this one take over: System / Machines."),
    cause=_("The variable was set on a second machine, or the machine that published before runs again."),
    consequence=_("A communication server that reads that store keeps an old pair, and calls over it end with this."),
)
WHY_IT_ENDS = _(
    "A port is taken, a file can't be read, the database refuses, or memory runs out; its last words stand in the journal."
)
WORKER_FAILS = EventKind(
    "machine_process_fails",
    Severity.CRITICAL,
    _("On %(machine)s a process ends again and again: %(process)s (%(failures)s times in a row, last: %(last_end)s)."),
    cleared=_("On %(machine)s the processes run again."),
    hint=_("The terminal or the journal in which pbxcerts runs there says why it ends."),
    cause=WHY_IT_ENDS,
    consequence=_("What the process does there rests: pages and files of terminals, or the rollout. Calls go on."),
)
WITHOUT_FILES = _("Calls go on. Terminals do not get the new pair, and after the switch those that lack it can't call.")
PORT_REFUSED = _(
    "Another program has the port, the address is not this machine's, or the user may not open a port below 1024."
)
LISTENER_FAILS = EventKind(
    "machine_listener_fails",
    Severity.CRITICAL,
    _("On %(machine)s the terminals' listener at %(address)s cannot be opened: %(reason)s."),
    cleared=_("On %(machine)s the terminals' listener at %(address)s is open, or no longer wanted."),
    hint=_("It is tried again every second. Free the port there, or name another address in the environment."),
    cause=PORT_REFUSED,
    consequence=WITHOUT_FILES,
)
CLOCKS_DIFFER = EventKind(
    "machines_clocks_differ",
    Severity.SERIOUS,
    _("The clock of %(machine)s differs from that of the machine that publishes (%(seconds)s). It asks no terminals."),
    cleared=_("The clock of %(machine)s goes with that of the machine that publishes."),
    hint=_("Set one of both right: the same NTP servers on every machine."),
    cause=_("The machines ask different NTP servers, or one asks none."),
    consequence=_("No calls are lost. That machine notifies no terminals, so the rollout is slower."),
    jumps=("seconds",),
)
SECRETS_DIFFER = {
    Difference.SECRET_KEY: EventKind(
        "machine_secret_key_differs",
        Severity.CRITICAL,
        _("The secret key on %(machine)s is another than on the machine that publishes: it does not work."),
        cleared=_("The secret key on %(machine)s is that of the machine that publishes."),
        hint=_(
            "Copy secrets/django.key (PBXCERTS_SECRET_KEY) from the machine that publishes, and start pbxcerts there again."
        ),
        cause=_("secrets/django.key was not copied to that machine, or was replaced on one alone."),
        consequence=_("No calls are lost. The machine serves no pages and no terminals until it has the right key."),
    ),
    Difference.KEY_LIST: EventKind(
        "machine_key_list_differs",
        Severity.CRITICAL,
        _("The key list on %(machine)s is another than on the machine that publishes: it does not work."),
        cleared=_("The key list on %(machine)s is that of the machine that publishes."),
        hint=_(
            "Copy secrets/host-keys.key (PBXCERTS_KEY_FILE) from the machine that publishes; it is read again by itself."
        ),
        cause=_("secrets/host-keys.key was not copied to that machine, or was replaced on one alone."),
        consequence=_(
            "No calls are lost. The machine serves no terminals and takes no part in the rollout until it has the right list."
        ),
    ),
    Difference.KEY_MISSING: EventKind(
        "machine_key_missing",
        Severity.SERIOUS,
        _(
            "The key list on %(machine)s lacks the first key of the machine that publishes: it can't read what that seals."
        ),
        cleared=_("The key list on %(machine)s holds the first key of the machine that publishes."),
        hint=_("Bring the new key to that machine too, before “rekey” and before the others are removed."),
        cause=_("A new key was put first on the machine that publishes and is not on the other one yet."),
        consequence=_("No calls are lost yet. After “rekey” that machine can read nothing any more and does not work."),
    ),
    Difference.KEY_UNKNOWN: EventKind(
        "machine_key_unknown",
        Severity.SERIOUS,
        _(
            "The key list on %(machine)s begins with a key that the machine that publishes lacks: it can't read what is sealed there."
        ),
        cleared=_("The machine that publishes holds the first key of %(machine)s."),
        hint=_("Bring the new key to the machine that publishes too."),
        cause=_("A new key was put first on one machine before the one that publishes had it."),
        consequence=_(
            "No calls are lost. Passwords that are entered on that machine can't be read by the one that publishes."
        ),
    ),
}


def machine_warnings(machines: Machines) -> list[Notice]:
    """What is true of the machines now. Of this one's own processes `pbxcerts.panel.process_warnings` speaks."""
    publisher = machines.publisher
    found = [] if publisher is not None else [Notice(NOBODY_PUBLISHES)]
    for row in machines.all:
        if row.key != machines.own.key:
            found += _of_another(row, machines)
        if clones.are_told(row.starts):
            found.append(Notice(TWO_OF_ONE, subject=row.key, params={"machine": machines.label(row)}))
        if (difference := machines.difference(row)) is not None:
            found.append(Notice(SECRETS_DIFFER[difference], subject=row.key, params={"machine": machines.label(row)}))
        if differs := machines.clock_differs_by(row):
            params = {"machine": machines.label(row), "seconds": differs.total_seconds()}
            found.append(Notice(CLOCKS_DIFFER, subject=row.key, params=params))
        if publisher is not None and row.names_store and row.works and not row.publishes:
            params = {"machine": machines.label(row), "publisher": machines.label(publisher)}
            found.append(Notice(SECOND_STORE, subject=row.key, params=params))
    return found


def _of_another(row: Heartbeat, machines: Machines) -> Iterator[Notice]:
    about = {"machine": machines.label(row)}
    if machines.is_silent(row):
        yield Notice(PUBLISHER_SILENT if row.publishes else MACHINE_SILENT, subject=row.key, params=about)
        return
    for name, one in row.failing.get("processes", {}).items():
        yield Notice(WORKER_FAILS, subject=f"{row.key}:{name}", params={**about, "process": name, **one})
    for name, one in row.failing.get("listeners", {}).items():
        yield Notice(LISTENER_FAILS, subject=f"{row.key}:{name}", params={**about, **one})


def of_a_silent_publisher(machines: Machines) -> list[Notice]:
    """What a machine that does not publish tells: nobody else would."""
    publisher = machines.publisher
    if publisher is None:
        return [Notice(NOBODY_PUBLISHES)]
    if not machines.is_silent(publisher):
        return []
    return [Notice(PUBLISHER_SILENT, subject=publisher.key, params={"machine": machines.label(publisher)})]


def of_every_page() -> list[Notice]:
    """What each page of this machine says of the others. It costs no query."""
    found = []
    for key, one in OTHER_MACHINES.read(settings.DATA).items():
        if one.publishes and one.is_silent:
            found.append(Notice(PUBLISHER_SILENT, subject=key, params={"machine": one.name}))
    return found
