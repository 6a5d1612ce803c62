"""What a person orders: each a page that says what will happen, and a POST that orders it. The worker carries it out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates import lifecycle, outlook, words
from certificates.forms.orders import CriticalForm, DeadlineForm, GenerateForm, ReasonForm
from certificates.handover import terminals
from certificates.lifecycle import Refused
from certificates.models import Generation
from certificates.outlook import GenerationOutlook
from certificates.poke import poke
from certificates.status import Status
from pbxcerts.system import timekeeping
from pbxcerts.system.access import needs, person
from pbxcerts.system.models import Role

shows_then_acts = require_http_methods(["GET", "HEAD", "POST"])


@needs(Role.OPERATE)
@sensitive_post_parameters("password")
@shows_then_acts
def generate(request: HttpRequest) -> HttpResponse:
    posted = request.method == "POST"
    if posted:
        timekeeping.check_clock()
    status = Status.load()
    expected = GenerationOutlook(status.situation, terminals())
    newest = status.newest.number if status.newest else 0
    form = GenerateForm(request.POST if posted else None, request=request, outlook=expected, newest=newest)
    if posted and form.is_valid():
        try:
            generation = lifecycle.order_generation(
                status.clock,
                trigger=Generation.Trigger.PAGE,
                by=person(request).get_username(),
                reason=form.cleaned_data["reason"],
                at_once=form.at_once,
                restart_now=form.cleaned_data.get("restart_now"),
                without_clock=form.without_clock,
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            text = _("Generation %(number)s has been ordered.") % {"number": generation.number}
            return _ordered(request, text)
    return render(request, "certificates/generate.html", {"status": status, "outlook": expected, "form": form})


@needs(Role.OPERATE)
@shows_then_acts
def activate(request: HttpRequest, number: int) -> HttpResponse:
    status = Status.load()
    pair = status.situation.pending
    if pair is None or pair.number != number:
        return _overtaken(request)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if _carried_out(
        form,
        lambda: lifecycle.activate(status.clock, by=person(request).get_username(), reason=form.cleaned_data["reason"]),
    ):
        return _ordered(
            request, _("The communication server is being switched to generation %(number)s.") % {"number": number}
        )
    context = {"form": form, "pair": pair, "status": status, "refusing": outlook.refusing(terminals(), pair)}
    return render(request, "certificates/activate.html", context)


@needs(Role.OPERATE)
@shows_then_acts
def deadline(request: HttpRequest, number: int) -> HttpResponse:
    status = Status.load()
    pair = status.situation.pending
    if pair is None or pair.number != number or status.situation.active is None:
        return _overtaken(request)
    latest = lifecycle.latest_deadline(status.situation)
    form = DeadlineForm(
        request.POST if request.method == "POST" else None,
        initial={"at": pair.deadline},
        latest=latest,
        latest_text=words.moment(latest),
    )

    def move() -> None:
        at: datetime = form.cleaned_data["at"]
        lifecycle.move_deadline(status.clock, at, by=person(request).get_username())

    if _carried_out(form, move, field="at"):
        return _ordered(request, _("The deadline has been moved."))
    return render(request, "certificates/deadline.html", {"form": form, "pair": pair, "status": status})


@needs(Role.OPERATE)
@shows_then_acts
def discard(request: HttpRequest, number: int) -> HttpResponse:
    status = Status.load()
    pair = status.situation.pending
    if pair is None or pair.number != number:
        return _overtaken(request)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if _carried_out(
        form,
        lambda: lifecycle.discard(status.clock, by=person(request).get_username(), reason=form.cleaned_data["reason"]),
    ):
        return _ordered(request, _("Generation %(number)s has been discarded.") % {"number": number})
    replaced_at = status.settings.schedule.first_from(status.clock.best) if status.situation.active else None
    return render(
        request,
        "certificates/discard.html",
        {"form": form, "pair": pair, "status": status, "replaced_at": replaced_at},
    )


@needs(Role.OPERATE)
@sensitive_post_parameters("password")
@shows_then_acts
def roll_back(request: HttpRequest, number: int) -> HttpResponse:
    status = Status.load()
    before = status.situation.served_before
    if before is None or before.number != number:
        return _overtaken(request)
    form = CriticalForm(request.POST if request.method == "POST" else None, request=request)
    if _carried_out(
        form,
        lambda: lifecycle.roll_back(
            status.clock, by=person(request).get_username(), reason=form.cleaned_data["reason"]
        ),
    ):
        return _ordered(
            request, _("The communication server is being rolled back to generation %(number)s.") % {"number": number}
        )
    context = {
        "form": form,
        "pair": before,
        "status": status,
        "left_bundle": before not in status.situation.in_bundle,
        "refusing": outlook.refusing(terminals(), before),
    }
    return render(request, "certificates/roll_back.html", context)


@needs(Role.ADMINISTER)
@sensitive_post_parameters("password")
@shows_then_acts
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    status = Status.load()
    pair = get_object_or_404(Generation.objects.defer("host_key"), number=number)
    if not pair.is_pair or pair.withdrawn_at is not None:
        return _overtaken(request)
    form = CriticalForm(request.POST if request.method == "POST" else None, request=request)
    if _carried_out(
        form,
        lambda: lifecycle.withdraw(
            status.clock, number, by=person(request).get_username(), reason=form.cleaned_data["reason"]
        ),
    ):
        return _ordered(request, _("Generation %(number)s has been withdrawn.") % {"number": number})
    successor = status.situation.pending if pair == status.situation.active else None
    if successor is not None and not status.situation.is_valid(successor):
        successor = None
    trusted = frozenset() if successor is None else frozenset({successor.root_sha256})
    context = {
        "form": form,
        "pair": pair,
        "status": status,
        "successor": successor,
        "at_once": lifecycle.is_at_once(status.situation),
        "refusing": terminals().disturbance(trusted_roots=trusted).refusing,
    }
    return render(request, "certificates/withdraw.html", context)


def _carried_out(form: Form, order: Callable[[], object], *, field: str | None = None) -> bool:
    """Order what a valid form confirms. What is refused stands in the form, at `field` where that is to blame."""
    if not form.is_bound or not form.is_valid():
        return False
    try:
        order()
    except Refused as refusal:
        form.add_error(field, str(refusal))
        return False
    return True


def _ordered(request: HttpRequest, text: str) -> HttpResponse:
    poke()
    messages.success(request, text)
    return redirect("certificates:overview")


def _overtaken(request: HttpRequest) -> HttpResponse:
    """The page belongs to a state that is over: a form sent twice, or somebody was faster."""
    messages.warning(request, _("The state of this pair has changed meanwhile. Nothing has been done."))
    return redirect("certificates:overview")
