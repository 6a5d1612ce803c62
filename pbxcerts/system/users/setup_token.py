"""The token of the set-up link, with which the first administrator sets a password.

256 bit, new at each start of `up`; only its SHA-256 is kept, in a file of mode 0600. It stands in the fragment of the link
(RFC 3986 3.5), which a browser never sends, and comes back in the body of a POST: no log and no Referer holds it.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from django.conf import settings

from pbxcerts.system.models import User


def _file() -> Path:
    return Path(settings.DATA) / "secrets" / "setup-token.sha256"


def issue() -> str:
    """A new token; the one before is worth nothing from here on."""
    token = secrets.token_urlsafe(32)
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(_digest(token))
    new.replace(file)
    return token


def accepts(token: str) -> bool:
    """Whether this is the token, compared in constant time. Never while an active administrator exists."""
    try:
        expected = _file().read_text()
    except OSError:
        expected = ""
    same = hmac.compare_digest(_digest(token), expected)
    return same and not User.objects.administrators().exists()


def close() -> None:
    """End the set-up: no token is accepted until `issue` makes one."""
    _file().unlink(missing_ok=True)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
