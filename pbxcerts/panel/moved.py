"""Whether anything has moved since a part of a page was made: asked in one query, before that part is made anew (rule cheap-looks)."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet, Subquery, Value
from django.db.models.functions import JSONArray
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import get_language

from certificates.models import Generation, Settings, StoreDecision, Switch, Transition
from pbxcerts import __version__
from pbxcerts.system.database.prepared import prepared_values
from pbxcerts.system.models import EventMessage, Heartbeat
from pbxcerts.system.notifications.models import Destination, Watchdog
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import logged_in_user
from terminals.models import DeliverySettings, Rollout
from terminals.tally.models import InstallationTally, TerminalTally

MARK = "Pbxcerts-Mark"
"""Of what an answer was made; whoever asks again sends it back."""
VERSION = "Pbxcerts-Version"

PARTS = frozenset({"home_state", "system:events_open", "certificates:status", "terminals:rollout:status"})
"""The parts of pages that ask for themselves and show nothing that the mark does not stand for, but for the time of day."""


class OnlyIfMoved:
    """Middleware: answer a part of a page that asks for itself with 204 while nothing has moved, so that it stays as it is.

    An entity tag (RFC 9110 8.8.3) says the same, but htmx would put the empty body of a 304 in the place of the part.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.headers.get("HX-Request") and request.user.is_authenticated:
            response.headers[VERSION] = __version__
            if moved := getattr(request, "moved", ""):
                response.headers[MARK] = moved
        return response

    def process_view(
        self, request: HttpRequest, _view: object, _arguments: object, _keywords: object
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.view_name not in PARTS or not request.headers.get("HX-Request"):
            return None
        if not request.user.is_authenticated:
            return None
        # Before anything is read: what moves meanwhile is seen the next time.
        moved = request.moved = mark(request, timekeeping.machine_time())  # type: ignore[attr-defined]
        return HttpResponse(status=204) if request.headers.get(MARK) == moved else None


def mark(request: HttpRequest, now: datetime) -> str:
    """The digest of all that the parts are made of. It changes once a minute too: some of their words are about the time of day,
    and some of what they show lies on the file system.
    """
    user, general = logged_in_user(request), general_of(request)
    made_for = [user.pk, user.role, general.version, get_language(), __version__]
    minute = int(now.timestamp()) // 60
    rows = sorted(json.dumps(row, default=str) for row in _rows())
    return hashlib.sha256(json.dumps([made_for, minute, rows]).encode()).hexdigest()[:32]


@prepared_values
def _rows() -> QuerySet[Any, tuple[Any, ...]]:
    """One query, whatever the number of terminals and generations."""
    living = Generation.objects.filter(
        state__in=[*Generation.PENDING, Generation.State.ACTIVE, Generation.State.MAKING]
    )
    selected: list[tuple[QuerySet[Any], tuple[str, ...]]] = [
        (Settings.objects.all(), ("version",)),
        (
            Heartbeat.objects.all(),
            (
                *("key", "publishes", "publish_failure", "store_mark", "store_standing", "failing", "presented"),
                *("last_check_id", "accepted_at", "void_until", "works", "serves"),
            ),
        ),
        (living, ("number", "state", "deadline", "started_at", "switch_failed_at", "failure", "held_because")),
        (_newest(Generation), ("pk", "state", "failed_at")),
        (_newest(Transition), ("pk",)),
        (_newest(StoreDecision), ("pk",)),
        (Switch.objects.running(), ("pk",)),
        (EventMessage.objects.filter(cleared_at=None), ("pk", "confirmed_by")),
        (
            Rollout.objects.exclude(state=Rollout.State.ENDED),
            ("generation_id", "state", "changed_at", "restart_now"),
        ),
        (DeliverySettings.objects.all(), ("version",)),
        (TerminalTally.objects.all(), ("type_id", "enabled", "count")),
        (
            InstallationTally.objects.filter(generation__rollout__ended_at=None),
            (
                *("generation_id", "type_id", "enabled", "wave", "state"),
                *("excused", "put_off", "trusted", "unproved", "count"),
            ),
        ),
        (Destination.objects.all(), ("pk", "version", "failures", "fault")),
        (Watchdog.objects.all(), ("version", "failures", "fault")),
    ]
    first, *others = (
        rows.order_by().annotate(moved=JSONArray(Value(number), *fields)).values_list("moved")
        for number, (rows, fields) in enumerate(selected)
    )
    all_of_them: QuerySet[Any, tuple[Any, ...]] = first.union(*others, all=True)
    return all_of_them


def _newest(model: type[Model]) -> QuerySet[Any]:
    """The last one of what is only ever added."""
    rows = model._default_manager
    return rows.filter(pk=Subquery(rows.order_by("-pk").values("pk")[:1]))
