"""The environment, read in one place: every deployment fact is a variable here, and its name and bad value are told when it is wrong."""

import fcntl
import os
import secrets
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

PREFIX = "PBXCERTS_"


def text(name: str, default: str = "") -> str:
    return os.environ.get(PREFIX + name, default).strip()


def words(name: str, default: str = "") -> list[str]:
    """A list with commas; empty parts are left out."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def flag(name: str, *, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{PREFIX}{name} must be True or False, not {value!r}.")
    return value == "true"


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{PREFIX}{name} must be a whole number from {least} to {most}, not {value!r}.")
    return int(value)


def address(name: str, default: str) -> str:
    """`host:port` or `[IPv6]:port`; "" where it is set and empty."""
    value = text(name, default)
    host, _colon, port = value.rpartition(":")
    if value and not (host and port.isdecimal() and 0 < int(port) <= 65535):
        raise ImproperlyConfigured(f"{PREFIX}{name} must be host:port, as in {default}, not {value!r}.")
    return value


def path(name: str, default: Path) -> Path:
    return Path(text(name) or default).expanduser().absolute()


def optional_path(name: str) -> Path | None:
    value = text(name)
    return Path(value).expanduser().absolute() if value else None


def command(name: str) -> list[str]:
    """An argument list, written as one types it in a shell; no shell ever reads it."""
    try:
        return shlex.split(text(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{PREFIX}{name} is no argument list: {error}.") from error


def secret(file: Path) -> str:
    """What stands in `file`. Where there is none yet, a secret that this process alone knows: reading makes no file."""
    if not os.access(file.parent, os.X_OK) or not file.exists():
        return secrets.token_urlsafe(48)
    try:
        value = file.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The secret in {file} cannot be read: {error.strerror}. PBXCERTS_DATA or --data names another data directory."
        ) from error
    if not value:
        raise ImproperlyConfigured(f"{file} is empty. Restore it, or remove it: then a new secret is made.")
    return value


def write_secret(file: Path, value: str) -> None:
    """Create `file` with mode 0600, whole or not at all; a file that somebody else made meanwhile is left as it is."""
    make_directory(file.parent)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if file.exists():
            return
        staged = file.with_name(f".new-{file.name}")
        staged.unlink(missing_ok=True)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(value + "\n")
            handle.flush()
            # What is encrypted with a secret must not outlive it when the power fails.
            os.fsync(handle.fileno())
        staged.rename(file)
        os.fsync(directory)
    finally:
        os.close(directory)


def make_directory(directory: Path) -> None:
    """Create `directory`, and what is missing above it, with mode 0700."""
    for missing in [*reversed(directory.parents), directory]:
        missing.mkdir(exist_ok=True, mode=0o700)


def database(name: str, default_file: Path) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?option=value`, or SQLite in `default_file`.

    The options are libpq's: `sslmode=verify-full`, or `host=/run/postgresql` for a socket. libpq reads the same URL in
    `pbxcerts.pulse`, so it must mean the same here.
    """
    url = text(name)
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": default_file,
            # Measured: as it comes, SQLite loses a third of django-q2's results to "database is locked"; so it loses none.
            # FULL: the database must never be older than the file system that was published from it.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
            "CONN_MAX_AGE": None,
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not _port_is_known(url) or not parts.path.strip("/"):
        # Without the URL itself: it may hold a password.
        raise ImproperlyConfigured(f"{PREFIX}{name} must be postgresql://user:password@host:port/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def broker(name: str) -> str:
    """`redis://:password@host:port/0`, or "" for the database."""
    url = text(name)
    if url and (urlsplit(url).scheme not in {"redis", "rediss", "unix"} or not _port_is_known(url)):
        raise ImproperlyConfigured(f"{PREFIX}{name} must be redis://:password@host:port/0.")
    return url


def _port_is_known(url: str) -> bool:
    """Whether the port is none, or a number that is one."""
    try:
        urlsplit(url).port  # noqa: B018 - asking raises
    except ValueError:
        return False
    return True
