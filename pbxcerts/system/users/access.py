"""Who may see and do what. Login is the default; a page that needs more than to view says so with `@needs(Role.OPERATE)`
(rule roles).
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from pbxcerts.system.models import Role, User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class RoleNeeded(PermissionDenied):
    """The person lacks a role: answered with 403. `role` is the least one that would do."""

    def __init__(self, role: Role) -> None:
        super().__init__(f"needs the role {role}")
        self.role = role


def logged_in_user(request: HttpRequest) -> User:
    """The person who has made this request; for views behind the login."""
    return cast(User, request.user)


def needs(role: Role) -> Callable[[View[P]], View[P]]:
    """Let a view be used only by those who hold `role`; everybody else gets 403 with the name of that role."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not logged_in_user(request).may(role):
                raise RoleNeeded(role)
            return view(request, *args, **kwargs)

        return cast("View[P]", guarded)

    return decorate
