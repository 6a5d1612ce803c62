"""The token with which an IP system phone says who it is: 256 random bits, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets

from terminals.models import Terminal

TOKEN_BYTES = 32


def token_hash(token: str) -> str:
    """SHA-256 in hex. A token has so much chance in it that no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue(terminal: Terminal) -> str:
    """A new token in place of the one before; only its caller ever sees it."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    Terminal.objects.filter(pk=terminal.pk).update(token_sha256=token_hash(token))
    return token


def revoke(terminal: Terminal) -> None:
    Terminal.objects.filter(pk=terminal.pk).update(token_sha256="")
