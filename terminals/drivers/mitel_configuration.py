"""Configuration files of Mitel SIP phones as text: what pbxcerts serves, and the block that it keeps in the files of others.

One `name: value` a line; `^name` also resets what was set at the phone itself, so that a left-over cannot hide a new
certificate (Mitel 6800 administrator guide 4.2 SP2, "Configuration files"). A phone reads `startup.cfg` (older firmware
`aastra.cfg`), `<model>.cfg` and `<MAC>.cfg`, and then, at boot only, the files that these name.

ConfigurationError(code)
├── BlockError      the marked block of a file is not as pbxcerts left it
└── LinesError      own lines that cannot be served so
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

BEGIN = "# pbxcerts begin"
END = "# pbxcerts end"

_MAC = re.compile(r"[0-9A-F]{12}")
_SECRET = re.compile(r"password|passwd|\bpin\b|private key|\bsecret\b", re.IGNORECASE)
_LINE = re.compile(r"[!^]?[A-Za-z][^:\n]*:.*")


class ConfigurationCode(enum.StrEnum):
    BLOCK_DOUBLED = "block_doubled"
    BLOCK_CUT = "block_cut"
    BLOCK_EDITED = "block_edited"
    LINE_SYNTAX = "line_syntax"
    LINE_IS_OURS = "line_is_ours"
    LINE_HOLDS_SECRET = "line_holds_secret"  # noqa: S105 - a code, no secret


class ConfigurationError(ValueError):
    """`code` says what is wrong, `line` where (from 1; 0 where it is the whole file)."""

    def __init__(self, code: ConfigurationCode, line: int = 0) -> None:
        super().__init__(f"{code.value} (line {line})" if line else code.value)
        self.code = code
        self.line = line


class BlockError(ConfigurationError):
    pass


class LinesError(ConfigurationError):
    pass


@dataclass(frozen=True)
class Tls:
    """What a phone needs to talk TLS: the URL of its versioned trust file, and the server where pbxcerts may name it."""

    trust_url: str
    proxy_host: str = ""
    proxy_port: int = 5061


OURS = (
    "sips trusted certificates",
    "https user certificates",
    "https validate certificates",
    "https validate hostname",
    "https validate expires",
)
"""Never an own line. How the phone reaches the server may be one: ours comes later and wins where a proxy is named."""


def parameters(tls: Tls) -> list[str]:
    """The lines that pbxcerts answers for, in the order in which they are written.

    Both trust stores are named: a phone whose second store is not renewed could not fetch the next file over HTTPS. The
    file's name changes with its content, because a phone may not fetch again what has the name it knows.
    """
    lines = [
        f"^sips trusted certificates: {tls.trust_url}",
        f"^https user certificates: {tls.trust_url}",
        "^https validate certificates: 1",
        "^https validate hostname: 1",
        "^https validate expires: 1",
    ]
    if tls.proxy_host:
        lines += [
            "^sip transport protocol: 4",
            "^sips persistent tls: 1",
            f"^sip outbound proxy: {tls.proxy_host}",
            f"^sip outbound proxy port: {tls.proxy_port}",
        ]
    return lines


def configuration(tls: Tls, *, own_lines: Sequence[str] = ()) -> str:
    """A file that is pbxcerts' alone: the administrator's own lines first, so that ours count (the later line wins)."""
    return "".join(f"{line}\n" for line in [*own_lines, BEGIN, *parameters(tls), END])


def own_lines(text: str, *, path_is_secret: bool) -> list[str]:
    """The administrator's own lines, checked.

    Lines with passwords go only where the path is a secret of the terminal's own. Raises LinesError with the line's number.
    """
    checked = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            if line in {BEGIN, END}:
                raise LinesError(ConfigurationCode.LINE_IS_OURS, number)
            continue
        if not _LINE.fullmatch(line):
            raise LinesError(ConfigurationCode.LINE_SYNTAX, number)
        if _name_of(line) in OURS:
            raise LinesError(ConfigurationCode.LINE_IS_OURS, number)
        if not path_is_secret and holds_secret(line):
            raise LinesError(ConfigurationCode.LINE_HOLDS_SECRET, number)
        checked.append(line)
    return checked


def holds_secret(line: str) -> bool:
    """Whether the parameter that this line sets is a secret, by its name."""
    return _SECRET.search(_name_of(line)) is not None


def _name_of(line: str) -> str:
    return line.partition(":")[0].lstrip("!^").strip().lower()


def with_block(content: bytes, tls: Tls) -> bytes:
    """The file with our block in it, every other byte as it was; the same bytes where nothing changes.

    The block is put at the end, where it counts most. Line ends are those of the file. Raises BlockError where a mark
    stands twice, alone or in the wrong order: then a person has edited it, and nothing is written.
    """
    newline = b"\r\n" if b"\r\n" in content else b"\n"
    block = newline.join(line.encode() for line in [BEGIN, *parameters(tls), END]) + newline
    begins, ends = _marks(content, BEGIN), _marks(content, END)
    if not begins and not ends:
        gap = b"" if not content or content.endswith(b"\n") else newline
        return content + gap + block
    if len(begins) > 1 or len(ends) > 1:
        raise BlockError(ConfigurationCode.BLOCK_DOUBLED)
    if not begins or not ends or ends[0][0] < begins[0][0]:
        raise BlockError(ConfigurationCode.BLOCK_CUT)
    return content[: begins[0][0]] + block + content[ends[0][1] :]


def _marks(content: bytes, mark: str) -> list[tuple[int, int]]:
    """Where the mark stands alone in a line: from its first byte to behind its line end."""
    pattern = rb"^[ \t]*" + re.escape(mark.encode()) + rb"[ \t]*(?:\r?\n|\Z)"
    return [match.span() for match in re.finditer(pattern, content, flags=re.MULTILINE)]


def mac_of(text: str) -> str | None:
    """The MAC as twelve upper-case hex digits, however it is written (colons, dashes, dots, spaces, none); None where it is none."""
    digits = re.sub(r"[:\-. ]", "", text).upper()
    return digits if _MAC.fullmatch(digits) else None


_USER_AGENT = re.compile(
    r"(?:Aastra|Mitel)\s?(?P<model>\w+) MAC:(?P<mac>[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}) V:(?P<firmware>[\w.\-]+)"
)


@dataclass(frozen=True)
class UserAgent:
    model: str
    mac: str
    firmware: str


def user_agent(text: str) -> UserAgent | None:
    """`Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP`; names a phone, but proves nothing."""
    match = _USER_AGENT.match(text)
    if match is None:
        return None
    return UserAgent(match["model"], match["mac"].replace("-", "").upper(), match["firmware"])
