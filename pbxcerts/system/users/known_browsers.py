"""Browsers that have logged in to an account before: a cookie says so, one for each account (rule slowed-never-locked), and one
which account was the last (rule kept-entries).

It lets nobody in. Another password of the account, or deactivating it, makes it worthless. OWASP calls it a device cookie
("Slow Down Online Guessing Attacks with Device Cookies").
"""

import secrets

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare, salted_hmac

from pbxcerts.system.models import User

LASTS = 365 * 24 * 3600


def remember(response: HttpResponseBase, user: User) -> None:
    """Let this browser be known: it has just shown the password of `user`."""
    browser = secrets.token_urlsafe(16)
    cookies = {
        _cookie_of(user): f"{browser}.{_proof(browser, user)}",
        settings.KNOWN_BROWSER_COOKIE_NAME: sign_of(user),
    }
    for name, value in cookies.items():
        response.set_cookie(
            name, value, max_age=LASTS, path=settings.SESSION_COOKIE_PATH, httponly=True, samesite="Lax"
        )


def sign_of(user: User) -> str:
    """Stands for the account, and tells nobody which one it is."""
    return salted_hmac("pbxcerts.system.known_browsers.sign", str(user.pk), algorithm="sha256").hexdigest()[:32]


def last_of(request: HttpRequest) -> str:
    """The sign of the account that has logged in here last; "" where none has."""
    return request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, "")


def recognised(request: HttpRequest, user: User | None) -> str | None:
    """By what this browser is known to the account, None where it is not."""
    if user is None:
        return None
    browser, _dot, proof = request.COOKIES.get(_cookie_of(user), "").partition(".")
    return browser if constant_time_compare(proof, _proof(browser, user)) else None


def _cookie_of(user: User) -> str:
    return f"{settings.KNOWN_BROWSER_COOKIE_NAME}-{user.pk}"


def _proof(browser: str, user: User) -> str:
    told = f"{browser} {user.pk} {user.get_session_auth_hash()}"
    return salted_hmac("pbxcerts.system.known_browsers", told, algorithm="sha256").hexdigest()
