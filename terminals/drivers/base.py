"""What every delivery method answers. Pure: no Django, no clock, no disk, no network (DESIGN 3.7, 4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


class Method(enum.StrEnum):
    """How a terminal gets new trust material, by its disturbance."""

    IP_SYSTEM = "ip_system"
    """Exchanged in service."""
    MITEL_SIP = "mitel_sip"
    """Loads it by itself and restarts."""
    SIP_STANDARD = "sip_standard"
    """A person installs it."""


class Reaction(enum.StrEnum):
    """What an answer to a NOTIFY means for the rollout."""

    HEARD = "heard"
    ABSENT = "absent"
    BUSY = "busy"
    REFUSED = "refused"
    CREDENTIALS = "credentials"
    NOT_SUPPORTED = "not_supported"
    OVERLOADED = "overloaded"
    OTHER = "other"


@dataclass(frozen=True)
class Capabilities:
    """What a method does, as data.

    `automatic`: it confirms without a person. `restarts`: its delivery restarts the terminal, so it waits for the window.
    `answers_within`: how long a terminal that heard the NOTIFY may take until it has confirmed.
    """

    automatic: bool
    restarts: bool
    answers_within: timedelta


class Driver(Protocol):
    method: Method
    capabilities: Capabilities

    def event(self, configured: str) -> str:
        """The value of the Event header of the NOTIFY, "" where none is sent; `configured` is the terminal type's."""
        ...
