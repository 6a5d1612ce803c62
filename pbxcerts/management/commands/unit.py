"""`pbxcerts unit`: a systemd unit for this installation, on standard output."""

import grp
import os
import pwd
import re
import shlex
import stat
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from pbxcerts import __version__, env
from pbxcerts.management.commands import up
from pbxcerts.processes import startup
from pbxcerts.processes.unit import Service, UnfitForUnit, state_directory, unit
from pbxcerts.system import data_owner
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.time import timekeeping
from terminals.agent import config as agent_configuration
from terminals.agent.config import AgentConfig
from terminals.agent.errors import AgentConfigError

AGENT_CONFIGURATION = Path("/etc/pbxcerts-agent/agent.toml")
AGENT_STATE = Path("/var/lib/pbxcerts-agent")
USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
PRIVILEGED = 1024
"""Ports below it are for root, and for whom a capability lets (capabilities(7))."""
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - looked for, not used
BECOMES_ANOTHER = {"sudo", "su", "doas", "pkexec", "runuser"}


class Command(BaseCommand):
    help = (
        "Prints a systemd unit for this installation: with the options of “up” that are given here, and with the variables that are"
        " set. What is to be done before the first start stands in it as comments."
    )
    requires_system_checks = []

    def get_version(self) -> str:
        return __version__

    def add_arguments(self, parser: ArgumentParser) -> None:
        up.add_options(parser)
        parser.add_argument(
            "--user",
            metavar="NAME",
            help="whom the service runs as (default: whom the data directory belongs to, else pbxcerts)",
        )
        parser.add_argument(
            "--agent",
            nargs="?",
            type=Path,
            const=AGENT_CONFIGURATION,
            metavar="CONFIG",
            help=f"the unit of pbxcerts-agent with this configuration (default: {AGENT_CONFIGURATION})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["user"]
        if name is not None and not USER_NAME.fullmatch(name):
            raise CommandError(_("“%(name)s” is not the name of a user.") % {"name": name}, returncode=2)
        try:
            if options["agent"] is not None:
                service = _agent(options["agent"].absolute(), name or "pbxcerts-agent")
            else:
                service = _up(options, name or _owner())
            self.stdout.write(unit(service), ending="")
        except UnfitForUnit as error:
            raise CommandError(_("“%(text)s” can't be written in a unit.") % {"text": error}, returncode=2) from error
        except startup.StartupError as error:
            raise CommandError(str(error), returncode=2) from error


# -- pbxcerts up -------------------------------------------------------------------------------------------------------


def _up(options: Mapping[str, Any], user: str) -> Service:
    data, store, folder = settings.DATA, settings.STORE, settings.CONFIGURATION_FOLDER
    secrets = [settings.KEY_FILE, *filter(None, [settings.SECRET_KEY_FILE])]
    made = [file.parent for file in secrets if not _is_there(file)]
    state = state_directory(data)
    writes = [data, *_outside(data, [store, *filter(None, [folder]), *made])]
    backups = _outside(data, [*filter(None, [settings.BACKUPS])])
    inside = store.is_relative_to(data)
    return Service(
        description="pbxcerts, the certificates of a communication server and its telephones",
        user=user,
        command=[*_program("pbxcerts"), "up", *_options(options)],
        environment=_variables(data),
        groups=list(filter(None, [settings.STORE_GROUP])),
        writes=writes,
        may_write=backups,
        needs=[Path(sys.prefix), *secrets, *_named_files(), *_reload_program()],
        state=state,
        # The communication server passes through it, to a store that its group may read.
        state_mode="0711" if inside and settings.STORE_GROUP else "0700",
        privileged_port=any(port < PRIVILEGED for port in _ports(options)),
        gives_away=bool(settings.STORE_GROUP or folder),
        boot_id_is_mounted=_boot_id_is_mounted(),
        to_do=[*_to_do(user, [*writes, *backups], state, group=settings.STORE_GROUP), *_about_the_reload_command()],
    )


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    if options["bind"] != up.BIND:
        yield from ("--bind", options["bind"])
    if options["bind_https"]:
        yield from ("--bind-https", options["bind_https"])
    if options["plain_http"]:
        yield "--plain-http"
    if options["only"]:
        yield from ("--only", options["only"])


def _ports(options: Mapping[str, Any]) -> Iterator[int]:
    for text in filter(None, [options["bind"], options["bind_https"]]):
        yield startup.listen_address(text).port
    endpoints: list[Endpoint | None] = [
        settings.TERMINALS_HTTPS,
        settings.TERMINALS_HTTP,
        settings.TERMINALS_PROOF,
    ]
    yield from (one.port for one in endpoints if one is not None)


def _variables(data: Path) -> dict[str, str]:
    """All of ours that are set. Raises CommandError for one that holds a secret, as everybody may read a unit."""
    given = env.all_given() | {"DATA": str(data)}
    for name in env.SECRETS:
        if given.get(name):
            raise CommandError(
                _(
                    "%(name)s may hold a secret, and everybody can read a unit: put it into a file, and name that in %(name)s_FILE."
                )
                % {"name": f"{env.PREFIX}{name}"},
                returncode=2,
            )
    return {f"{env.PREFIX}{name}": given[name] for name in sorted(given)}


def _named_files() -> list[Path]:
    return [place for name in env.SECRETS if (place := env.optional_path(f"{name}_FILE")) is not None]


def _outside(data: Path, places: list[Path]) -> list[Path]:
    return [place for place in places if not place.is_relative_to(data)]


def _owner() -> str:
    """Whom the data directory belongs to; a user of the service's own where that is root or nobody yet."""
    try:
        uid = settings.DATA.stat().st_uid
    except OSError:
        uid = os.geteuid()
    return data_owner.name_of(uid) if uid else "pbxcerts"


# -- pbxcerts-agent ----------------------------------------------------------------------------------------------------


def _agent(file: Path, user: str) -> Service:
    to_do = []
    config = None
    try:
        config = agent_configuration.load(file)
    except AgentConfigError as error:
        to_do.append(
            _("The configuration cannot be read yet; when it can, make this unit again: %(reason)s") % {"reason": error}
        )
    store = config.store if config is not None else AGENT_STATE / "trust.pem"
    # Beside the store stands what was served last.
    place = store.parent
    state = state_directory(place)
    return Service(
        description="pbxcerts-agent, the trust store of this host",
        user=user,
        command=[*_program("pbxcerts-agent"), "run", str(file)],
        writes=[place],
        needs=[Path(sys.prefix), file, *(Path(word) for word in _hook(config)[:1])],
        state=state,
        # Programs of other users read the store.
        state_mode="0755",
        notifies=False,
        privileged_port=config is not None and config.sip is not None and config.sip.listen.port < PRIVILEGED,
        boot_id_is_mounted=_boot_id_is_mounted(),
        to_do=[*to_do, *_to_do(user, [place], state, mode="0755"), *_about(_hook(config))],
    )


def _hook(config: AgentConfig | None) -> list[str]:
    return list(config.hook.command) if config is not None and config.hook is not None else []


# -- of both -----------------------------------------------------------------------------------------------------------


def _program(name: str) -> list[str]:
    """How this installation is started, wherever somebody is."""
    # A link to it, as in /usr/local/bin, may be alone there.
    beside = Path(sys.argv[0]).resolve().with_name(name)
    if beside.is_file():
        return [str(beside)]
    module = {"pbxcerts": "pbxcerts", "pbxcerts-agent": "terminals.agent"}[name]
    manage = settings.BASE_DIR / "manage.py"
    if manage.exists() and name == "pbxcerts":
        return [sys.executable, str(manage)]
    return [sys.executable, "-m", module]


def _to_do(user: str, writes: list[Path], state: Path | None, *, mode: str = "0700", group: str = "") -> Iterator[str]:
    """What must be there before the first start."""
    commands = []
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        entry = None
        commands.append(["useradd", "--system", "--home-dir", str(writes[0]), "--shell", "/usr/sbin/nologin", user])
    if group and group not in _groups_of(user):
        commands.append(["usermod", "--append", "--groups", group, user])
    for place in writes:
        if not _is_there(place):
            if place != state:
                shared = place == settings.STORE and group
                group_of = ["--group", group, "--mode", "0750"] if shared else ["--mode", mode]
                commands.append(["install", "--directory", "--owner", user, *group_of, str(place)])
        elif place == writes[0] and (entry is None or place.stat().st_uid != entry.pw_uid):
            commands.append(["chown", "--recursive", f"{user}:", str(place)])
    if commands:
        yield _("Before the first start, as root:")
        yield from (f"  {shlex.join(words)}" for words in commands)
    for place in writes:
        if any(place.is_relative_to(temporary) for temporary in TEMPORARY):
            yield _("%(place)s lies where the unit has a directory of its own (PrivateTmp): choose another place.") % {
                "place": place
            }
    for place in dict.fromkeys([Path(sys.prefix), Path(sys.base_prefix), settings.BASE_DIR]):
        if closed := _closed_to(entry.pw_uid if entry is not None else None, place):
            yield _(
                "The user %(user)s can't enter %(place)s, where the program lies: install it elsewhere, as in /opt."
            ) % {
                "user": user,
                "place": closed,
            }


def _groups_of(user: str) -> set[str]:
    return {group.gr_name for group in grp.getgrall() if user in group.gr_mem}


def _reload_program() -> list[Path]:
    return [Path(word) for word in settings.RELOAD_COMMAND[:1] if word.startswith("/")]


def _about_the_reload_command() -> Iterator[str]:
    yield from _about(settings.RELOAD_COMMAND)


def _about(command: list[str]) -> Iterator[str]:
    """What a command that is started will miss in the sandbox."""
    if any(Path(word).name in BECOMES_ANOTHER for word in command):
        yield _("%(command)s fails in the sandbox: use the server's control socket (README, “As a service”).") % {
            "command": shlex.join(command)
        }
    if any(f"{temporary}/" in word for word in command for temporary in TEMPORARY):
        yield _("%(command)s names a file in /tmp, and the unit has one of its own (PrivateTmp): use one in /run.") % {
            "command": shlex.join(command)
        }


def _boot_id_is_mounted() -> bool:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == str(timekeeping.BOOT_ID) for line in mounts)


def _is_there(place: Path) -> bool:
    """Also where it can't be seen by whom this command goes on as."""
    try:
        return place.exists()
    except OSError:
        return True


def _closed_to(uid: int | None, place: Path) -> Path | None:
    """The first directory on the way, or the place itself, that this user may not pass through; None where there is none."""
    for directory in [*reversed(place.parents), place]:
        try:
            there = directory.stat()
        except OSError:
            return directory
        if not there.st_mode & (stat.S_IXUSR if there.st_uid == uid else stat.S_IXOTH):
            return directory
    return None
