"""Terminal types: rows that an administrator changes, with a guide for each."""

from contextlib import suppress

from django.contrib import messages
from django.db.models import Count, ProtectedError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from certificates.renewal.situation import load_situation
from pbxcerts.system.models import Role
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.by_hand.work_list import guide
from terminals.checking import orders
from terminals.checking.models import Checking
from terminals.checking.of_type import CheckingOfType
from terminals.directory.ways_in import first_to_come, ways_in
from terminals.drivers.registry import BY_HAND_METHODS
from terminals.forms.types import TypeForm
from terminals.models import Terminal, TerminalType
from terminals.trust_file import NoTrustFile, trust_file
from terminals.views.terminals import shows_then_acts


@require_safe
def types(request: HttpRequest) -> HttpResponse:
    found = TerminalType.objects.annotate(count=Count("terminals")).defer("guide_de", "guide_en", "own_lines")
    # As the reader reads them: one type's name is a word of his language.
    in_order = sorted(found, key=lambda one: str(one).casefold())
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
        "checking": CheckingOfType.of(found, situation.clock.machine),
    }
    return render(request, "terminals/type.html", context)


@require_safe
def first(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that asks for itself until a telephone has come."""
    found = get_object_or_404(TerminalType, pk=pk)
    context = {"type": found, "first": first_to_come(found), "polled": True}
    return render(request, "terminals/_type_first_to_come.html", context)


@needs(Role.ADMINISTER)
@require_POST
def go_on_checking(request: HttpRequest, pk: int) -> HttpResponse:
    """After a telephone that did not come back, or the first one of which only a person can say that it can call."""
    went_on = orders.go_on(get_object_or_404(TerminalType, pk=pk), by=logged_in_user(request).get_username())
    untold = Terminal.objects.enabled().filter(type=pk, checking=None).count()
    said = _("The next telephones of this type are told to check. Not told yet: %(count)s.") % {"count": untold}
    return _ordered(request, pk, said, done=went_on)


@needs(Role.ADMINISTER)
@require_POST
def list_is_seen(request: HttpRequest, pk: int) -> HttpResponse:
    """A person has looked at the first list that was emptied (rule emptied-list)."""
    waited = orders.list_is_seen(get_object_or_404(TerminalType, pk=pk))
    said = _("The lists of the next telephones of this type are emptied when they are full.")
    return _ordered(request, pk, said, done=waited)


@needs(Role.ADMINISTER)
@require_POST
def turn_checking_off(request: HttpRequest, pk: int) -> HttpResponse:
    """All telephones of the type are told to stop; those that restart for it at night."""
    turned_off = TerminalType.objects.filter(pk=pk, turns_checking_on=True).update(turns_checking_on=False)
    told = Checking.objects.of_type(pk).exclude(state=Checking.State.TAKEN_BACK).count()
    said = _("The telephones of this type that were told to check are told to stop: %(count)s.") % {"count": told}
    return _ordered(request, pk, said, done=bool(turned_off))


def _ordered(request: HttpRequest, pk: int, said: str, *, done: bool) -> HttpResponse:
    if done:
        messages.success(request, said)
        wake_worker()
    else:
        messages.warning(request, _("Nothing waits for that. Nothing has been done."))
    return redirect("terminals:types:type", pk)


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
        count = saved.terminals.count()
        said = ngettext(
            "The terminal type “%(name)s” has been saved; that concerns %(count)s terminal.",
            "The terminal type “%(name)s” has been saved; that concerns %(count)s terminals.",
            count,
        )
        messages.success(request, said % {"name": saved, "count": count})
        return redirect("terminals:types:type", saved.pk)
    concerned = found.terminals.count() if found.pk else 0
    context = {"form": form, "heading": heading, "type": found, "concerned": concerned}
    return render(request, "terminals/type_form.html", context)


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
