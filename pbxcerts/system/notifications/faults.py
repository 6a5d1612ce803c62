"""Why a message did not arrive, in words: what is wrong, and what to do about it.

NotificationError       a message could not be handed over; `fault` says why, `said` holds the values of its sentence
└── PartlyDelivered     it was handed over, but not for everybody
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

SAID_AT_MOST = 200


class Fault(models.TextChoices):
    """Each with the sentence that says what is wrong and what to do; stored with the values of its placeholders."""

    NAME_UNKNOWN = "name_unknown", _("The name %(host)s is not known. Check its spelling and the DNS of this machine.")
    REFUSED = "refused", _("Nothing answers at %(host)s, port %(port)s. Check the port and whether the server runs.")
    UNREACHABLE = (
        "unreachable",
        _("%(host)s can't be reached: %(said)s. Check the address, the network and the firewall."),
    )
    NO_ANSWER = (
        "no_answer",
        _("There was no answer within %(seconds)s seconds. Check the address, the port and the firewall."),
    )
    DROPPED = (
        "dropped",
        _("The server has closed the connection in the middle. Check its log, and the port and the encryption here."),
    )
    TLS = (
        "tls",
        _(
            "No encrypted connection comes about: %(said)s. Check the port and the kind of encryption: with STARTTLS it is usually"
            " port 587, with TLS 465."
        ),
    )
    CERTIFICATE = (
        "certificate",
        _(
            "This machine does not trust the server's certificate: %(said)s. Use the name that stands in the certificate, or add"
            " its root to the trusted certificates of this machine's operating system."
        ),
    )
    NO_STARTTLS = "no_starttls", _("The mail server offers no STARTTLS. Choose TLS and its port, or no encryption.")
    NO_LOGIN = (
        "no_login",
        _("The mail server offers no log-in here. Leave out the user, or choose the port for sending (587)."),
    )
    LOGIN_REFUSED = (
        "login_refused",
        _("The mail server refuses user and password: “%(said)s”. Enter both again."),
    )
    SENDER_REFUSED = (
        "sender_refused",
        _(
            "The mail server refuses the sender %(address)s: “%(said)s”. Use an address that this account may send from."
        ),
    )
    RECIPIENTS_REFUSED = (
        "recipients_refused",
        _("The mail server refuses recipients (%(address)s): “%(said)s”. Check their addresses."),
    )
    MESSAGE_REFUSED = "message_refused", _("The server refuses the message: “%(said)s”. Its log says more.")
    HTTP_STATUS = (
        "http_status",
        _("The server answered with status %(status)s (%(said)s). Check the URL, and what the server expects."),
    )
    REDIRECT = (
        "redirect",
        _("The server sends on to another address (status %(status)s), which is not followed. Enter the final URL."),
    )
    NO_HTTP = "no_http", _("What answers there does not speak HTTP. Check the port, and whether it is http or https.")
    NO_SOCKET = (
        "no_socket",
        _(
            "There is no syslog socket %(path)s that can be written: %(said)s. Start the syslog service, or name its socket."
        ),
    )
    SERVICE_REFUSED = (
        "service_refused",
        _(
            "The service did not take the message: “%(said)s”. Check the URL: what it names may be withdrawn or misspelt."
        ),
    )
    URL_WRONG = "url_wrong", _("Apprise does not understand the URL. Enter it anew.")
    KEY_LOST = (
        "key_lost",
        _("Its stored credentials can't be decrypted with the key list of this installation. Enter them anew."),
    )
    INTERRUPTED = (
        "interrupted",
        _("The process that sends it was ended in the middle each time. The log of pbxcerts may say why."),
    )
    UNEXPECTED = "unexpected", _("An error that nobody has thought of: %(said)s. The log of pbxcerts says more.")


class NotificationError(Exception):
    def __init__(self, fault: Fault, **said: str | int) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.said = said


class PartlyDelivered(NotificationError):
    pass


def fault_text(fault: str, said: Mapping[str, Any]) -> str:
    """The sentence in the reader's language; a fault of another version is shown by its name, a value it lacks as a dash."""
    if fault not in Fault.values:
        return fault
    values = dict.fromkeys(("host", "port", "said", "seconds", "address", "status", "path"), "\N{EN DASH}")
    return str(Fault(fault).label) % (values | dict(said))


def in_one_line(text: str, *, at_most: int = SAID_AT_MOST) -> str:
    """What another program said, as it may stand on a page and in a header: no control characters, not endless."""
    seen = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text[: 20 * at_most])
    words = " ".join(seen.split())
    return words if len(words) <= at_most else words[: at_most - 1] + "…"


def without(secrets: Iterable[str], text: str) -> str:
    """The text with each of these left out, the longest first: a server may repeat what it was told."""
    for secret in sorted({one for one in secrets if len(one) > 2}, key=len, reverse=True):
        text = text.replace(secret, "…")
    return text
