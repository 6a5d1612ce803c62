"""`manage.py check --deploy`: what a deployment has got wrong, before a telephone or a person notices (rule deploy-checks).

Each finding has an id that stays: `pbxcerts.E…` will not work, or lets others in; `pbxcerts.W…` is allowed and rarely meant.
"""

import grp
import os
import shutil
import stat
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, NotSupportedError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from pbxcerts import env
from pbxcerts.system import free_room
from pbxcerts.system.database import database_version
from pbxcerts.system.database.database_faults import why_unusable
from terminals.directory import search_index

LEAST_TOKEN = 20
"""Characters. `openssl rand -hex 32` makes 64."""
FOR_OTHERS, FOR_GROUP_AND_OTHERS = 0o007, 0o077


def deployment(**_options: Any) -> list[CheckMessage]:
    """All of them, the worst first. It writes nothing, and makes no database where there is none."""
    found = [
        *_modes(),
        *_proxies_and_hosts(),
        *_disks(),
        *_database(),
        *_group_of_the_store(),
        *_reload_command(),
        *_token(),
    ]
    return sorted(found, key=lambda message: (-message.level, str(message.id)))


def _error(number: int, text: str, hint: str) -> Error:
    return Error(text, hint=hint, id=f"pbxcerts.E{number:03}")


def _warning(number: int, text: str, hint: str) -> CheckWarning:
    return CheckWarning(text, hint=hint, id=f"pbxcerts.W{number:03}")


def _modes() -> Iterator[CheckMessage]:
    data: Path = settings.DATA
    ours = [data / "secrets", *_files(data / "secrets"), data / "run", *_files(data, "pbxcerts.sqlite3*")]
    for place, mode in _open_to(FOR_GROUP_AND_OTHERS, ours):
        yield _error(
            1,
            _("%(place)s is open to other users (mode %(mode)s).") % {"place": place, "mode": mode},
            _("“up” puts it right when it starts. Who could read it may know the keys: see “rekey”."),
        )
    # A container's platform gives its secrets to a group.
    files = [settings.KEY_FILE, settings.SECRET_KEY_FILE, *(env.optional_path(f"{name}_FILE") for name in env.SECRETS)]
    named = {place for place in files if place is not None and not place.is_relative_to(data)}
    for place, mode in _open_to(FOR_OTHERS, sorted(named)):
        yield _warning(
            1,
            _("%(place)s holds a secret, and every user of this machine can read it (mode %(mode)s).")
            % {"place": place, "mode": mode},
            _("chmod o= takes that from them."),
        )
    wide = FOR_OTHERS if settings.STORE_GROUP else FOR_GROUP_AND_OTHERS
    keys = [
        *_files(settings.STORE / "generations", "*/host.key"),
        *_files(settings.STORE / "generations", "*/agent.pem"),
    ]
    for place, mode in _open_to(wide, keys):
        yield _error(
            2,
            _("The host key %(place)s is open to other users (mode %(mode)s).") % {"place": place, "mode": mode},
            _("The next heartbeat puts it right. Who could read it may know the key: withdraw that pair."),
        )


def _files(directory: Path, pattern: str = "*") -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _open_to(bits: int, places: list[Path]) -> Iterator[tuple[Path, str]]:
    """Those that are there and open to more than they should be, with their mode."""
    for place in places:
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
        except OSError:
            continue
        if mode & bits:
            yield place, f"{mode:04o}"


def _proxies_and_hosts() -> Iterator[CheckMessage]:
    proxies, hosts = settings.TRUSTED_PROXIES, settings.ALLOWED_HOSTS
    unknown = [proxy for proxy in proxies if proxy != "*" and not _is_network(proxy)]
    if unknown:
        yield _error(
            3,
            _("PBXCERTS_TRUSTED_PROXIES names what is no address and no network: %(names)s.")
            % {"names": ", ".join(unknown)},
            _("Name proxies by their addresses: names are not looked up."),
        )
    if "*" in proxies:
        yield _warning(
            2,
            _("PBXCERTS_TRUSTED_PROXIES is *: whoever reaches the panel can claim any address."),
            _("Name the addresses of your proxies."),
        )
    if "*" in hosts:
        yield _warning(
            3,
            _("PBXCERTS_HOSTS is *: the panel answers under any name that a browser is led to."),
            _("Name the hosts under which the panel is reached."),
        )
    if proxies and all(host in {"localhost", "127.0.0.1", "[::1]"} for host in hosts):
        yield _warning(
            4,
            _("There is a proxy, and PBXCERTS_HOSTS names this machine alone: readers get the status 400."),
            _("Name the host under which the proxy presents the panel."),
        )
    if settings.PLAIN_HTTP and not proxies:
        yield _warning(
            5,
            _("PBXCERTS_PLAIN_HTTP is set: passwords can be read on the network."),
            _("Use --bind-https, or a proxy with a certificate."),
        )
    if settings.SECURE_HSTS_SECONDS and not proxies:
        yield _warning(
            6,
            _("PBXCERTS_HSTS_SECONDS has no effect without PBXCERTS_TRUSTED_PROXIES."),
            _("Our own root changes; only a proxy with a certificate of its own may ask for it."),
        )


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _disks() -> Iterator[CheckMessage]:
    for place in dict.fromkeys(free_room.places().values()):
        room = free_room.free_room(place)
        if room is None:
            continue
        said = _("On the disk of %(place)s %(left)s MB are left.") % {"place": place, "left": room.megabytes}
        hint = _("Without room nothing can be renewed.")
        if room.is_full:
            no_more = _("The disk of %(place)s takes no more files.") % {"place": place}
            yield _error(4, no_more if room.no_more_files else said, hint)
        elif room.is_scarce:
            yield _warning(7, said, hint)


def _database() -> Iterator[CheckMessage]:
    name = connection.settings_dict["NAME"]
    if isinstance(name, Path) and not name.exists():
        # Not installed yet; to look would make it.
        return
    try:
        connection.ensure_connection()
        newer = database_version.why_too_new()
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except NotSupportedError as error:
        yield _error(5, why_unusable(error), "")
    except DatabaseError as error:
        yield _error(6, why_unusable(error), "")
    else:
        if newer:
            yield _error(7, newer, "")
        elif pending:
            yield _warning(
                8,
                _(
                    "An older version of pbxcerts has worked on the database: its tables are not yet those of this version."
                ),
                _("“up” changes them when it starts. Back up the database first."),
            )
        elif connection.vendor == "postgresql" and not search_index.is_there(connection):
            yield _warning(
                10,
                _("PostgreSQL could not make the extension %(extension)s: each search reads all terminals.")
                % {"extension": search_index.EXTENSION},
                _(
                    "Let an administrator of PostgreSQL carry out “CREATE EXTENSION %(extension)s” in the database, where needed after the"
                    " package postgresql-contrib is installed; then start pbxcerts again."
                )
                % {"extension": search_index.EXTENSION},
            )


def _group_of_the_store() -> Iterator[CheckMessage]:
    group: str = settings.STORE_GROUP
    if not group:
        return
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        yield _error(
            8,
            _("The group %(group)s of PBXCERTS_STORE_GROUP does not exist.") % {"group": group},
            _("Nothing is published until it does."),
        )
        return
    if os.geteuid() != 0 and number not in {os.getegid(), *os.getgroups()}:
        yield _error(
            9,
            _("The user of pbxcerts is not in the group %(group)s of PBXCERTS_STORE_GROUP.") % {"group": group},
            _("Nothing is published until he is; then start pbxcerts again."),
        )


def _reload_command() -> Iterator[CheckMessage]:
    command: list[str] = settings.RELOAD_COMMAND
    if command and shutil.which(command[0], path=settings.RELOAD_ENVIRONMENT.get("PATH")) is None:
        yield _error(
            10,
            _("The program of PBXCERTS_RELOAD_COMMAND is missing or may not be executed: %(program)s.")
            % {"program": command[0]},
            _("The communication server would not load a new pair."),
        )


def _token() -> Iterator[CheckMessage]:
    if 0 < len(settings.METRICS_TOKEN) < LEAST_TOKEN:
        yield _warning(
            9,
            _("PBXCERTS_METRICS_TOKEN is short: whoever guesses it reads the metrics."),
            _("“openssl rand -hex 32” makes a good one."),
        )
