"""The files that terminals ask their configuration server for: what they are called, what stands in them, who gives them out.

ConfigurationError(fault, line)
├── MarkedBlockError    the marked block of a file is not as pbxcerts left it
└── OwnLinesError       own lines that cannot be served so
"""

import enum
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol

BEGIN = "# pbxcerts begin"
END = "# pbxcerts end"
"""Between them stand the lines that pbxcerts answers for, in files where # begins a comment; nobody's own line."""
# Whatever stands before an @: who writes a password there by hand does not escape the characters that end it.
_USERINFO = re.compile(r"://\S*@")


class FileOf(enum.StrEnum):
    """Whose a configuration file is."""

    ALL = "all"
    MODEL = "model"
    TERMINAL = "terminal"


class ConfigurationFile(NamedTuple):
    """What the name of a requested file says. `model` and `mac` are empty where it does not name them."""

    of: FileOf
    model: str = ""
    mac: str = ""


class UserAgent(NamedTuple):
    """What a telephone says of itself. It names one, but proves nothing (rule user-agent). `is_meant`: whether the files are for its
    model; one that reads them and has other parameters would take nothing by them.
    """

    model: str
    mac: str
    firmware: str
    is_meant: bool = True


class TrustAnchor(NamedTuple):
    """One certificate that a telephone is to trust: what it is, where it can be fetched alone, and its place among ours.

    `place` stays the same for as long as the certificate is handed out, and no other that is handed out has it (rule places-of-anchors).
    """

    pem: str
    url: str
    place: int


class PhoneTls(NamedTuple):
    """What a telephone needs to talk TLS: the URL of its trust file, what is in that, and the server where pbxcerts may name it.

    `anchors`: that of the served pair first, for those that take each by itself (`terminals.drivers.base.AnchorsCome`). `emptied`:
    the places of those that are trusted no longer (rule places-of-anchors). `checking`: whether it is to check where certificates
    come from; None: nothing is said of it (rule checking). `empties`: it is to delete all trust anchors that are not its maker's, and is
    named none in the same file (rule emptied-list).
    """

    trust_url: str
    proxy_host: str = ""
    proxy_port: int = 5061
    anchors: tuple[TrustAnchor, ...] = ()
    emptied: tuple[int, ...] = ()
    checking: bool | None = None
    empties: bool = False


class ConfigurationFault(enum.StrEnum):
    BLOCK_DOUBLED = "block_doubled"
    BLOCK_CUT = "block_cut"
    BLOCK_EDITED = "block_edited"
    LINE_SYNTAX = "line_syntax"
    LINE_IS_OURS = "line_is_ours"
    LINE_HOLDS_SECRET = "line_holds_secret"  # noqa: S105 - a code, no secret


class ConfigurationError(ValueError):
    """`fault` says what is wrong, `line` where (from 1; 0 where it is the whole file)."""

    def __init__(self, fault: ConfigurationFault, line: int = 0) -> None:
        super().__init__(f"{fault.value} (line {line})" if line else fault.value)
        self.fault = fault
        self.line = line


class MarkedBlockError(ConfigurationError):
    pass


class OwnLinesError(ConfigurationError):
    pass


class OwnLines(Protocol):
    """The administrator's own lines within a file that is pbxcerts' alone (rule own-lines). `form`: how one looks."""

    form: str

    def checked(self, text: str, *, path_is_secret: bool) -> list[str]:
        """The lines as they go into the file. Raises OwnLinesError."""
        ...

    def served(self, text: str, *, path_is_secret: bool) -> list[str]:
        """The lines that are given out: those that hold a secret under the secret path alone. Raises OwnLinesError."""
        ...

    def hold_secret(self, line: str) -> bool:
        """Whether this line must not be readable by others."""
        ...


@dataclass(frozen=True)
class NamedLines:
    """Own lines of which each gives a parameter its value; those that begin with # are comments.

    `line`: what one has to be. `name_of`: the parameter that it sets, in lower case. `ours`: those that pbxcerts answers for.
    `secret`: what names of those that hold one have in them.
    """

    form: str
    line: re.Pattern[str]
    name_of: Callable[[str], str]
    ours: frozenset[str]
    secret: re.Pattern[str]
    _names_secret: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Kept, as thousands of telephones have lines for the same few parameters.
        names_secret = lru_cache(maxsize=1024)(lambda name: self.secret.search(name) is not None)
        object.__setattr__(self, "_names_secret", names_secret)

    def checked(self, text: str, *, path_is_secret: bool) -> list[str]:
        """Raises OwnLinesError with the line's number (rule own-lines)."""
        checked = []
        for number, line, name in self._named(text):
            if not path_is_secret and self._holds_secret(name, line):
                raise OwnLinesError(ConfigurationFault.LINE_HOLDS_SECRET, number)
            checked.append(line)
        return checked

    def served(self, text: str, *, path_is_secret: bool) -> list[str]:
        named = self._named(text)
        return [line for _number, line, name in named if path_is_secret or not self._holds_secret(name, line)]

    def hold_secret(self, line: str) -> bool:
        return self._holds_secret(self.name_of(line), line)

    def _named(self, text: str) -> Iterator[tuple[int, str, str]]:
        """The number of each line, the line, and what it sets."""
        for number, raw in enumerate(text.splitlines(), start=1):
            line = raw.strip()
            if not line or line.startswith("#"):
                if line in {BEGIN, END}:
                    raise OwnLinesError(ConfigurationFault.LINE_IS_OURS, number)
                continue
            if not self.line.fullmatch(line):
                raise OwnLinesError(ConfigurationFault.LINE_SYNTAX, number)
            name = self.name_of(line)
            if name in self.ours:
                raise OwnLinesError(ConfigurationFault.LINE_IS_OURS, number)
            yield number, line, name

    def _holds_secret(self, name: str, line: str) -> bool:
        """By the name of the parameter that it sets, or by a URL with userinfo (RFC 3986 section 3.2.1) in its value."""
        return self._names_secret(name) or ("://" in line and _USERINFO.search(line) is not None)


class MarkedBlock(Protocol):
    """Our lines within a file of another configuration server (rule configuration-folder)."""

    def put(self, content: bytes, tls: PhoneTls) -> bytes:
        """The file with our block in it, every other byte as it was; the same bytes where nothing changes. Raises MarkedBlockError,
        also where somebody has edited the block.
        """
        ...


@dataclass(frozen=True)
class WayIn:
    """How a person brings telephones to ask pbxcerts, once.

    `title`, `where` and `does` are texts of the catalogue; `line` is to be pasted as it stands.
    """

    title: str
    where: str
    line: str
    does: str


class ConfigurationFiles(Hashable, Protocol):
    """How terminals ask their configuration server, and what they read.

    `pattern` is a regular expression for the names of their files as they stand in a path. `names_server`: whether the files name
    the communication server, where pbxcerts is told it. `own_lines` and `block` are None where there is no such thing for them.
    """

    pattern: str
    media_type: str
    names_server: bool
    own_lines: OwnLines | None
    block: MarkedBlock | None

    def requested(self, name: str) -> ConfigurationFile:
        """What a name says that fits `pattern`."""
        ...

    def telephone(self, user_agent: str) -> UserAgent | None:
        """What a User-Agent says; None where it is none of this method's telephones."""
        ...

    def content(self, file: ConfigurationFile, tls: PhoneTls | None, *, own_lines: Sequence[str] = ()) -> bytes:
        """A file that is pbxcerts' alone; one that sets nothing where there is nothing to say to who asks."""
        ...

    def ways_in(self, url: str) -> Sequence[WayIn]:
        """How telephones are brought to ask at this URL, which has no slash at its end; none where the guide alone says it."""
        ...
