"""What a person orders: each a page that says what will happen, and a POST that orders it. The worker carries it out."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates.forms.orders import CriticalForm, DeadlineForm, GenerateForm, ReasonForm, WithdrawForm
from certificates.models import Generation
from certificates.renewal import orders
from certificates.renewal.handover import known_terminals
from certificates.renewal.orders import GenerationOrder, PairOrderRefused
from certificates.status import outlook
from certificates.status.outlook import GenerationOutlook
from certificates.status.page import CertificateStatus
from pbxcerts.system.models import Role
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.time import time_words, timekeeping
from pbxcerts.system.time.clock import Clock
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker

shows_then_acts = require_http_methods(["GET", "HEAD", "POST"])


@needs(Role.OPERATE)
@sensitive_post_parameters("password")
@shows_then_acts
def generate(
    request: HttpRequest,
    *,
    template: str = "certificates/generate.html",
    done: str = "certificates:overview",
    shown: dict[str, Any] | None = None,
) -> HttpResponse:
    """`template`: another one around the same form, which shows more; `done`: the view that follows."""
    posted = request.method == "POST"
    if posted:
        timekeeping.check_clock()
    status = CertificateStatus.load()
    expected = GenerationOutlook(status.situation, known_terminals())
    newest = status.newest.number if status.newest else 0
    form = GenerateForm(typed(request), request=request, outlook=expected, newest=newest)
    if posted and form.is_valid():
        order = GenerationOrder(
            trigger=Generation.Trigger.PAGE,
            by=logged_in_user(request).get_username(),
            reason=form.cleaned_data["reason"],
            at_once=form.at_once,
            restart_now=form.cleaned_data.get("restart_now"),
            without_clock=form.without_clock,
        )
        try:
            generation = orders.order_generation(status.clock, order)
        except PairOrderRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            text = _("Generation %(number)s is being generated.") % {"number": generation.number}
            return _ordered(request, text, then=done)
    context = {"status": status, "outlook": expected, "form": form}
    return render(request, template, context | (shown or {}))


@needs(Role.OPERATE)
@sensitive_post_parameters("password")
@shows_then_acts
def activate(request: HttpRequest, number: int) -> HttpResponse:
    status = CertificateStatus.load()
    pair = status.situation.pending
    if pair is None or pair.number != number:
        return _overtaken(request)
    refusing = outlook.refusing(known_terminals(), pair)
    data = typed(request)
    form = CriticalForm(data, request=request) if refusing else ReasonForm(data)
    if _carried_out(request, form, partial(orders.activate, status.clock)):
        return _ordered(
            request, _("The communication server is being switched to generation %(number)s.") % {"number": number}
        )
    context = {"form": form, "pair": pair, "status": status, "refusing": refusing}
    return render(request, "certificates/activate.html", context)


@needs(Role.OPERATE)
@shows_then_acts
def deadline(request: HttpRequest, number: int) -> HttpResponse:
    status = CertificateStatus.load()
    pair, active = status.situation.pending, status.situation.active
    if pair is None or pair.number != number or active is None:
        return _overtaken(request)
    latest = orders.latest_deadline(pair, active)
    form = DeadlineForm(
        typed(request),
        initial={"at": pair.deadline},
        latest=latest,
        latest_text=time_words.moment(latest),
    )

    if request.method == "POST" and form.is_valid():
        at: datetime = form.cleaned_data["at"]
        try:
            orders.move_deadline(status.clock, at, by=logged_in_user(request).get_username())
        except PairOrderRefused as refusal:
            form.add_error("at", str(refusal))
        else:
            return _ordered(request, _("The deadline has been moved."))
    return render(request, "certificates/deadline.html", {"form": form, "pair": pair, "status": status})


@needs(Role.OPERATE)
@shows_then_acts
def discard(request: HttpRequest, number: int) -> HttpResponse:
    status = CertificateStatus.load()
    pair = status.situation.pending
    if pair is None or pair.number != number:
        return _overtaken(request)
    form = ReasonForm(typed(request))
    if _carried_out(request, form, partial(orders.discard, status.clock)):
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
    status = CertificateStatus.load()
    before = status.situation.served_before
    if before is None or before.number != number:
        return _overtaken(request)
    form = CriticalForm(typed(request), request=request)
    if _carried_out(request, form, partial(orders.roll_back, status.clock)):
        return _ordered(
            request, _("The communication server is being rolled back to generation %(number)s.") % {"number": number}
        )
    context = {
        "form": form,
        "pair": before,
        "status": status,
        "left_bundle": before not in status.situation.in_bundle,
        "refusing": outlook.refusing(known_terminals(), before),
    }
    return render(request, "certificates/roll_back.html", context)


@needs(Role.ADMINISTER)
@sensitive_post_parameters("password")
@shows_then_acts
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    posted = request.method == "POST"
    pair = get_object_or_404(Generation.objects.without_key(), number=number)
    if not pair.is_pair or pair.withdrawn_at is not None:
        return _overtaken(request)
    if posted:
        timekeeping.check_clock()
    status = CertificateStatus.load()
    form = WithdrawForm(
        typed(request),
        request=request,
        clock_verdict=outlook.clock_for_replacement(status.situation, pair),
    )
    if _carried_out(request, form, partial(_withdraw, status.clock, number, form)):
        return _ordered(request, _("Generation %(number)s has been withdrawn.") % {"number": number})
    successor = status.situation.pending if pair == status.situation.active else None
    if successor is not None and not status.situation.can_be_served(successor):
        successor = None
    context = {
        "form": form,
        "pair": pair,
        "status": status,
        "successor": successor,
        "at_once": orders.is_at_once(status.situation),
        "refusing": outlook.refusing(known_terminals(), successor),
    }
    return render(request, "certificates/withdraw.html", context)


def _withdraw(clock: Clock, number: int, form: WithdrawForm, *, by: str, reason: str) -> None:
    orders.withdraw(clock, number, by=by, reason=reason, without_clock=form.without_clock)


def _carried_out(request: HttpRequest, form: ReasonForm, order: Callable[..., object]) -> bool:
    """Give the order that a valid form confirms. Returns whether it was given: why it was refused stands in the form."""
    if request.method != "POST" or not form.is_valid():
        return False
    try:
        order(by=logged_in_user(request).get_username(), reason=form.cleaned_data["reason"])
    except PairOrderRefused as refusal:
        form.add_error(None, str(refusal))
        return False
    return True


def _ordered(request: HttpRequest, text: str, *, then: str = "certificates:overview") -> HttpResponse:
    wake_worker()
    messages.success(request, text)
    return redirect(then)


def _overtaken(request: HttpRequest) -> HttpResponse:
    """Answer a page that belongs to a state that is over: its form was sent twice, or somebody else was faster."""
    messages.warning(request, _("The state of this pair has changed meanwhile. Nothing has been done."))
    return redirect("certificates:overview")
