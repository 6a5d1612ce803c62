"""The environment, read in one place: every deployment fact is a variable here, and its name and bad value are told when it is wrong."""

import os
import re
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pbxcerts.system import data_owner
from pbxcerts.system.misconfigured import Misconfigured
from pbxcerts.system.misconfigured import gettext_noop as _
from pbxcerts.system.network.endpoint import Endpoint, EndpointError

PREFIX = "PBXCERTS_"
SECRETS = ("DATABASE", "BROKER", "SECRET_KEY", "METRICS_TOKEN")
"""Variables that may hold a password or a key: each can also be given as NAME_FILE."""


PATHS = (
    *("DATA", "STORE", "KEY_FILE", "SECRET_KEY_FILE", "DATABASE_FILE", "BROKER_FILE", "METRICS_TOKEN_FILE"),
    *("CONFIGURATION_FOLDER", "BACKUPS", "DEMO"),
)
"""Variables that name a file or a directory."""
OURS = ("PBXCERTS_", "DJANGO_")
"""What the names of our own variables begin with; DJANGO_SUPERUSER_PASSWORD is one."""
OF_THE_SERVICE_MANAGER = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What `up` alone may tell the service manager by (sd_notify(3))."""
# Not `os.environ`: Django writes its time zone there, and Python a locale where the caller has none (PEP 538). Read at once: a
# process that leaves no core dump may not read it any more.
_STARTED_WITH = Path("/proc/self/environ").read_bytes()


def of_the_caller() -> dict[str, str]:
    """The variables that this process was started with, our own and those of the service manager left out."""
    variables = (entry.partition("=") for entry in os.fsdecode(_STARTED_WITH).split("\0") if "=" in entry)
    callers = {
        name: value
        for name, _is, value in variables
        if not name.startswith(OURS) and name not in OF_THE_SERVICE_MANAGER
    }
    if data_owner.is_another_than_the_caller():
        callers |= {name: os.environ[name] for name in data_owner.OF_A_USER}
    return callers


def text(name: str, default: str = "") -> str:
    return os.environ.get(PREFIX + name, default).strip()


def secret_text(name: str) -> str:
    """The value of a variable that may hold a secret: from NAME, or from the file that NAME_FILE names, as service managers and
    containers hand secrets over. "" where neither is set.
    """
    assert name in SECRETS  # noqa: S101 - or NAME_FILE would be refused
    value, file = text(name), optional_path(f"{name}_FILE")
    if file is None:
        return value
    if value:
        raise Misconfigured(
            _("Both %(variable)s and %(variable)s_FILE are set: only one of them may be."), variable=PREFIX + name
        )
    value = _content(file)
    if not value or "\n" in value:
        raise Misconfigured(
            _("%(file)s, which %(variable)s names, must hold one line."), file=file, variable=f"{PREFIX}{name}_FILE"
        )
    return value


def all_given() -> dict[str, str]:
    """Every variable of ours that is set, by its name behind the prefix. A path is as it is meant from here."""
    given = {name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return given | {name: str(place) for name in PATHS if (place := optional_path(name)) is not None}


def refuse_other_files() -> None:
    """Refuse PBXCERTS_…_FILE for what is no secret: it would be overlooked, and a default be used in its place."""
    known = {f"{PREFIX}{name}_FILE" for name in SECRETS} | {f"{PREFIX}KEY_FILE"}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name.endswith("_FILE") and name not in known:
            raise Misconfigured(
                _("There is no variable %(variable)s: a file may be named only by those that hold secrets, %(known)s."),
                variable=name,
                known=", ".join(sorted(known)),
            )


def refuse_demonstration_elsewhere(demo: Path | None, *places: Path) -> None:
    """Refuse a demonstration's variable beside the data or the store of an installation, or with a database on a server."""
    strange = [place for place in places if demo is not None and demo not in place.parents]
    if strange or (demo is not None and secret_text("DATABASE")):
        if strange:
            raise Misconfigured(
                _("PBXCERTS_DEMO is set by “pbxcerts demo” alone: %(place)s is not of a demonstration."),
                place=strange[0],
            )
        raise Misconfigured(
            _("PBXCERTS_DEMO is set by “pbxcerts demo” alone: a database on a server is not of a demonstration.")
        )


def _content(file: Path) -> str:
    try:
        # An editor of Windows puts a byte order mark before it.
        return file.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise Misconfigured(
            _(
                "The secret in %(file)s cannot be read: %(reason)s. PBXCERTS_DATA or --data names another data directory."
            ),
            file=file,
            reason=error.strerror,
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured(_("The secret in %(file)s is no text in UTF-8."), file=file) from error


def is_weak(secret_key: str) -> bool:
    """By the measure of Django's own check (security.W009): too short, of too few characters, or made for trying out."""
    return len(secret_key) < 50 or len(set(secret_key)) < 5 or secret_key.startswith("django-insecure-")


def words(name: str, default: str = "") -> list[str]:
    """A list with commas; empty parts are left out."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def flag(name: str, *, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"true", "false"}:
        raise Misconfigured(
            _("%(variable)s must be True or False, not “%(value)s”."), variable=PREFIX + name, value=value
        )
    return value == "true"


def choice(name: str, default: str, values: Sequence[str]) -> str:
    value = text(name, default).lower()
    if value not in values:
        raise Misconfigured(
            _("%(variable)s must be one of %(known)s, not “%(value)s”."),
            variable=PREFIX + name,
            known=", ".join(values),
            value=value,
        )
    return value


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise Misconfigured(
            _("%(variable)s must be a whole number from %(least)s to %(most)s, not “%(value)s”."),
            variable=PREFIX + name,
            least=least,
            most=most,
            value=value,
        )
    return int(value)


def endpoint(name: str, default: str) -> Endpoint | None:
    """`host:port` or `[IPv6]:port`; None where it is set and empty."""
    value = text(name, default)
    try:
        return Endpoint.parse(value) if value else None
    except EndpointError as error:
        raise Misconfigured(
            _("%(variable)s must be host:port, as in %(example)s, not “%(value)s”."),
            variable=PREFIX + name,
            example=default,
            value=value,
        ) from error


def path(name: str, default: Path) -> Path:
    return Path(text(name) or default).expanduser().absolute()


def optional_path(name: str) -> Path | None:
    value = text(name)
    return Path(value).expanduser().absolute() if value else None


def data_directory(name: str, product: Path) -> Path:
    return optional_path(name) or place_for_state(product)


def place_for_state(product: Path) -> Path:
    """Where data is kept unless PBXCERTS_DATA or --data says otherwise: in a checkout beside manage.py; where pbxcerts is
    installed, root's in /var/lib (Filesystem Hierarchy Standard 5.8), a user's where the XDG Base Directory Specification
    wants it. `product` is the folder that the packages lie in.
    """
    if (product / "manage.py").exists():
        return product / "data"
    if os.geteuid() == 0:
        return Path("/var/lib/pbxcerts")
    try:
        # A path that is not absolute is invalid, says that specification.
        named = Path(os.environ.get("XDG_STATE_HOME", ""))
        return (named if named.is_absolute() else Path.home() / ".local" / "state") / "pbxcerts"
    except RuntimeError as error:
        raise Misconfigured(
            _("This user has no home directory. PBXCERTS_DATA or --data must name the data directory.")
        ) from error


def url_path(name: str) -> str:
    """A path of a URL without its last slash, as in /pbxcerts; "" for the root of a host."""
    value = text(name)
    if value and not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?", value):
        raise Misconfigured(
            _("%(variable)s must be a path as in /pbxcerts, not “%(value)s”."), variable=PREFIX + name, value=value
        )
    return value.rstrip("/")


def command(name: str) -> list[str]:
    """An argument list, written as one types it in a shell; no shell ever reads it."""
    try:
        return shlex.split(text(name))
    except ValueError as error:
        raise Misconfigured(
            _("%(variable)s is no argument list. (%(said)s)"), variable=PREFIX + name, said=error
        ) from error


def secret(file: Path) -> str:
    """What stands in `file`. Where there is none yet, a secret that this process alone knows: reading makes no file."""
    if not os.access(file.parent, os.X_OK) or not file.exists():
        return secrets.token_urlsafe(48)
    value = _content(file)
    if not value:
        raise Misconfigured(_("%(file)s is empty. Restore it, or remove it: then a new secret is made."), file=file)
    return value


IN_TIME = {
    "connect_timeout": "5",
    "tcp_user_timeout": "20000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
"""libpq waits for minutes for a machine that is gone. Seconds, but for the second, which are milliseconds."""


def database(name: str, default_file: Path) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?option=value`, or SQLite in `default_file`.

    The options are libpq's: `sslmode=verify-full`, or `host=/run/postgresql` for a socket. libpq reads the same URL in
    `pbxcerts.processes.pulse`, so it must mean the same here.
    """
    url = secret_text(name)
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
        raise Misconfigured(
            _("%(variable)s must be postgresql://user:password@host:port/name."), variable=PREFIX + name
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": IN_TIME | dict(parse_qsl(parts.query)),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def broker(name: str) -> str:
    """`redis://:password@host:port/0`, or "" for the database."""
    url = secret_text(name)
    if url and (urlsplit(url).scheme not in {"redis", "rediss", "unix"} or not _port_is_known(url)):
        raise Misconfigured(_("%(variable)s must be redis://:password@host:port/0."), variable=PREFIX + name)
    return url


def in_time(url: str) -> str:
    """The URL of the broker, so that nobody waits for ever for one that is gone; a URL with options of its own stays as it is."""
    return url if "?" in url else f"{url}?socket_timeout=10&socket_connect_timeout=2"


def _port_is_known(url: str) -> bool:
    """Whether a URL names no port, or one that there is."""
    try:
        urlsplit(url).port  # noqa: B018 - asking raises
    except ValueError:
        return False
    return True
