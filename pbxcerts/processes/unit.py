"""The text of a systemd unit (systemd.unit(5), systemd.service(5), systemd.exec(5)): pure, so that every installation can be
tried. Rule sandbox says what is shut and why something is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))
"""What ProtectHome= hides (systemd.exec(5))."""
STATE = Path("/var/lib")
_STATE_NAME = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@=,+\[\]-]+")


class UnfitForUnit(ValueError):
    """What can't be written in a unit. The argument is the text."""


@dataclass(frozen=True)
class Service:
    """What a unit is about. Paths are absolute.

    `writes`: directories that it writes to; `may_write`: those without which it starts all the same, as on another machine's disk; `state`: the one among them that systemd makes, which must lie below /var/lib.
    `needs`: what else it must see. `gives_away`: whether it gives files to another group or user.
    """

    description: str
    user: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    writes: Sequence[Path] = ()
    may_write: Sequence[Path] = ()
    needs: Sequence[Path] = ()
    state: Path | None = None
    state_mode: str = "0700"
    notifies: bool = True
    privileged_port: bool = False
    gives_away: bool = False
    boot_id_is_mounted: bool = False
    """In a container that shows a boot ID of its own, by a file that is mounted over the kernel's."""
    to_do: Sequence[str] = ()
    """Sentences and commands for whoever installs it, as comments above it."""


def unit(service: Service) -> str:
    """Raises UnfitForUnit."""
    return "\n".join(
        [
            *_comments(service.to_do),
            "[Unit]",
            f"Description={service.description}",
            "Wants=network-online.target",
            "After=network-online.target",
            f"RequiresMountsFor={_paths(service.writes)}",
            # Whatever is in the way at first (a port, a disk, a database) may be gone later.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            *_starting(service),
            "",
            *_sandbox(service),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def state_directory(place: Path) -> Path | None:
    """The directory itself where systemd can make it (StateDirectory=); None elsewhere."""
    if not place.is_relative_to(STATE) or place == STATE or place.resolve() != place:
        return None
    return place if _STATE_NAME.fullmatch(str(place.relative_to(STATE))) else None


def _starting(service: Service) -> Iterator[str]:
    yield "Type=notify" if service.notifies else "Type=exec"
    yield f"User={service.user}"
    if service.groups:
        yield f"SupplementaryGroups={' '.join(service.groups)}"
    yield "UMask=0077"
    program, *arguments = service.command
    # In the path of the program itself no variable is replaced.
    yield f"ExecStart={' '.join([_word(program), *(_word(argument, '$') for argument in arguments)])}"
    for name, value in service.environment.items():
        yield f"Environment={_word(f'{name}={value}')}"
    if service.state is not None:
        yield f"StateDirectory={service.state.relative_to(STATE)}"
        yield f"StateDirectoryMode={service.state_mode}"
    yield "Restart=always"
    yield "RestartSec=10"
    if service.notifies:
        yield "TimeoutStartSec=15min"
        yield "WatchdogSec=2min"
    yield "TimeoutStopSec=90"
    yield "# It ends its own processes; a server that its command has started lives on."
    yield "KillMode=process"
    yield "OOMPolicy=continue"
    yield "LimitNOFILE=65536"


def _sandbox(service: Service) -> Iterator[str]:
    capability = "CAP_NET_BIND_SERVICE" if service.privileged_port else ""
    seen = [
        *service.writes,
        *service.may_write,
        *service.needs,
        *(Path(word) for word in service.command if word.startswith("/")),
    ]
    at_home = any(place.is_relative_to(home) for place in seen for home in HOMES)
    written = [place for place in service.writes if place != service.state]
    yield "# The sandbox, which holds every program that it starts too: sudo and setuid programs fail in it."
    yield "NoNewPrivileges=yes"
    yield f"CapabilityBoundingSet={capability}"
    if capability:
        yield f"AmbientCapabilities={capability}"
    yield "ProtectSystem=strict"
    if written:
        yield f"ReadWritePaths={_paths(written)}"
    if service.may_write:
        yield f"ReadWritePaths={_paths(service.may_write, ignored='-')}"
    yield f"ProtectHome={'read-only' if at_home else 'yes'}"
    yield "# Left out: ProtectProc=, with which its processes could not see, and so not end, each other."
    yield "PrivateTmp=yes"
    yield "PrivateDevices=yes"
    yield "PrivateMounts=yes"
    if service.boot_id_is_mounted:
        yield "# Left out: ProtectKernelTunables= and ProtectControlGroups=, with which it would see another boot ID than commands do,"
        yield "# because this container has one of its own."
    else:
        yield "ProtectKernelTunables=yes"
        yield "ProtectControlGroups=yes"
    for part in ("Clock", "Hostname", "KernelLogs", "KernelModules"):
        yield f"Protect{part}=yes"
    yield "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
    yield "RestrictNamespaces=yes"
    yield "RestrictRealtime=yes"
    yield "RestrictSUIDSGID=yes"
    yield "LockPersonality=yes"
    yield "MemoryDenyWriteExecute=yes"
    yield "SystemCallArchitectures=native"
    yield "SystemCallFilter=@system-service"
    yield "SystemCallFilter=~@privileged @resources"
    if service.gives_away:
        yield "SystemCallFilter=@chown"
    yield "SystemCallErrorNumber=EPERM"


def _comments(sentences: Iterable[str]) -> Iterator[str]:
    lines = [line for sentence in sentences for line in sentence.splitlines()]
    # One that ends with a backslash would go on in the next line.
    yield from (f"# {line}".rstrip("\\ ") for line in lines)
    if lines:
        yield ""


def _word(text: str, dollar: str = "") -> str:
    """A word of a command line or of Environment=, in quotes where it must be. `dollar`: the character before which another is
    put, where variables are replaced.
    """
    if not text.isprintable():
        raise UnfitForUnit(text)
    escaped = text.replace("%", "%%")
    if dollar:
        escaped = escaped.replace(dollar, dollar * 2)
    if _PLAIN.fullmatch(text):
        return escaped
    return '"{}"'.format(escaped.replace("\\", "\\\\").replace('"', '\\"'))


def _paths(places: Iterable[Path], ignored: str = "") -> str:
    """A list of paths. `ignored`: the character before those that may be missing. Here a backslash stands for itself, so there is no way to write a quote."""
    words = []
    for place in dict.fromkeys(places):
        text = str(place)
        if not text.isprintable() or set(text) & set("\"'\\"):
            raise UnfitForUnit(text)
        escaped = ignored + text.replace("%", "%%")
        words.append(escaped if _PLAIN.fullmatch(text) else f'"{escaped}"')
    return " ".join(words)
