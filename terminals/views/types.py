"""Terminal types: rows that an administrator changes, with a guide for each."""

from contextlib import suppress

from django.contrib import messages
from django.db.models import Count, ProtectedError
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from certificates.renewal.situation import load_situation
from pbxcerts.system.access import needs
from pbxcerts.system.kept_entries import typed
from pbxcerts.system.models import Role
from terminals.by_hand.work_list import guide
from terminals.directory.ways_in import first_to_come, ways_in
from terminals.drivers.registry import BY_HAND_METHODS
from terminals.forms.types import TypeForm
from terminals.models import TerminalType
from terminals.trust_file import NoTrustFile, trust_file
from terminals.views.terminals import shows_then_acts


@require_safe
def types(request: HttpRequest) -> HttpResponse:
    found = TerminalType.objects.annotate(count=Count("terminals")).defer("guide_de", "guide_en", "own_lines")
    in_order = list(found.order_by(Lower("name")))
    used, unused = ([one for one in in_order if bool(one.count) is is_used] for is_used in (True, False))
    return render(request, "terminals/types.html", {"used": used, "unused": unused})


@require_safe
def type_(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(TerminalType.objects.annotate(count=Count("terminals")), pk=pk)
    situation = load_situation()
    file = None
    with suppress(NoTrustFile):
        file = trust_file(situation, found) if found.method in BY_HAND_METHODS else None
    context = {
        "type": found,
        "guide": guide(found),
        "notified": bool(found.driver.event(found.event)),
        "file": file,
        "ways_in": ways_in(found, situation.general),
    }
    return render(request, "terminals/type.html", context)


@require_safe
def first(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that asks for itself until a telephone has come."""
    found = get_object_or_404(TerminalType, pk=pk)
    context = {"type": found, "first": first_to_come(found), "polled": True}
    return render(request, "terminals/_type_first_to_come.html", context)


@needs(Role.ADMINISTER)
@shows_then_acts
def add(request: HttpRequest) -> HttpResponse:
    return _edited(request, TerminalType(), _("Add terminal type"))


@needs(Role.ADMINISTER)
@shows_then_acts
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(TerminalType, pk=pk)
    return _edited(request, found, str(found))


def _edited(request: HttpRequest, found: TerminalType, heading: str) -> HttpResponse:
    form = TypeForm(typed(request), instance=found)
    if request.method == "POST" and form.is_valid():
        saved: TerminalType = form.save()
        messages.success(request, _("The terminal type “%(name)s” has been saved.") % {"name": saved})
        return redirect("terminals:types:type", saved.pk)
    return render(request, "terminals/type_form.html", {"form": form, "heading": heading, "type": found})


@needs(Role.ADMINISTER)
@shows_then_acts
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(TerminalType.objects.annotate(count=Count("terminals")), pk=pk)
    if request.method == "POST":
        try:
            found.delete()
        except ProtectedError:
            messages.error(
                request,
                _("There are terminals of the type “%(name)s”: give them another one first.") % {"name": found},
            )
            return redirect("terminals:types:type", pk)
        messages.success(request, _("The terminal type “%(name)s” has been deleted.") % {"name": found})
        return redirect("terminals:types:types")
    return render(request, "terminals/type_delete.html", {"type": found})
