"""System / Event messages / Destinations: who is told, and whether it arrives."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from pbxcerts.system.models import Role
from pbxcerts.system.notifications import queue, sending, watchdog
from pbxcerts.system.notifications.faults import NotificationError
from pbxcerts.system.notifications.forms import FORMS, WatchdogForm
from pbxcerts.system.notifications.models import Delivery, Destination, Watchdog
from pbxcerts.system.notifications.queue import DestinationOvertaken
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import needs

SHOWN = 20
shows_then_acts = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def destinations(request: HttpRequest) -> HttpResponse:
    lost = Delivery.objects.given_up().exclude(kind=Delivery.Kind.TEST)
    context = {
        "destinations": Destination.objects.without_credentials(),
        "kinds": Destination.Kind,
        "given_up": lost.select_related("destination")
        .defer("destination__url", "destination__secret")
        .order_by("-pk")[:SHOWN],
        "watchdog": Watchdog.load(),
    }
    return render(request, "system/destinations.html", context)


@require_safe
def destination(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "system/destination.html", _state(get_object_or_404(Destination, pk=pk)))


@require_safe
def state(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that changes by itself."""
    context = _state(get_object_or_404(Destination, pk=pk))
    return render(request, "system/_destination_state.html", context | {"polled": True})


def _state(found: Destination) -> dict[str, Any]:
    tests = Delivery.objects.filter(destination=found, kind=Delivery.Kind.TEST)
    others = Delivery.objects.filter(destination=found).exclude(kind=Delivery.Kind.TEST)
    return {
        "destination": found,
        "test": tests.last(),
        "waiting": others.filter(state=Delivery.State.WAITING)[:SHOWN],
        "over": others.exclude(state=Delivery.State.WAITING).order_by("-pk")[:SHOWN],
    }


@needs(Role.ADMINISTER)
@sensitive_post_parameters("password", "url")
@shows_then_acts
def add(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise Http404
    general = general_of(request)
    new = Destination(kind=kind, language=general.language)
    form = FORMS[kind](typed(request), instance=new)
    if request.method == "POST" and form.is_valid():
        found = form.save(commit=False)
        found.digested_on = queue.today(general, timekeeping.now())
        shown_once = queue.new_secret(found) if kind == Destination.Kind.WEBHOOK else ""
        queue.begin_with(found)
        if shown_once:
            return _secret_page(request, found, shown_once)
        messages.success(request, _("The destination “%(name)s” has been added. Now send a test.") % {"name": found})
        return redirect("system:events_destination", found.pk)
    heading = _("Add destination: %(kind)s") % {"kind": Destination.Kind(kind).label}
    return render(request, "system/destination_form.html", {"form": form, "heading": heading})


@needs(Role.ADMINISTER)
@sensitive_post_parameters("password", "url")
@shows_then_acts
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Destination, pk=pk)
    was_used = found.enabled
    form = FORMS[found.kind](typed(request), instance=found)
    if request.method == "POST" and form.is_valid():
        seen = form.cleaned_data["version"]
        try:
            queue.change(
                form.save(commit=False), was_used=was_used, expected_version=seen, now=timekeeping.read_machine()
            )
        except DestinationOvertaken:
            form.compare_with(get_object_or_404(Destination, pk=pk))
        else:
            messages.success(request, _("The destination “%(name)s” has been changed.") % {"name": found})
            return redirect("system:events_destination", found.pk)
    heading = Destination.objects.values_list("name", flat=True).get(pk=pk)
    return render(request, "system/destination_form.html", {"form": form, "heading": heading, "changed": pk})


@needs(Role.ADMINISTER)
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a message sent now; the page shows what comes of it."""
    found = get_object_or_404(Destination, pk=pk)
    if not found.enabled:
        messages.error(request, _("The destination “%(name)s” is not in use.") % {"name": found})
    else:
        queue.test(found, timekeeping.read_machine())
        sending.start()
    return redirect("system:events_destination", pk)


@needs(Role.ADMINISTER)
@shows_then_acts
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Destination, pk=pk)
    if request.method == "POST":
        found.delete()
        messages.success(request, _("The destination “%(name)s” has been removed.") % {"name": found})
        return redirect("system:events_destinations")
    waiting = Delivery.objects.filter(destination=found, state=Delivery.State.WAITING).count()
    return render(request, "system/destination_remove.html", {"destination": found, "waiting": waiting})


@needs(Role.ADMINISTER)
@shows_then_acts
def secret(request: HttpRequest, pk: int) -> HttpResponse:
    """Another secret for a webhook; the one before signs nothing any more."""
    found = get_object_or_404(Destination, pk=pk, kind=Destination.Kind.WEBHOOK)
    if request.method == "POST":
        shown_once = queue.new_secret(found)
        found.save(update_fields=["secret"])
        return _secret_page(request, found, shown_once)
    return render(request, "system/destination_new_secret.html", {"destination": found})


@never_cache
def _secret_page(request: HttpRequest, found: Destination, shown_once: str) -> HttpResponse:
    return render(request, "system/destination_secret.html", {"destination": found, "secret": shown_once})


@needs(Role.ADMINISTER)
@sensitive_post_parameters("url")
@shows_then_acts
def watchdog_page(request: HttpRequest) -> HttpResponse:
    """Set the URL: it is called once before it is stored anew, so that a wrong one is seen here."""
    form = WatchdogForm(typed(request))
    if request.method == "POST" and form.is_valid():
        watchdog.set_url(form.cleaned_data["url"])
        return _called(request)
    return render(request, "system/watchdog.html", {"form": form, "watchdog": Watchdog.load()})


@needs(Role.ADMINISTER)
@require_POST
def watchdog_call(request: HttpRequest) -> HttpResponse:
    return _called(request)


@needs(Role.ADMINISTER)
@require_POST
def watchdog_remove(request: HttpRequest) -> HttpResponse:
    watchdog.set_url("")
    messages.success(request, _("No watchdog is called any more."))
    return redirect("system:events_destinations")


def _called(request: HttpRequest) -> HttpResponse:
    try:
        watchdog.call_now()
    except NotificationError as error:
        messages.error(request, _("The watchdog does not answer.") + " " + watchdog.why(error))
    else:
        messages.success(request, _("The watchdog has answered."))
    return redirect("system:events_destinations")
