"""How long a person stays logged in, by this machine's clock, by which Django judges sessions too (rule sessions), and from where
the session was used last (rule own-sessions).
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from pbxcerts.system.models import Session
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users import browser_words

LASTS = timedelta(days=14)
"""However often it is used."""
WRITTEN_EVERY = timedelta(minutes=1)
"""A use is written down only so long after the one before: else each page would write into the database."""
ENDS = "ends"
"""When it does at the latest, in ISO 8601."""
LAST_USE = "last_use"
"""Of the last use `at` (ISO 8601), `address` and `user_agent`."""


def limited_sessions(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let a session end after the time without use that System / General says.

    A part of a page that asks for itself (a GET of htmx) is no use; what a person orders in it (a POST) is.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.user.is_authenticated:
            by_itself = request.method == "GET" and "HX-Request" in request.headers
            idle = timedelta(minutes=general_of(request).logout_after_minutes)
            use = None if by_itself else use_of(request)
            limit(request.session, idle=idle, now=timekeeping.machine_time(), use=use)
        return response

    return respond


def use_of(request: HttpRequest) -> dict[str, str]:
    return {
        "address": request.META.get("REMOTE_ADDR", ""),
        "user_agent": browser_words.kept(request.headers.get("User-Agent", "")),
    }


def limit(session: SessionBase, *, idle: timedelta, now: datetime, use: dict[str, str] | None) -> None:
    """Set when the session ends, and note its `use`, if it is one. No end lies further ahead than the limits allow from now on,
    also after the clock was set back or a limit was made shorter.
    """
    began = ENDS in session
    ends = min(datetime.fromisoformat(session[ENDS]), now + LASTS) if began else now + LASTS
    until = session.get_expiry_date() if began else ends
    new = min(now + idle, ends) if use is not None or not began else min(now + idle, ends, until)
    noted = datetime.fromisoformat(session[LAST_USE]["at"]) if LAST_USE in session else None
    is_news = use is not None and (noted is None or abs(now - noted) >= WRITTEN_EVERY)
    if not began or is_news or abs(new - until) >= WRITTEN_EVERY:
        session[ENDS] = ends.isoformat()
        session.set_expiry(new)
        if use is not None:
            session[LAST_USE] = {**use, "at": now.isoformat()}


def clear_ended_hourly(*, last: datetime | None, now: datetime) -> None:
    """Remove the sessions that have ended, in the first round of an hour. `last`: when the round before was."""
    if is_first_of_an_hour(last=last, now=now):
        Session.objects.filter(expire_date__lt=now).delete()


def is_first_of_an_hour(*, last: datetime | None, now: datetime) -> bool:
    """Whether the round before was in another hour."""
    full = {"minute": 0, "second": 0, "microsecond": 0}
    return last is None or last.replace(**full) != now.replace(**full)  # type: ignore[arg-type]
