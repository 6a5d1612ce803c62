"""What the frame around every page shows: the installation, the open event messages."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from pbxcerts import __version__
from pbxcerts.system.database.prepared import prepared_values
from pbxcerts.system.models import EventMessage, General, Role, Severity, User


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Error pages have the frame too, before anybody is logged in or the row is read."""
    user: User | AnonymousUser = getattr(request, "user", AnonymousUser())
    return {
        "general": getattr(request, "general", None),
        "administers": may(user, Role.ADMINISTER),
        "operates": may(user, Role.OPERATE),
        "version": __version__,
        "open_events": SimpleLazyObject(open_events) if user.is_authenticated else [],
    }


def general_of(request: HttpRequest) -> General:
    """The row of System / General that `installation` has read."""
    general: General = request.general  # type: ignore[attr-defined]
    return general


def open_events() -> list[dict[str, Any]]:
    """How many event messages are open, by severity, the worst first. One query."""
    counts = dict(_open_by_severity())
    return [
        {"severity": severity.value, "label": severity.label, "count": counts[severity.value]}
        for severity in reversed(Severity)
        if counts.get(severity.value)
    ]


@prepared_values
def _open_by_severity() -> QuerySet[EventMessage, tuple[str, int]]:
    rows = EventMessage.objects.filter(cleared_at=None).order_by()
    return rows.values_list("severity").annotate(count=Count("pk"))


def may(user: User | AnonymousUser, needed: Role) -> bool:
    return user.is_authenticated and user.may(needed)


def section_of(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None:
        return ""
    if match.namespace == "system":
        return (match.url_name or "").partition("_")[0]
    return match.namespace.rpartition(":")[2] or match.url_name or ""
