"""What must stand before the processes start: the data directory and its lock, the secrets, the database, the schedule.

InstallationError           one sentence for the terminal
├── DirectoryError          the data directory cannot be made or written
├── AlreadyRunningError     another `up` works on it
├── AddressError            an address to listen at is none, or may not be used so
└── PortInUseError          somebody else listens there
"""

import errno
import fcntl
import os
import socket
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.models import Schedule

from pbxcerts import env


class InstallationError(Exception):
    exit_code = 1


class DirectoryError(InstallationError):
    pass


class AlreadyRunningError(InstallationError):
    pass


class AddressError(InstallationError):
    exit_code = 2


class PortInUseError(InstallationError):
    pass


def refuse_a_second(data: Path) -> None:
    """Raises AlreadyRunningError; makes nothing, so that it can be asked before anything else is."""
    try:
        descriptor = os.open(_lock_file(data), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _lock(descriptor, data)
    finally:
        os.close(descriptor)


def claim(data: Path) -> int:
    """Make the data directory (0700) and lock it; returns the descriptor that holds the lock as long as it is open."""
    try:
        env.make_directory(data / "run")
        descriptor = os.open(_lock_file(data), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _not_writable(data, error) from error
    try:
        _lock(descriptor, data)
    except AlreadyRunningError:
        os.close(descriptor)
        raise
    return descriptor


def _not_writable(data: Path, error: OSError) -> DirectoryError:
    return DirectoryError(
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


def listen(address: str, *, open_to_all: bool, at_once: bool) -> socket.socket:
    """A socket bound to `host:port` or `[IPv6]:port`. `at_once`: connections are taken from here on, else the port is only kept.

    `open_to_all`: whether it may be reached from other machines.
    """
    host, separator, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (separator and host and port.isdecimal() and int(port) <= 65535):
        raise AddressError(
            _("%(address)s is not an address to listen at: it must be host:port, as in 127.0.0.1:8000 or [::1]:8000.")
            % {"address": address}
        )
    try:
        family, kind, _protocol, _name, where = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise AddressError(
            _("%(host)s cannot be resolved: %(reason)s.") % {"host": host, "reason": error.strerror}
        ) from error
    if not open_to_all and not ip_address(where[0]).is_loopback:
        raise AddressError(
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
        if at_once:
            listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                _("Port %(port)s is in use (%(address)s).") % {"port": port, "address": address}
            ) from error
        raise AddressError(
            _("It is not possible to listen at %(address)s: %(reason)s.")
            % {"address": address, "reason": error.strerror}
        ) from error
    return listener


def make_files() -> None:
    """The data directory, the key that signs sessions, the database. May be repeated; what is there is left as it is.

    Raises DirectoryError.
    """
    database = connection.settings_dict["NAME"]
    try:
        env.make_directory(settings.DATA)
        if settings.SECRET_KEY_FILE is not None:
            env.write_secret(settings.SECRET_KEY_FILE, settings.SECRET_KEY)
        if isinstance(database, Path):
            # SQLite would make it readable for everybody; what it adds later takes over this mode.
            os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise _not_writable(settings.DATA, error) from error


def prepare() -> None:
    """Files, tables and schedule. May be repeated; what is there is left as it is."""
    make_files()
    if not settings.KEY_FILE.exists():
        env.write_secret(settings.KEY_FILE, Fernet.generate_key().decode())
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
    schedule_heartbeat()


def schedule_heartbeat() -> None:
    """One heartbeat a minute, by name; also after the clock was set back from a year that has not come."""
    now = timezone.now()
    schedule, _made = Schedule.objects.update_or_create(
        name="heartbeat",
        defaults={"func": "pbxcerts.tasks.heartbeat", "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
        create_defaults={
            "func": "pbxcerts.tasks.heartbeat",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "repeats": -1,
            "next_run": now,
        },
    )
    Schedule.objects.filter(pk=schedule.pk, next_run__gt=now + timedelta(minutes=1)).update(next_run=now)
