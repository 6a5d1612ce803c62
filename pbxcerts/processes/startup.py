"""Make what must be there before the processes start: the data directory and its lock, secrets, database, schedule.

StartupError              one sentence for the terminal
├── DataDirectoryError    the data directory cannot be made or written
├── AlreadyRunningError   another `up` works on it
├── ListenAddressError    an address to listen at is none, or may not be used so
├── ApartError            one of both processes alone, with a database that no other machine reaches
├── PortInUseError        somebody else listens there
├── NewerDatabaseError    a newer version has changed the database
└── WeakKeyError          a first installation with a secret key that can be guessed
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _
from django_q.models import Schedule

from pbxcerts import env
from pbxcerts.processes.listeners.client_buffers import bound_clients
from pbxcerts.system import files, sealing
from pbxcerts.system.database import database_version
from pbxcerts.system.machines import machine_key, publisher
from pbxcerts.system.machines.machine_key import queue_of
from pbxcerts.system.network.endpoint import Endpoint, EndpointError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.wake_worker import HEARTBEAT_TASK
from terminals.directory import search_index

LOCK = 0x7062786365727473
"""Of PostgreSQL's advisory locks ours: the letters pbxcerts."""


class StartupError(Exception):
    exit_code = 1


class DataDirectoryError(StartupError):
    pass


class AlreadyRunningError(StartupError):
    pass


class ListenAddressError(StartupError):
    exit_code = 2


class ApartError(StartupError):
    exit_code = 2


class PortInUseError(StartupError):
    pass


class NewerDatabaseError(StartupError):
    pass


class WeakKeyError(StartupError):
    pass


def refuse_a_second(data: Path) -> None:
    """Refuse to start where another `up` holds the data directory. Makes nothing, so it can be called first.

    Raises AlreadyRunningError.
    """
    try:
        descriptor = os.open(_lock_file(data), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _lock(descriptor, data)
    finally:
        os.close(descriptor)


def lock_data_directory(data: Path) -> int:
    """Make the data directory (0700) and lock it; returns the descriptor that holds the lock as long as it is open."""
    try:
        files.make_directory(data / "run")
        descriptor = os.open(_lock_file(data), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _not_writable(data, error) from error
    try:
        _lock(descriptor, data)
    except AlreadyRunningError:
        os.close(descriptor)
        raise
    return descriptor


def _not_writable(data: Path, error: OSError) -> DataDirectoryError:
    return DataDirectoryError(
        _("The data directory %(directory)s cannot be written: %(reason)s. PBXCERTS_DATA or --data names another one.")
        % {"directory": data, "reason": error.strerror}
    )


def _lock_file(data: Path) -> Path:
    return data / "run" / "up.lock"


def _lock(descriptor: int, data: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise AlreadyRunningError(
            _("pbxcerts already runs on the data directory %(directory)s.") % {"directory": data}
        ) from error


def listen_address(text: str) -> Endpoint:
    """Read the address that `--bind` or `--bind-https` names; port 0 is any free one. Raises ListenAddressError."""
    try:
        return Endpoint.parse(text, least_port=0)
    except EndpointError as error:
        raise ListenAddressError(
            _("%(address)s is not an address to listen at: it must be host:port, as in 127.0.0.1:8000 or [::1]:8000.")
            % {"address": text}
        ) from error


def listen(address: Endpoint, *, open_to_all: bool, at_once: bool) -> socket.socket:
    """Bind a socket. `at_once`: it takes connections from now on, else the port is only reserved.

    `open_to_all`: whether other machines may reach it. Raises ListenAddressError and PortInUseError.
    """
    try:
        family, kind, _protocol, _name, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ListenAddressError(
            _("%(host)s cannot be resolved: %(reason)s.") % {"host": address.host, "reason": error.strerror}
        ) from error
    if not open_to_all and not ip_address(where[0]).is_loopback:
        raise ListenAddressError(
            _(
                "Over plain HTTP at %(address)s passwords would be readable on the network. Name the proxy in front of it in "
                "PBXCERTS_TRUSTED_PROXIES, use --bind-https, or allow it with --plain-http."
            )
            % {"address": address}
        )
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        # Before anybody can come: what is accepted has it from its listener.
        bound_clients(listener)
        if at_once:
            listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                _("Port %(port)s is in use (%(address)s).") % {"port": address.port, "address": address}
            ) from error
        raise ListenAddressError(_why_not_at(address, error)) from error
    return listener


def _why_not_at(address: Endpoint, error: OSError) -> str:
    said = _("It is not possible to listen at %(address)s: %(reason)s.") % {
        "address": address,
        "reason": error.strerror,
    }
    if error.errno != errno.EACCES:
        return said
    privileged = _(
        "This user may not open ports below 1024: let a proxy listen there, or start pbxcerts by the unit of “pbxcerts unit”."
    )
    return f"{said} {privileged}"


def make_files() -> None:
    """Make the data directory, the key that signs sessions, and the database; what is there already is left as it is.

    Raises DataDirectoryError, and WeakKeyError where nothing has been installed yet.
    """
    if env.is_weak(settings.SECRET_KEY) and not _is_installed():
        raise WeakKeyError(
            _(
                "The secret key is weak: PBXCERTS_SECRET_KEY must be random and at least 50 characters long. Without that variable "
                "a good one is made."
            )
        )
    database = connection.settings_dict["NAME"]
    try:
        files.make_directory(settings.DATA)
        if settings.SECRET_KEY_FILE is not None:
            files.write_secret(settings.SECRET_KEY_FILE, settings.SECRET_KEY)
        machine_key.keep(settings.DATA, settings.MACHINE)
        if isinstance(database, Path):
            # SQLite would make it readable for everybody; what it adds later takes over this mode.
            os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
        _make_private()
    except OSError as error:
        raise _not_writable(settings.DATA, error) from error


def _make_private() -> None:
    """Put right what a restore may have opened to others. The data directory itself may still be passed through: a server may
    reach the store that way.
    """
    files.make_private(settings.DATA / "secrets")
    files.make_private(settings.DATA / "run")
    for file in settings.DATA.glob("pbxcerts.sqlite3*"):
        files.make_private(file)
    with suppress(PermissionError):
        mode = stat.S_IMODE(settings.DATA.stat().st_mode)
        settings.DATA.chmod(mode & ~0o066)


def _is_installed() -> bool:
    """Whether there is a database already. What is installed starts with a weak key too, or nothing would be renewed any more;
    then it is a warning (pbxcerts.panel.process_warnings).
    """
    database = connection.settings_dict["NAME"]
    return database.exists() if isinstance(database, Path) else MigrationRecorder(connection).has_table()


def prepare(*, works: bool = True, serves: bool = True) -> None:
    """Make files, tables and schedule; what is there already is left as it is. `works`, `serves`: whether a worker and a web process
    are started here.

    Raises DataDirectoryError, WeakKeyError, NewerDatabaseError, KeyListError, OSError and DatabaseError.
    """
    make_files()
    with one_at_a_time():
        refuse_newer_database()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
        search_index.make_where_missing(connection)
        sealing.make_key_list()
        publisher.register(timekeeping.read_machine(), works=works, serves=serves)
    if works:
        schedule_heartbeat()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Of all machines that share a PostgreSQL: two first starts at once must not make the same tables (rule first-starts). With SQLite the lock on the
    data directory does it.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def refuse_newer_database() -> None:
    if why := database_version.why_too_new():
        raise NewerDatabaseError(why)


def schedule_heartbeat() -> None:
    """Schedule one heartbeat a minute. One that a wrong clock scheduled for another year is due now."""
    # django-q goes by the machine's clock.
    now = timekeeping.machine_time()
    queue = queue_of(settings.MACHINE)
    every_minute = {"func": HEARTBEAT_TASK, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
    if connection.vendor == "sqlite":
        # This machine's alone, whatever it was called before.
        Schedule.objects.filter(func=HEARTBEAT_TASK).exclude(cluster=queue).delete()
    Schedule.objects.filter(func=HEARTBEAT_TASK, cluster=None).delete()
    schedule, _made = Schedule.objects.update_or_create(
        name="heartbeat", cluster=queue, defaults=every_minute, create_defaults=every_minute | {"next_run": now}
    )
    Schedule.objects.filter(pk=schedule.pk, next_run__gt=now + timedelta(minutes=1)).update(next_run=now)
