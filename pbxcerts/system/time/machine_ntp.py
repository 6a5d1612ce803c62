"""The NTP servers that this machine asks itself, as chrony and systemd-timesyncd are configured; to be offered, not to be taken."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ETC = Path("/etc")
# chrony.conf(5): directives server, pool, peer; names of DHCP and other places are not in it.
CHRONY = ("chrony/chrony.conf", "chrony.conf", "chrony/conf.d/*.conf", "chrony/sources.d/*.sources")
# timesyncd.conf(5): NTP= and, where that is empty, FallbackNTP=.
TIMESYNCD = ("systemd/timesyncd.conf", "systemd/timesyncd.conf.d/*.conf")
MOST = 4
_CHRONY_LINE = re.compile(r"^[ \t]*(?:server|pool|peer)[ \t]+(\S+)", re.MULTILINE)
_TIMESYNCD_LINE = re.compile(r"^[ \t]*(?:Fallback)?NTP[ \t]*=(.+)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")


def configured_servers(etc: Path = ETC) -> list[str]:
    """At most four, as names or addresses. What cannot be read is passed over."""
    found = [name for text in _texts(etc, CHRONY) for name in _CHRONY_LINE.findall(text)]
    found += [
        name for text in _texts(etc, TIMESYNCD) for line in _TIMESYNCD_LINE.findall(text) for name in line.split()
    ]
    return list(dict.fromkeys(filter(_NAME.fullmatch, found)))[:MOST]


def _texts(etc: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        for file in sorted(etc.glob(pattern)):
            with suppress(OSError):
                yield file.read_text(encoding="utf-8", errors="replace")
