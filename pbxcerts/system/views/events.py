"""System / Event messages."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from pbxcerts.system.events import cleared_text_of, hint_of, text_of
from pbxcerts.system.forms.events import EventFilter
from pbxcerts.system.models import EventMessage, Role
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import logged_in_user, needs

PER_PAGE = 50


@dataclass(frozen=True)
class EventLine:
    """An event message in the reader's language."""

    message: EventMessage

    @property
    def is_open(self) -> bool:
        return self.message.cleared_at is None

    @property
    def text(self) -> str:
        return text_of(self.message)

    @property
    def hint(self) -> str:
        return hint_of(self.message) if self.is_open else ""

    @property
    def cleared_text(self) -> str:
        return cleared_text_of(self.message)

    @property
    def can_be_confirmed(self) -> bool:
        return self.is_open and not self.message.with_match


@require_safe
def events(request: HttpRequest) -> HttpResponse:
    chosen = EventFilter(request.GET)
    page = Paginator(_listed(chosen), PER_PAGE).get_page(request.GET.get("page"))
    lines = [EventLine(message) for message in page]
    query = urlencode({key: value for key, value in chosen.cleaned_data.items() if value})
    return render(request, "system/events.html", {"filter": chosen, "page": page, "lines": lines, "query": query})


@require_safe
def open_counts(request: HttpRequest) -> HttpResponse:
    """What the title bar shows of them; it asks for itself."""
    return render(request, "partials/_states.html")


@needs(Role.OPERATE)
@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Close a message that no later one clears; one that somebody else confirmed meanwhile stays as it is."""
    get_object_or_404(EventMessage, pk=pk, with_match=False)
    waiting = EventMessage.objects.filter(pk=pk, with_match=False, cleared_at=None)
    if waiting.update(cleared_at=timekeeping.machine_time(), confirmed_by=logged_in_user(request).get_username()):
        messages.success(request, _("The event message has been confirmed."))
    else:
        messages.info(request, _("This event message was confirmed before."))
    return redirect(f"{reverse('system:events')}?{request.GET.urlencode()}")


def _listed(chosen: EventFilter) -> QuerySet[EventMessage]:
    """Open messages first, then the others; of both the newest first."""
    listed = EventMessage.objects.order_by(F("cleared_at").desc(nulls_first=True), "-raised_at", "-pk")
    if not chosen.is_valid():
        return listed
    if severity := chosen.cleaned_data["severity"]:
        listed = listed.filter(severity=severity)
    if state := chosen.cleaned_data["state"]:
        listed = listed.filter(cleared_at__isnull=state == "open")
    return listed
