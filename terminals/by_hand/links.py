"""Personal links: for the technician at the desk of one terminal, without a login (rules personal-link, token-hashes)."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import gettext as _

from certificates.renewal.situation import Situation
from terminals.by_hand.models import Link
from terminals.directory.device_tokens import token_hash
from terminals.evidence import recording
from terminals.models import Installation, Terminal
from terminals.rollout import orders
from terminals.rollout.served_first import served_first
from terminals.states import SETTLED
from terminals.trust_file import NoTrustFile, TrustFile, generations_of, trust_file

TOKEN_BYTES = 16
WRONG_ONES = 20
WITHIN_SECONDS = 600


class LinkError(Exception):
    """LinkError
    ├── UnknownLink           there is no such link, or it was revoked
    ├── TooManyUnknownLinks   too many unknown links were asked for from one address
    └── LinkOver              it was a link once; the message is for a person and says why it works no more
    """


class UnknownLink(LinkError):
    pass


class TooManyUnknownLinks(LinkError):
    pass


class LinkOver(LinkError):
    pass


@dataclass(frozen=True)
class OpenedLink:
    """A link that works, and the file that its terminal is to get."""

    link: Link
    file: TrustFile

    @property
    def terminal(self) -> Terminal:
        return self.link.terminal


@transaction.atomic
def make(situation: Situation, terminal: Terminal, *, by: str) -> str:
    """Make a new link in place of those before; returns its token, which only its caller ever sees. Raises NoTrustFile."""
    lacks_active = served_first(situation).filter(pk=terminal.pk).exists()
    file = trust_file(situation, terminal.type, lacks_active=lacks_active)
    return _made(terminal, file, by=by, at=situation.clock.best)


@transaction.atomic
def make_for_all(
    situation: Situation, terminals: Iterable[Terminal], file: TrustFile, *, by: str
) -> list[tuple[Terminal, str]]:
    """As `make`, for terminals of one type that are to get this file: each with its token."""
    at = situation.clock.best
    return [(one, _made(one, file, by=by, at=at)) for one in terminals]


def _made(terminal: Terminal, file: TrustFile, *, by: str, at: datetime) -> str:
    revoke(terminal, at=at)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    Link.objects.create(
        terminal=terminal,
        generation_id=file.generations[0],
        token_sha256=token_hash(token),
        made_at=at,
        made_by=by[:150],
    )
    return token


def revoke(terminal: Terminal, *, at: datetime) -> int:
    """Revoke the links of a terminal; returns how many no longer work."""
    return Link.objects.filter(terminal=terminal, revoked_at=None).update(revoked_at=at)


def open_link(situation: Situation, token: str, *, address: str) -> OpenedLink:
    """What the link gives now; changes nothing. `address` is that of whoever opens it. Raises LinkError."""
    if _wrong_ones(address) >= WRONG_ONES:
        raise TooManyUnknownLinks
    links = Link.objects.select_related("terminal__type", "generation")
    link = links.filter(token_sha256=token_hash(token), revoked_at=None).first()
    if link is None:
        _count_wrong_one(address)
        raise UnknownLink
    row = Installation.objects.of(link.generation).filter(terminal=link.terminal).first()
    if row is not None and row.confirmed_at is not None:
        if _is_left(situation, link.terminal):
            raise LinkOver(
                _("That was confirmed. Another certificate is due on this terminal now: ask for a new link.")
            )
        raise LinkOver(_("This terminal has its certificates: that was confirmed. Nothing is left to do."))
    if not link.terminal.enabled or link.generation not in situation.in_bundle or situation.has_ended(link.generation):
        raise LinkOver(_("The certificates that this link was made for are no longer handed out. Ask for a new link."))
    try:
        file = trust_file(situation, link.terminal.type, lacks_active=link.generation == situation.active)
        return OpenedLink(link, file)
    except NoTrustFile as error:
        raise LinkOver(_("There is no file for this type of terminal now. Ask your administrator.")) from error


def _is_left(situation: Situation, terminal: Terminal) -> bool:
    due = orders.generations_due(situation, terminal)
    settled = Installation.objects.filter(terminal=terminal, generation__in=due).in_state(*SETTLED)
    return settled.count() < len(due)


def downloaded(opened: OpenedLink, *, at: datetime) -> None:
    """The link was opened at the desk: its terminal is *downloaded*, never *confirmed* (rule opened-is-downloaded)."""
    Link.objects.filter(pk=opened.link.pk, opened_at=None).update(opened_at=at)
    recording.downloaded(opened.terminal.pk, opened.file.generations, at=at)


def holds(opened: OpenedLink, version: str) -> bool:
    """Whether the file of this version held all that a confirmation would stand for now."""
    return generations_of(version).issuperset(opened.file.generations)


def confirm(opened: OpenedLink, *, name: str, at: datetime) -> None:
    """The person at the desk, who gave this name, says that the terminal holds the file."""
    by = _("%(name)s (personal link)") % {"name": name}
    orders.record_confirmation(opened.terminal.type, [opened.terminal.pk], opened.file.generations, by=by, at=at)


def _wrong_ones(address: str) -> int:
    found: int = cache.get(f"wrong-links/{address}", 0)
    return found


def _count_wrong_one(address: str) -> None:
    key = f"wrong-links/{address}"
    cache.add(key, 0, WITHIN_SECONDS)
    try:
        cache.incr(key)
    except ValueError:
        # It expired between the two lines: the time is over, and counting begins anew.
        cache.set(key, 1, WITHIN_SECONDS)
