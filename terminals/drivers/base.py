"""What a delivery method is: the one protocol that everything else of the product asks (rule delivery-methods).

Pure: no Django, no clock, no disk, no network (rule pure-core). A driver is one module of this package; its name is the name of
the module and stands in the rows of the terminal types.

ConfigurationError(fault, line)
├── MarkedBlockError    the marked block of a file is not as pbxcerts left it
└── OwnLinesError       own lines that cannot be served so
"""

import enum
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

_MAC = re.compile(r"[0-9A-F]{12}")


def gettext_noop(text: str) -> str:
    """Mark a text for the catalogue; who shows it translates it. Django's own would make the drivers depend on Django."""
    return text


def mac_of(text: str) -> str | None:
    """The MAC as twelve upper-case hex digits, however it is written (colons, dashes, dots, spaces, none); None where it is none."""
    digits = re.sub(r"[:\-. ]", "", text).upper()
    return digits if _MAC.fullmatch(digits) else None


# -- what a method does ------------------------------------------------------------------------------------------------


class Confirmation(enum.StrEnum):
    """What shows that a terminal trusts the trust anchors that it was given."""

    FETCH = "fetch"
    """It has fetched the trust file that its own configuration names (rules versioned-file, acknowledged)."""
    PROOF = "proof"
    """It has reported its trust anchors, and connected to the certificate that comes next (rule report-then-proof)."""
    PERSON = "person"
    """A person says so."""


class TrustFormat(enum.StrEnum):
    PEM = "pem"
    DER = "der"
    P7B = "p7b"
    """PKCS#7 (RFC 2315), certificates only."""

    @property
    def holds_several(self) -> bool:
        """Whether one file can hold more than one certificate."""
        return self is not TrustFormat.DER


@dataclass(frozen=True)
class Capabilities:
    """What terminals of a method can do, as data. A terminal type may say less of its own terminals, never more.

    `restarts`: its delivery restarts the terminal, so it waits for the window of the night. `answers_within`: how long a terminal
    that has heard the NOTIFY may take until it has confirmed. `formats`: of the trust file, the usual one first. `replaces`: a new
    trust file takes the place of all trust anchors that came before it; else it is added to them. `anchors`: how many trust
    anchors a terminal takes from one file, and `largest_file` how many bytes; None where no limit is known.
    """

    confirmation: Confirmation
    restarts: bool
    answers_within: timedelta
    formats: tuple[TrustFormat, ...]
    replaces: bool
    anchors: int | None = None
    largest_file: int | None = None

    def __post_init__(self) -> None:
        """A handover hands out the old and the new trust anchor. Where the second would drive out the first, it cost calls."""
        if self.replaces and not (all(form.holds_several for form in self.formats) and self.anchors != 1):
            raise ValueError("a file that takes the place of the one before must hold several trust anchors")

    @property
    def automatic(self) -> bool:
        """Whether it confirms without a person."""
        return self.confirmation is not Confirmation.PERSON


class Reaction(enum.StrEnum):
    """What the final response to a NOTIFY means for the rollout (rule reactions)."""

    HEARD = "heard"
    ABSENT = "absent"
    BUSY = "busy"
    REFUSED = "refused"
    CREDENTIALS = "credentials"
    NOT_SUPPORTED = "not_supported"
    OVERLOADED = "overloaded"
    OTHER = "other"


# -- the files that a terminal asks its configuration server for -------------------------------------------------------


class FileOf(enum.StrEnum):
    """Whose a configuration file is."""

    ALL = "all"
    MODEL = "model"
    TERMINAL = "terminal"


@dataclass(frozen=True)
class ConfigurationFile:
    """What the name of a requested file says. `model` and `mac` are empty where it does not name them."""

    of: FileOf
    model: str = ""
    mac: str = ""


@dataclass(frozen=True)
class Telephone:
    """What a telephone says of itself. It names one, but proves nothing (rule user-agent)."""

    model: str
    mac: str
    firmware: str


@dataclass(frozen=True)
class PhoneTls:
    """What a telephone needs to talk TLS: the URL of its trust file, and the server where pbxcerts may name it."""

    trust_url: str
    proxy_host: str = ""
    proxy_port: int = 5061


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


class ConfigurationFiles(Hashable, Protocol):
    """How terminals ask their configuration server, and what they read.

    `pattern` is a regular expression for the names of their files as they stand in a path.
    """

    pattern: str
    media_type: str

    def requested(self, name: str) -> ConfigurationFile:
        """What a name says that fits `pattern`."""
        ...

    def telephone(self, user_agent: str) -> Telephone | None:
        """What a User-Agent says; None where it is none of this method's telephones."""
        ...

    def content(self, tls: PhoneTls, *, own_lines: Sequence[str] = ()) -> bytes:
        """A file that is pbxcerts' alone."""
        ...

    def own_lines(self, text: str, *, path_is_secret: bool) -> list[str]:
        """The administrator's own lines, checked. Raises OwnLinesError (rule own-lines)."""
        ...

    def holds_secret(self, line: str) -> bool:
        """Whether this own line must not be readable by others."""
        ...

    def with_block(self, content: bytes, tls: PhoneTls) -> bytes:
        """A file of another configuration server with our block in it, every other byte as it was; the same bytes where nothing
        changes. Raises MarkedBlockError, also where somebody has edited the block (rule configuration-folder).
        """
        ...


# -- the protocol ------------------------------------------------------------------------------------------------------


class DeliveryDriver(Protocol):
    """`label` and `summary` are for the pages, `note` is a paragraph for the page of each type or "", `silence` what it can mean
    that a terminal answers nothing to a NOTIFY: texts of the catalogue.

    `files` is None where terminals of the method ask for no configuration file. `ouis`: with what the MAC addresses of its
    makers begin, as the IEEE has assigned it (OUI: six hexadecimal digits, upper case). They say who may have made a telephone
    and prove nothing; empty where terminals of any maker are meant.
    """

    name: str
    label: str
    summary: str
    note: str
    silence: str
    capabilities: Capabilities
    files: ConfigurationFiles | None
    ouis: frozenset[str]

    def event(self, configured: str) -> str:
        """The value of the Event header of the NOTIFY, "" where none is sent; `configured` is the terminal type's."""
        ...
