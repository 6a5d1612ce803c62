"""The steps of a proof by call, and what can come of each. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self


class ProofStep(enum.StrEnum):
    TLS = "tls"
    OPTIONS = "options"
    REGISTER = "register"
    CALL = "call"
    MEDIA = "media"
    HANG_UP = "hang_up"
    REGISTERED = "registered"
    """The telephones that Kamailio knows, not one of ours."""


class Result(enum.StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(enum.StrEnum):
    """What came of a step; each is a sentence in `words`."""

    OK = "ok"
    # of the connection
    UNREACHED = "unreached"
    NO_CERTIFICATE = "no_certificate"
    OTHER_CERTIFICATE = "other_certificate"
    OTHER_PAIR = "other_pair"
    UNTRUSTED = "untrusted"
    WRONG_NAME = "wrong_name"
    NOT_VALID = "not_valid"
    ENDS_HANDSHAKE = "ends_handshake"
    # of a request
    CLOSED = "closed"
    SILENT = "silent"
    GARBLED = "garbled"
    NO_SIP = "no_sip"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    CREDENTIALS = "credentials"
    REFUSED_BEFORE = "refused_before"
    NO_PASSWORD = "no_password"  # noqa: S105 - what is missing
    RINGS = "rings"
    # of the media
    NO_MEDIA = "no_media"
    NO_KEY = "no_key"
    STRANGE_CAME = "strange_came"
    NOTHING_CAME = "nothing_came"
    LITTLE_CAME = "little_came"
    HUNG_UP = "hung_up"
    # of the telephones
    OLD_CONNECTIONS = "old_connections"
    NOT_ASKED = "not_asked"
    # of a step that was not tried
    NO_ACCOUNT = "no_account"
    NO_NUMBER = "no_number"
    AFTER_FAILURE = "after_failure"
    TIME_IS_UP = "time_is_up"


class ProofOutcome(enum.StrEnum):
    """Of a whole proof: the worst that failed."""

    PROVED = "proved"
    TLS_FAILED = "tls_failed"
    SIP_FAILED = "sip_failed"
    MEDIA_FAILED = "media_failed"
    INTERRUPTED = "interrupted"
    OVERTAKEN = "overtaken"


FAILED = (ProofOutcome.TLS_FAILED, ProofOutcome.SIP_FAILED, ProofOutcome.MEDIA_FAILED)
LONGEST_SAID = 200
"""Characters of what a server says."""


@dataclass(frozen=True)
class StepRecord:
    """One step. `where`: the TLS address; `said`: the server's or the system's words; `sha256`: of the certificate that was seen.
    `sent` and `received` count RTP packets, or telephones: all that are registered, and those that have connected since the switch.
    `encrypted`: whether speech was.
    """

    step: ProofStep
    result: Result
    finding: Finding = Finding.OK
    where: str = ""
    said: str = ""
    seconds: float = 0
    sha256: str = ""
    sent: int = 0
    received: int = 0
    encrypted: bool = False

    def kept(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in ("", 0)}

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Self | None:
        """None for what another version has kept, and this one does not know."""
        try:
            words = {
                "step": ProofStep(kept["step"]),
                "result": Result(kept["result"]),
                "finding": Finding(kept["finding"]),
            }
            return cls(**kept | words)
        except (KeyError, ValueError, TypeError):
            return None


def outcome_of(records: Iterable[StepRecord]) -> ProofOutcome:
    failed = {record.step for record in records if record.result is Result.FAILED}
    if ProofStep.TLS in failed:
        return ProofOutcome.TLS_FAILED
    if failed - {ProofStep.MEDIA}:
        return ProofOutcome.SIP_FAILED
    return ProofOutcome.MEDIA_FAILED if failed else ProofOutcome.PROVED


def in_one_line(said: object, *, without: str = "") -> str:
    """What a server says, as it may be kept and shown: printable, short, and without our password (rule never-elsewhere)."""
    text = "".join(one if one.isprintable() else " " for one in str(said))
    if without:
        text = text.replace(without, "…")
    return text.strip()[:LONGEST_SAID]
