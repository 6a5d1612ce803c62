"""The words of the panel that an administrator does not bring along, or that could mean two things: each in one sentence. Pages keep to
one word for one thing; the glossary of the catalogue (`pbxcerts/locale/de/glossary.toml`) holds the translation to it (rule one-word).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Term:
    """`name`: its anchor on the page of the terms."""

    name: str
    word: str | Promise
    meaning: str | Promise

    @property
    def url(self) -> str:
        return f"{reverse('help_terms')}#{self.name}"


TERMS = (
    Term(
        "pair",
        _("pair"),
        _("Root certificate and host certificate that were made together and fit each other and nothing else."),
    ),
    Term(
        "generation",
        _("generation"),
        _("A pair by its number: each time that certificates are made, the number grows by one."),
    ),
    Term(
        "proof-by-call",
        _("proof by call"),
        _(
            "pbxcerts telephones by itself as a terminal would, to show that the communication server can be called with the new pair."
        ),
    ),
    Term(
        "root",
        _("root certificate"),
        _("What a telephone must trust so that it accepts the communication server."),
    ),
    Term(
        "host",
        _("host certificate"),
        _("What the communication server identifies itself with; it holds the server's names and addresses."),
    ),
    Term(
        "bundle",
        _("trust bundle"),
        _(
            "One file with the certificates of all pairs that are to be trusted now: during a handover the old and the new."
        ),
    ),
    Term(
        "communication-server",
        _("communication server"),
        _(
            "The telephone system (PBX) that telephones register with; any other server is called by its task, as in NTP server."
        ),
    ),
    Term(
        "store",
        _("store"),
        _("The directory on the disk from which the communication server reads its certificates."),
    ),
    Term(
        "handover",
        _("handover"),
        _("The time in which terminals get the new pair while the communication server still presents the old one."),
    ),
    Term(
        "overlap",
        _("overlap"),
        _("So many days the old pair is still valid after the new one was made."),
    ),
    Term(
        "deadline",
        _("deadline"),
        _("When the communication server is switched at the latest, also where terminals are missing."),
    ),
    Term(
        "switch",
        _("switch of the server"),
        _("The moment in which the communication server presents the new host certificate in place of the old one."),
    ),
    Term(
        "waited-for",
        _("terminals that count"),
        _("Those whose confirmation the switch waits for, up to the deadline."),
    ),
    Term(
        "roll-back",
        _("roll back"),
        _("To let the communication server present the pair before the active one again."),
    ),
    Term(
        "withdraw",
        _("withdraw"),
        _("To say that a private key has leaked: the pair is replaced and nobody goes back to it."),
    ),
    Term(
        "terminal",
        _("terminal"),
        _("A telephone, or a program that is one, in the list of this installation."),
    ),
    Term(
        "delivery-method",
        _("delivery method"),
        _("How a kind of terminal gets its certificates: in service, with a restart, or by hand."),
    ),
    Term(
        "rollout",
        _("rollout"),
        _("One generation on its way to all terminals."),
    ),
    Term(
        "wave",
        _("wave"),
        _("A part of the terminals that is asked together; the next one begins when it went well."),
    ),
    Term(
        "confirmed",
        _("confirmed"),
        _("It is certain that a terminal trusts a generation: it has proved it, or a person says so."),
    ),
    Term(
        "unproved",
        _("fetched, unproved"),
        _("Somebody has fetched the file of a terminal, and nothing shows that it was the terminal."),
    ),
    Term(
        "notification",
        _("notification"),
        _("A SIP message (NOTIFY) that tells a terminal to load its configuration again."),
    ),
    Term(
        "event-string",
        _("event string"),
        _("The word in a notification by which a telephone knows what to do, check-sync for example."),
    ),
    Term(
        "restart-window",
        _("restart window"),
        _("The hours of the night in which terminals may restart."),
    ),
    Term(
        "bootstrap-window",
        _("bootstrap window"),
        _("Some minutes in which named terminals may fetch their first files without encryption."),
    ),
    Term(
        "work-list",
        _("work list"),
        _("The terminals on which a person has to install something."),
    ),
    Term(
        "personal-link",
        _("personal link"),
        _("An address that gives a technician file and guide for one terminal, without an account."),
    ),
    Term(
        "device-token",
        _("device token"),
        _("A secret with which an IP system phone reports what it trusts."),
    ),
    Term(
        "heartbeat",
        _("heartbeat"),
        _("The task that looks once a minute what is due, and does it."),
    ),
    Term(
        "machine",
        _("machine"),
        _("A computer on which pbxcerts runs with this database."),
    ),
    Term(
        "publish",
        _("publish"),
        _("To write the store and to tell the communication server to read it again; one machine does."),
    ),
    Term(
        "event-message",
        _("event message"),
        _(
            "A sentence about something that has happened or is wrong, with a severity; it stands on the page and goes to the destinations."
        ),
    ),
    Term(
        "acknowledge",
        _("confirm an event message"),
        _("To say that one has read it; what is wrong does not end by it."),
    ),
    Term(
        "destination",
        _("destination"),
        _("Where event messages are sent, a mailbox for example."),
    ),
    Term(
        "watchdog",
        _("watchdog outside"),
        _("A service elsewhere that raises an alarm when it hears nothing of pbxcerts."),
    ),
    Term(
        "reason",
        _("reason"),
        _(
            "What a person enters with an order, so that others read in the history why; with a failure, what caused it."
        ),
    ),
    Term(
        "disabled",
        _("disabled"),
        _("Of a terminal: nobody asks it and no switch waits for it; of a user: he can't log in."),
    ),
)
