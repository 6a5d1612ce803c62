"""The page of the rollout: how it stands, and what a person orders."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.renewal.situation import Situation, load_situation
from pbxcerts.system.models import Role
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.models import Installation, Rollout
from terminals.rollout import orders, words
from terminals.rollout.orders import RolloutOrderRefused
from terminals.rollout.page import RolloutStatus
from terminals.rollout.target import rollout_in_force


@require_safe
def rollout(request: HttpRequest) -> HttpResponse:
    return render(request, "terminals/rollout.html", {"status": RolloutStatus.load(load_situation())})


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The part of the page that asks for itself."""
    context = {"status": RolloutStatus.load(load_situation()), "polled": True}
    return render(request, "terminals/_rollout_status.html", context)


@needs(Role.OPERATE)
@require_POST
def order(request: HttpRequest, number: int) -> HttpResponse:
    """What needs no second thought: pause, continue, retry."""
    situation = load_situation()
    by, at = logged_in_user(request).get_username(), situation.clock.best

    def pause(current: Rollout) -> str:
        orders.pause(current, by=by, at=at)
        return _("The rollout is paused: nobody else is asked, and the deadline of the handover is held.")

    def go_on(current: Rollout) -> str:
        orders.go_on(current, by=by, at=at)
        return _("The rollout goes on.")

    def retry(current: Rollout) -> str:
        return words.retried(current, orders.retry_failed(current, by=by, at=at))

    known: dict[str, Callable[[Rollout], str]] = {"pause": pause, "continue": go_on, "retry": retry}
    wanted = known.get(request.POST.get("order", ""))
    if wanted is None:
        raise Http404
    return _carried_out(request, situation, number, wanted)


@needs(Role.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def restart_now(request: HttpRequest, number: int) -> HttpResponse:
    situation = load_situation()
    if request.method != "POST":
        return render(request, "terminals/rollout_restart_now.html", {"status": RolloutStatus.load(situation)})

    def restart(current: Rollout) -> str:
        orders.restart_now(current, by=logged_in_user(request).get_username(), at=situation.clock.best)
        return _("Terminals are restarted now, outside the window too.")

    return _carried_out(request, situation, number, restart)


@needs(Role.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def skip(request: HttpRequest, number: int, terminal: int) -> HttpResponse:
    row = Installation.objects.of(number).filter(terminal=terminal).select_related("terminal").first()
    if row is None:
        messages.warning(request, _("This terminal is no longer in the list. Nothing has been done."))
        return redirect("terminals:rollout:overview")
    situation = load_situation()
    if request.method != "POST":
        return render(request, "terminals/rollout_skip.html", {"row": row, "pending": situation.pending})

    def leave_out(current: Rollout) -> str:
        orders.skip(current, [terminal], by=logged_in_user(request).get_username(), at=situation.clock.best)
        return _("Terminal %(terminal)s is skipped.") % {"terminal": row.terminal}

    return _carried_out(request, situation, number, leave_out)


def _carried_out(
    request: HttpRequest, situation: Situation, number: int, wanted: Callable[[Rollout], str]
) -> HttpResponse:
    """Order it of the rollout that was on the screen, if it is still the one in force."""
    current = rollout_in_force(situation)
    if current is None or current.generation_id != number:
        messages.warning(request, _("Another rollout has taken the place of this one. Nothing has been done."))
        return redirect("terminals:rollout:overview")
    try:
        messages.success(request, wanted(current))
    except RolloutOrderRefused as refusal:
        messages.warning(request, str(refusal))
    else:
        wake_worker()
    return redirect("terminals:rollout:overview")
