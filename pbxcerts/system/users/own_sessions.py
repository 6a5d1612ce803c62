"""The browsers in which a person is logged in, as this person sees and ends them (rule own-sessions)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

from pbxcerts.system.models import Session, User
from pbxcerts.system.users import browser_words
from pbxcerts.system.users.sessions import ENDS, LAST_USE, LASTS

SHOWN = 30


@dataclass(frozen=True)
class OwnSession:
    """`name` stands for the key, which nobody is shown: who has it is logged in."""

    name: str
    is_this: bool
    browser: str
    address: str
    began: datetime | None
    last_use: datetime | None


def of(user: User, current: SessionBase, now: datetime) -> list[OwnSession]:
    """This one first, then by last use; the newest, where there are very many. One query, whatever their number.

    Those that another password, or having been deactivated, has ended are in the table for a while, and hold another proof.
    """
    proof = user.get_session_auth_hash()
    decoded = [(row.session_key, row.get_decoded()) for row in _alive(user, now)[:SHOWN]]
    found = [
        _read(key, data, is_this=key == current.session_key)
        for key, data in decoded
        if constant_time_compare(data.get(HASH_SESSION_KEY, ""), proof)
    ]
    return sorted(found, key=lambda one: (one.is_this, one.last_use is not None, one.last_use or now), reverse=True)


def end(user: User, name: str, current: SessionBase, now: datetime) -> bool:
    """End another session of this user; False where there is none of that name any more."""
    keys = _alive(user, now).values_list("session_key", flat=True)[:SHOWN]
    named = [key for key in keys if key != current.session_key and constant_time_compare(_name(key), name)]
    return Session.objects.filter(session_key__in=named).delete()[0] > 0


def end_others(user: User, current: SessionBase) -> None:
    Session.objects.filter(user=user).exclude(session_key=current.session_key).delete()


def _alive(user: User, now: datetime) -> QuerySet[Session]:
    return Session.objects.filter(user=user, expire_date__gt=now).order_by("-expire_date")


def _read(key: str, data: dict[str, Any], *, is_this: bool) -> OwnSession:
    last = data.get(LAST_USE, {})
    return OwnSession(
        name=_name(key),
        is_this=is_this,
        browser=browser_words.words(last.get("user_agent", "")),
        address=last.get("address", ""),
        began=datetime.fromisoformat(data[ENDS]) - LASTS if ENDS in data else None,
        last_use=datetime.fromisoformat(last["at"]) if "at" in last else None,
    )


def _name(key: str) -> str:
    return salted_hmac("pbxcerts.system.own_sessions", key, algorithm="sha256").hexdigest()[:32]
