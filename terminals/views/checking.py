"""What an operator orders of the check of one telephone (rule checking)."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from pbxcerts.system.models import Role
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.checking import orders
from terminals.models import Terminal


@needs(Role.OPERATE)
@require_POST
def order(request: HttpRequest, pk: int) -> HttpResponse:
    """Take it back, or tell it again in its turn."""
    found = get_object_or_404(Terminal, pk=pk)
    match request.POST.get("order"):
        case "take-back":
            by, at = logged_in_user(request).get_username(), timekeeping.machine_time()
            done, said = orders.take_back(pk, by=by, at=at), _("Terminal %(terminal)s is told to check no longer.")
        case "again":
            done, said = orders.tell_again(pk), _("Terminal %(terminal)s is told to check in its turn.")
        case _other:
            raise Http404
    if done:
        messages.success(request, said % {"terminal": found})
        wake_worker()
    else:
        messages.warning(request, _("It is no longer what it was when this was opened. Nothing has been done."))
    return redirect("terminals:terminal", pk)
