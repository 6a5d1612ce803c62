"""The banner's buttons: what a person would wait for, and how the communication server behaves."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from certificates.renewal import orders
from certificates.renewal.orders import PairOrderRefused
from certificates.renewal.situation import load_situation
from pbxcerts.demo.banner import stage_of_this_demonstration
from pbxcerts.demo.communication_server import Conduct, set_conduct
from pbxcerts.system.models import Role
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.rollout import orders as rollout_orders
from terminals.rollout.orders import RolloutOrderRefused
from terminals.rollout.rounds import reconcile_rollouts

SOON = timedelta(seconds=1)


@needs(Role.OPERATE)
@require_POST
def night(request: HttpRequest) -> HttpResponse:
    situation = load_situation()
    # A pair that has just been made has no rollout before the next heartbeat.
    rollout = reconcile_rollouts(situation)
    try:
        if situation.pending is None or rollout is None:
            messages.info(request, _("No handover is under way: nobody waits for the night."))
        else:
            by = logged_in_user(request).get_username()
            rollout_orders.restart_now(rollout, by=by, at=situation.clock.best)
            messages.success(request, _("It is night: telephones restart now."))
            wake_worker()
    except RolloutOrderRefused as refusal:
        messages.error(request, str(refusal))
    return _back(request)


@needs(Role.OPERATE)
@require_POST
def deadline(request: HttpRequest) -> HttpResponse:
    clock = timekeeping.current_clock()
    try:
        orders.move_deadline(clock, clock.best + SOON, by=logged_in_user(request).get_username())
    except PairOrderRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, _("The deadline is here: the communication server is switched with the next heartbeat.")
        )
        wake_worker()
    return _back(request)


@needs(Role.OPERATE)
@require_POST
def server(request: HttpRequest) -> HttpResponse:
    try:
        conduct = Conduct(request.POST.get("conduct", ""))
    except ValueError:
        return HttpResponseBadRequest()
    set_conduct(stage_of_this_demonstration(), conduct)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if is_ours else "home")
