"""What a delivery method is: the one protocol that everything else of the product asks (rule delivery-methods).

Pure: no Django, no clock, no disk, no network (rule pure-core). A driver is one module of this package; its name is the name of
the module and stands in the rows of the terminal types. What its terminals ask a configuration server for is told in
`terminals.drivers.configuration`.
"""

import enum
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from terminals.drivers.configuration import ConfigurationFiles

_MAC = re.compile(r"[0-9A-F]{12}")
_BETWEEN = re.compile(r"[:\-. ]")

UNEVEN_BY = timedelta(minutes=5)
"""So much sooner than its time a telephone may ask by itself."""


def gettext_noop(text: str) -> str:
    """Mark a text for the catalogue; who shows it translates it. Django's own would make the drivers depend on Django."""
    return text


def mac_of(text: str) -> str | None:
    """The MAC as twelve upper-case hex digits, however it is written (colons, dashes, dots, spaces, none); None where it is none."""
    digits = text.upper() if text.isalnum() else _BETWEEN.sub("", text).upper()
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


class AnchorsCome(enum.StrEnum):
    """How several trust anchors reach a terminal."""

    TOGETHER = "together"
    """All in one trust file, behind one URL."""
    IN_TURN = "in_turn"
    """A trust file for each, of which the configuration names one at a time (rule anchors-in-turn)."""
    EACH = "each"
    """A trust file for each, and the configuration names all of them."""
    INLINE = "inline"
    """They stand in the configuration itself, so that who has taken that has taken them (rule inline-anchors)."""

    @property
    def names_each(self) -> bool:
        """Whether the configuration names, or holds, each of them by itself."""
        # A set of members would call Python for the hash of each, for every file of every telephone.
        return self is AnchorsCome.EACH or self is AnchorsCome.INLINE


class FirstNotify(enum.StrEnum):
    """What a NOTIFY does to a terminal that has not read the configuration of pbxcerts yet (rule first-notify)."""

    AS_ALWAYS = "as_always"
    RESTARTS = "restarts"
    """It restarts by it, until it has read not to."""
    DANGEROUS = "dangerous"
    """A setting of its own may make more of it than a restart: it is not notified before it has come by itself."""


@dataclass(frozen=True)
class Capabilities:
    """What terminals of a method can do, as data. A terminal type may say less of its own terminals, never more.

    `restarts`: its delivery restarts the terminal, so it waits for the window of the night. `first_notify`: what a NOTIFY does
    before it has read the configuration of pbxcerts once. `answers_within`: how long a terminal that has heard the NOTIFY may take
    until it has confirmed. `formats`: of the trust file, the usual one first. `come`: how several
    trust anchors reach a terminal. `replaces`: new ones take the place of all that came before; else they are added to them.
    `anchors`: how many trust anchors a terminal takes from one file, `largest_file` how many bytes, and `holds` how many trust
    anchors that are not its maker's it can hold at all; None where no limit is known. `asks_every`: how often it asks by itself,
    None where it does not or nobody knows (rule reach). `empties`: a configuration file can make it delete all trust anchors that are
    not its maker's (rule emptied-list). `counts_from_restart`: what it has taken counts when it has restarted, and not before; then
    `polls_apart` is how long it leaves at least between two times that it asks by itself, whoever sets that, and `restarts_by` what the
    event string of a NOTIFY has to say that makes it restart (rule shown-restart).
    """

    confirmation: Confirmation
    restarts: bool
    answers_within: timedelta
    formats: tuple[TrustFormat, ...]
    replaces: bool
    anchors: int | None = None
    largest_file: int | None = None
    come: AnchorsCome = AnchorsCome.TOGETHER
    holds: int | None = None
    first_notify: FirstNotify = FirstNotify.AS_ALWAYS
    asks_every: timedelta | None = None
    empties: bool = False
    counts_from_restart: bool = False
    polls_apart: timedelta | None = None
    restarts_by: str = ""

    def __post_init__(self) -> None:
        """A handover hands out the old and the new trust anchor. Where the second would drive out the first, it cost calls."""
        in_one_file = self.come is AnchorsCome.TOGETHER
        if (
            in_one_file
            and self.replaces
            and not (all(form.holds_several for form in self.formats) and self.anchors != 1)
        ):
            raise ValueError("a file that takes the place of the one before must hold several trust anchors")
        if self.come is AnchorsCome.IN_TURN and self.replaces:
            raise ValueError("trust anchors that come in turn must be added to those that came before")
        if self.empties and (self.come is not AnchorsCome.IN_TURN or self.holds is None):
            raise ValueError("only a list that fills up, of trust anchors that come in turn, has to be emptied")
        if self.counts_from_restart and self.polls_apart is None:
            raise ValueError("a restart is told from a poll by how soon it comes after the one before")
        if self.holds is not None and self.holds < 2:
            raise ValueError("a terminal that changes from one trust anchor to the next without a gap must hold both")
        if self.come.names_each and self.holds is not None and self.holds < 3:
            raise ValueError(
                "a terminal that is told all at once must hold the one served before, the served one and the next"
            )

    @property
    def restarts_within(self) -> timedelta:
        """One that takes the same again sooner than this has restarted, and has not asked by itself (rule shown-restart)."""
        return (self.polls_apart or timedelta(0)) - UNEVEN_BY

    @property
    def automatic(self) -> bool:
        """Whether it confirms without a person."""
        return self.confirmation is not Confirmation.PERSON


@dataclass(frozen=True)
class CheckSwitch:
    """That a configuration file can turn on that a terminal checks where certificates come from (rule checking).

    `restarts`: that is told in the window of the night, because a change restarts the terminal, or a restart makes what it holds
    count. `covers_files`: the check is of the server of its configuration too, so that a terminal that comes back over TLS has
    shown that it trusts, and one that refuses ours can't fetch what takes the check back. `may_be_ignored`: newer firmware may not know
    it, and nothing would show that (rule ladder). `means`: what is turned on, a text of the catalogue.
    """

    restarts: bool
    covers_files: bool
    may_be_ignored: bool
    means: str


@dataclass(frozen=True)
class Checks:
    """Whether a terminal checks a server's certificate at all, as its maker sends it out and our configuration leaves it (rule ladder).

    `told`: a text of the catalogue, "" where nothing is known; `always`: no setting turns it off; `switch`: what turns it on by
    configuration, None where nothing does, or it checks anyway.
    """

    told: str = ""
    always: bool = False
    switch: CheckSwitch | None = None


class Reaction(enum.StrEnum):
    """What the final response to a NOTIFY means for the rollout (rule reactions). `IN_CALL`: none was sent, because the communication
    server says that it is in a call (rule kamailio-asked).
    """

    HEARD = "heard"
    ABSENT = "absent"
    BUSY = "busy"
    IN_CALL = "in_call"
    REFUSED = "refused"
    CREDENTIALS = "credentials"
    NOT_SUPPORTED = "not_supported"
    OVERLOADED = "overloaded"
    OTHER = "other"


# -- the protocol ------------------------------------------------------------------------------------------------------


class DeliveryDriver(Protocol):
    """`label` and `summary` are for the pages, `note` is a paragraph for the page of each type or "", `silence` what it can mean
    that a terminal answers nothing to a NOTIFY, `sureness` how sure all this is: texts of the catalogue. `source`: where it is
    from, as it is called; "" where that is pbxcerts itself. `checks`: whether its terminals check at all. `in_call`: what a restart of
    its delivery, or of a change of the check, does to a call that the terminal carries; "" where none of them restarts it.

    `files` is None where terminals of the method ask for no configuration file. `ouis`: with what the MAC addresses of its
    makers begin, as the IEEE has assigned it (OUI: six hexadecimal digits, upper case). They say who may have made a telephone
    and prove nothing; empty where terminals of any maker are meant.
    """

    name: str
    label: str
    summary: str
    note: str
    silence: str
    sureness: str
    source: str
    checks: Checks
    in_call: str
    capabilities: Capabilities
    files: ConfigurationFiles | None
    ouis: frozenset[str]

    def event(self, configured: str) -> str:
        """The value of the Event header of the NOTIFY, "" where none is sent; `configured` is the terminal type's."""
        ...
