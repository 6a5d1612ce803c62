"""The token with which an IP system phone says who it is: shown once, kept as a hash (rule token-hashes)."""

import hashlib
import secrets
from dataclasses import dataclass

from django.db.models import QuerySet

from terminals.batches import execute, one_writer, updates
from terminals.drivers.registry import REPORTING_METHODS
from terminals.models import Terminal

TOKEN_BYTES = 32
COLUMNS = ("number", "name", "token")


def token_hash(token: str) -> str:
    """SHA-256 in hex. A token has so much chance in it that no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True)
class IssuedToken:
    """A token, and whose it is."""

    number: str
    name: str
    token: str


def without() -> QuerySet[Terminal]:
    """The IP system phones that have no token yet."""
    return Terminal.objects.filter(type__method__in=REPORTING_METHODS, token_sha256="")


@one_writer()
def issue_missing() -> list[IssuedToken]:
    """A token for each of them, in the order of their numbers; only its caller ever sees them."""
    terminals = list(without().select_for_update(of=("self",)).only("number", "name").order_by("number"))
    tokens = [_new() for _ in terminals]
    rows = [{"id": one.pk, "token_sha256": token_hash(token)} for one, token in zip(terminals, tokens, strict=True)]
    execute(updates(Terminal, rows, match=["id"]))
    return [IssuedToken(one.number, one.name, token) for one, token in zip(terminals, tokens, strict=True)]


def issue(terminal: Terminal) -> str:
    """A new token in place of the one before; only its caller ever sees it."""
    token = _new()
    Terminal.objects.filter(pk=terminal.pk).update(token_sha256=token_hash(token))
    return token


def revoke(terminal: Terminal) -> None:
    Terminal.objects.filter(pk=terminal.pk).update(token_sha256="")


def _new() -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    # A spreadsheet takes what begins with a minus for a formula.
    return _new() if token.startswith("-") else token
