"""Take over the realm that has asked a terminal's NOTIFY for user and password, for it or for all of its type
(rule realm-taken-over).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from terminals.answer_target import AnswerTarget, NotifyServer
from terminals.batches import one_writer
from terminals.directory import kept_passwords
from terminals.drivers.base import Reaction
from terminals.models import Installation, NotifyWays, Terminal

PROXY_ASKS = 407


@dataclass(frozen=True)
class RealmChange:
    """The terminals whose realm becomes another one, and those of them that lose their stored password with it."""

    changed: QuerySet[Terminal]
    losing: QuerySet[Terminal]

    @one_writer()
    def carry_out(self, realm: str) -> tuple[int, int]:
        """How many have changed, and how many passwords were deleted."""
        deleted = kept_passwords.forget(self.losing)
        return self.changed.update(sip_realm=realm), deleted


@dataclass(frozen=True)
class RealmOffer:
    """A realm that asked for a terminal and is not the one that its user and password are for. `proved`: it asked through the
    communication server over TLS, which is how it would be answered now, too.
    """

    terminal: Terminal
    realm: str
    proved: bool
    server: NotifyServer

    @classmethod
    def of(cls, terminal: Terminal) -> RealmOffer | None:
        asked = (
            Installation.objects.filter(terminal=terminal, reaction=Reaction.CREDENTIALS.value)
            .exclude(challenge_realm="")
            # With 407 it is a server on the way that asks, for the account and not for the terminal's user.
            .exclude(status_code=PROXY_ASKS)
            .order_by("-generation_id")
            .first()
        )
        server = NotifyServer.now()
        if asked is None or asked.challenge_realm == AnswerTarget.of_terminal(terminal, server).realm:
            return None
        proved = asked.challenge_proved and server.proves_itself
        return cls(terminal, asked.challenge_realm, proved, server)

    @property
    def for_terminal(self) -> RealmChange:
        return self._change(Terminal.objects.filter(pk=self.terminal.pk))

    @property
    def for_type(self) -> RealmChange:
        return self._change(Terminal.objects.filter(type=self.terminal.type_id))

    def _change(self, terminals: QuerySet[Terminal]) -> RealmChange:
        has_it = Q(sip_realm=self.realm)
        if self.server.domain == self.realm:
            has_it |= Q(sip_realm="")
        changed = terminals.exclude(has_it)
        losing = changed.filter(sip_password__isnull=False)
        if self.proved:
            losing = losing.filter(Q(way=NotifyWays.DIRECT) | Q(way="", type__way=NotifyWays.DIRECT))
        return RealmChange(changed, losing)
