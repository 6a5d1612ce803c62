"""What can go wrong with SIP. Pure.

SipError
├── InvalidNotify      what is to be sent is no SIP: target, sender, event or next hop
├── MalformedMessage   octets are no message that can be taken; `fault` says why
└── HopUnreached       a next hop takes no connection; `silence` says why
"""

import enum


class MessageFault(enum.StrEnum):
    """Why octets are not taken for a message."""

    CUT = "cut"
    TOO_LONG = "too_long"
    GARBLED = "garbled"
    NOT_A_RESPONSE = "not_an_answer"
    NOT_A_REQUEST = "not_a_request"


class Silence(enum.StrEnum):
    """Why there is no final response."""

    TIMEOUT = "timeout"
    """None in 32 s, or the next hop took no connection in time."""
    UNRESOLVED = "unresolved"
    """The next hop's name leads to no address."""
    UNREACHABLE = "unreachable"
    """The network, or the machine there, takes nothing."""
    UNTRUSTED = "untrusted"
    """The next hop presents a certificate that the given context does not trust."""
    CONNECTION_LOST = "connection_lost"
    """While the response was awaited, and once more after connecting again."""


class Unanswered(enum.StrEnum):
    """Why a challenge stays without an answer that is taken, where that says more than that user and password are not right."""

    OTHER_REALM = "other_realm"
    """There are no credentials for the realm that asks."""
    NO_QOP = "no_qop"
    """It asks without qop over a connection that proves nothing (rule challenges)."""
    MUTE = "mute"
    """The challenge was answered, and nothing came back."""


class SipError(Exception):
    pass


class InvalidNotify(SipError):
    pass


class MalformedMessage(SipError):
    def __init__(self, fault: MessageFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class HopUnreached(SipError):
    def __init__(self, silence: Silence, detail: object) -> None:
        super().__init__(f"{silence}: {detail}")
        self.silence = silence
