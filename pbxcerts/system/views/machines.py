"""System / Machines: which machines this installation runs on, how they are, and which one publishes (rule machines)."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from pbxcerts.system.machines import publisher
from pbxcerts.system.machines.machine_state import MachineState, states
from pbxcerts.system.machines.publisher import TakeOverRefused
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import Role
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import needs


@require_safe
def machines(request: HttpRequest) -> HttpResponse:
    return render(request, "system/machines.html", {"machines": states(_read())})


@needs(Role.ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def take_over(request: HttpRequest, key: str) -> HttpResponse:
    """Let a machine publish in the place of one that has been silent for five minutes."""
    found = _read()
    machine = _of(key, found)
    if request.method != "POST":
        silent = found.publisher
        context = {"machine": machine, "publisher": found.label(silent) if silent else ""}
        return render(request, "system/machine_take_over.html", context)
    try:
        publisher.take_over(key, found)
    except TakeOverRefused as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("%(machine)s publishes from its next heartbeat on, within a minute.")
        messages.success(request, said % {"machine": machine.label})
    return redirect("system:machines")


@needs(Role.ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, key: str) -> HttpResponse:
    """Forget a machine that is gone for good."""
    found = _read()
    machine = _of(key, found)
    if request.method != "POST":
        return render(request, "system/machine_remove.html", {"machine": machine})
    try:
        publisher.forget(key, found)
    except TakeOverRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(machine)s has been removed.") % {"machine": machine.label})
    return redirect("system:machines")


def _read() -> Machines:
    return Machines.load(timekeeping.read_machine())


def _of(key: str, found: Machines) -> MachineState:
    machine = next((one for one in states(found) if one.key == key), None)
    if machine is None:
        raise Http404
    return machine
