"""What was typed into a form that could not be taken, because the session was over or something failed: it comes back in the form,
and nothing is carried out by that (rule kept-entries).

Nothing of it is stored here. It travels in a hidden field of the reader's own page, encrypted, to the page of its form, which then
answers as to a GET. Views take what was typed from `typed`, and act where the method is POST.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken
from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.utils.crypto import salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

FIELD = "kept_entries"
LASTS = timedelta(hours=8)
LONGEST = 100_000
"""Characters of all entries together."""
SECRET = re.compile(r"password|secret|token|^url$", re.IGNORECASE)
"""Names of fields whose values are kept nowhere."""


@dataclass(frozen=True)
class Kept:
    """`whose`: of the person who was logged in (`pbxcerts.system.users.known_browsers.last_of`). `back`: the page with the button that was
    pressed. `after_failure`: something failed, so that nobody knows whether it was carried out.
    """

    path: str
    entries: dict[str, list[str]]
    whose: str
    back: str = ""
    secrets_left_out: bool = False
    files_left_out: bool = False
    too_long: bool = False
    after_failure: bool = False

    @property
    def sealed(self) -> str:
        return _fernet().encrypt(json.dumps(asdict(self)).encode()).decode()

    @property
    def sentences(self) -> list[str]:
        """What the reader of the form must know."""
        if self.after_failure:
            first = _("Something failed when this was sent. Look whether it was carried out, then send it again.")
        else:
            first = _("The session had ended, so nothing was carried out. Look this over and send it again.")
        return [
            first,
            *([_("Passwords and other secrets were not kept: enter them again.")] if self.secrets_left_out else []),
            *([_("Files were not kept: choose them again.")] if self.files_left_out else []),
            *([_("What you typed was too long to be kept.")] if self.too_long else []),
        ]


def take(request: HttpRequest, *, whose: str, after_failure: bool = False) -> Kept | None:
    """What was typed in the form that this request brings; None where it brings none. What comes back for the second time stays as
    it was.
    """
    if was_given_back(request):
        return request.kept_entries  # type: ignore[attr-defined, no-any-return]
    if request.method != "POST":
        return None
    if FIELD in request.POST:
        return read(request.POST[FIELD])
    typed = {name: request.POST.getlist(name) for name in request.POST if name != "csrfmiddlewaretoken"}
    secret = {name for name in typed if SECRET.search(name)}
    entries = {name: values for name, values in typed.items() if name not in secret}
    too_long = sum(len(name) + len(value) for name, values in entries.items() for value in values) > LONGEST
    return Kept(
        path=request.get_full_path(),
        entries={} if too_long else entries,
        whose=whose,
        back=_back(request),
        secrets_left_out=any(any(typed[name]) for name in secret),
        files_left_out=any(request.FILES.values()),
        too_long=too_long,
        after_failure=after_failure,
    )


def read(sealed: str) -> Kept | None:
    """None where it is not of us, or too old."""
    try:
        return Kept(**json.loads(_fernet().decrypt(sealed.encode(), ttl=int(LASTS.total_seconds()))))
    except (InvalidToken, TypeError, ValueError):
        return None


def give_back(request: HttpRequest, *, whose: str) -> None:
    """Let the page of the form answer as to a GET, with what was typed. Only for a request that the check against forged forms has
    passed.
    """
    kept, entries = read(request.POST[FIELD]), QueryDict(mutable=True)
    if kept is not None and kept.whose == whose and kept.path == request.get_full_path():
        for name, values in kept.entries.items():
            entries.setlist(name, values)
        messages.warning(request, " ".join(kept.sentences))
    else:
        kept = None
        messages.warning(request, _("What was typed is no longer kept. Nothing was carried out."))
    request.kept_entries = kept  # type: ignore[attr-defined]
    request.POST = entries  # type: ignore[assignment]
    request.method = request.META["REQUEST_METHOD"] = "GET"


def was_given_back(request: HttpRequest) -> bool:
    return hasattr(request, "kept_entries")


def typed(request: HttpRequest) -> QueryDict | None:
    """What a form is to show: of a POST, or what was kept. A view acts on it only where the method is POST."""
    if request.method == "POST":
        return request.POST
    return request.POST or None if was_given_back(request) else None


def _back(request: HttpRequest) -> str:
    referrer = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure())
    return referrer if is_ours else ""


def _fernet() -> Fernet:
    return Fernet(urlsafe_b64encode(salted_hmac("pbxcerts.system.kept_entries", "", algorithm="sha256").digest()))
