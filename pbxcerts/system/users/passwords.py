"""Whether a password is right: the only place that asks, for the log-in and for every page that wants it once more."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import BoundedSemaphore
from time import monotonic

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from pbxcerts.system.models import User
from pbxcerts.system.network.one_address import source_of
from pbxcerts.system.users import known_browsers
from pbxcerts.system.users.slowing import Slowed, Subject, Throttle

THROTTLE = Throttle()
STRANGERS = BoundedSemaphore(4)
"""How many strangers' passwords are looked at, or wait for that, at once: each holds one of the eight threads."""


@sensitive_variables("password")
def check(request: HttpRequest, username: str, password: str) -> User | None:
    """The account, if this is its password and it may log in (rule slowed-never-locked). Raises Slowed."""
    account = User.objects.filter(username=username).first()
    browser = known_browsers.recognised(request, account)
    address = source_of(request.META.get("REMOTE_ADDR", ""))
    if browser is None:
        subjects = [Subject("account", username), Subject("address", address)]
    else:
        subjects = [Subject("browser", browser)]
    try:
        with place_of_a_stranger() if browser is None else nullcontext():
            THROTTLE.begin(subjects, visitor=address, now=monotonic())
            user = authenticate(request, username=username, password=password)
    except Slowed as slowed:
        request.slowed = slowed  # type: ignore[attr-defined]
        raise
    if not isinstance(user, User):
        THROTTLE.failed(subjects)
        return None
    THROTTLE.succeeded(subjects)
    return user


@contextmanager
def place_of_a_stranger() -> Iterator[None]:
    """Raises Slowed where there is none: who waited for one would hold a thread too (rule two-hash)."""
    if not STRANGERS.acquire(blocking=False):
        raise Slowed(1)
    try:
        yield
    finally:
        STRANGERS.release()


def forget_failures(user: User) -> None:
    """The account has a new password: nobody waits because of the one before."""
    THROTTLE.forget(Subject("account", user.get_username()))
