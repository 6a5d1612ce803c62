"""The work list: what a person installs by hand, ticked when it is done."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.renewal.situation import Situation, load_situation
from pbxcerts.system.models import Role
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.by_hand.work_list import WorkList, file_name
from terminals.forms.work_list import WorkListFilter
from terminals.models import Installation, Terminal, TerminalQuerySet, TerminalType
from terminals.rollout import orders
from terminals.rollout.orders import RolloutOrderRefused
from terminals.trust_file import NoTrustFile, TrustFile, trust_file

PER_PAGE = 50
_TICK = re.compile(r"([0-9]{1,15}):([0-9]{1,9})", re.ASCII)


@require_safe
def work_list(request: HttpRequest) -> HttpResponse:
    listed = WorkList.load(load_situation())
    chosen = WorkListFilter(request.GET, types=list(dict.fromkeys(one.type for one in listed.types)))
    wanted = chosen.chosen
    type_ = int(wanted["type"]) if "type" in wanted else None
    found = listed.found(type_=type_, text=wanted.get("text", ""))
    page: Page[Installation] = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))  # type: ignore[arg-type]
    types = {(one.type.pk, one.generation): one for one in listed.types}
    context = {
        "list": listed,
        "filter": chosen,
        "page": page,
        "more": found.more,
        "lines": [(row, types[kind]) for row in page if (kind := (row.terminal.type_id, row.generation_id)) in types],
        "chosen_type": type_,
        "query": urlencode(wanted),
    }
    return render(request, "terminals/work_list.html", context)


@require_safe
def download(request: HttpRequest, pk: int, *, first: bool = False) -> HttpResponse:
    """The file for terminals of this type; `first`: for those that lack the certificate that the server presents now."""
    situation, type_ = load_situation(), get_object_or_404(TerminalType, pk=pk)
    try:
        file = trust_file(situation, type_, lacks_active=first)
    except NoTrustFile as error:
        raise Http404 from error
    return trust_file_response(situation, type_, file)


def trust_file_response(situation: Situation, type_: TerminalType, file: TrustFile) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=True, filename=file_name(situation, type_, file))
    return HttpResponse(
        file.content,
        content_type=file.media_type,
        headers={"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
    )


@needs(Role.OPERATE)
@require_POST
def tick(request: HttpRequest) -> HttpResponse:
    """Confirm the terminals that were ticked, or have them notified."""
    listed = WorkList.load(load_situation())
    ticked = _ticked(request, listed)
    back = reverse("terminals:work_list:list")
    if query := request.POST.get("query"):
        back = f"{back}?{query}"
    if not ticked:
        messages.info(request, _("Tick at least one terminal. Those that have been confirmed meanwhile are gone."))
        return redirect(back)
    if "notify" in request.POST:
        _notify(request, listed, [key for keys in ticked.values() for key in keys])
    else:
        _confirm(request, listed, {one: Terminal.objects.filter(pk__in=keys) for one, keys in ticked.items()})
    return redirect(back)


@needs(Role.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_type(request: HttpRequest, pk: int, *, first: bool = False) -> HttpResponse:
    """Tick all of a type, after being told how many these are; `first` as in `download`."""
    listed = WorkList.load(load_situation())
    of_type = listed.of_type(pk, first=first)
    if of_type is None:
        messages.info(request, _("Nobody of this type is left on the work list."))
        return redirect("terminals:work_list:list")
    told = f"{of_type.generation}:{of_type.left}"
    if _has_changed(request, told):
        return redirect(request.path)
    if request.method != "POST":
        return render(request, "terminals/work_list_type.html", {"list": listed, "of_type": of_type, "told": told})
    rows = listed.left.filter(terminal__type=pk, generation=of_type.generation)
    _confirm(request, listed, {of_type.generation: Terminal.objects.filter(pk__in=rows.values("terminal"))})
    return redirect("terminals:work_list:list")


@needs(Role.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def room_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Say of all of a type whose list is full that there is room again, after being told how many these are."""
    listed = WorkList.load(load_situation())
    full = listed.full_of_type(pk)
    if full is None or listed.target is None:
        messages.info(request, _("No list of this type is full any more."))
        return redirect("terminals:work_list:list")
    told = f"{listed.target.number}:{full.count}"
    if _has_changed(request, told):
        return redirect(request.path)
    if request.method != "POST":
        return render(request, "terminals/work_list_room.html", {"list": listed, "full": full, "told": told})
    count = listed.have_room(pk)
    wake_worker()
    text = ngettext(
        "From its next contact on %(count)s terminal is told the next certificate.",
        "From their next contact on %(count)s terminals are told the next certificate.",
        count,
    )
    messages.success(request, text % {"count": count})
    return redirect("terminals:work_list:list")


def _has_changed(request: HttpRequest, told: str) -> bool:
    """Whether what is confirmed is no longer what its page told; says so."""
    has_changed = request.method == "POST" and request.POST.get("told") != told
    if has_changed:
        messages.info(request, _("The work list has changed meanwhile. Nothing has been confirmed."))
    return has_changed


def _ticked(request: HttpRequest, listed: WorkList) -> dict[int, list[int]]:
    """The ticked terminals by the generation that they were shown with, unless they are to get another by now."""
    shown = [
        tuple(map(int, found.groups())) for one in request.POST.getlist("terminal") if (found := _TICK.fullmatch(one))
    ]
    shown = shown[:PER_PAGE]
    rows = listed.left.filter(terminal__in=[terminal for terminal, _generation in shown])
    ticked: dict[int, list[int]] = {}
    for terminal, generation in rows.values_list("terminal", "generation"):
        if (terminal, generation) in shown:
            ticked.setdefault(generation, []).append(terminal)
    return ticked


def _confirm(request: HttpRequest, listed: WorkList, ticked: Mapping[int, TerminalQuerySet]) -> None:
    """`ticked`: by generation."""
    situation = listed.situation
    by, at = logged_in_user(request).get_username(), situation.clock.best
    try:
        count = sum(orders.confirm(situation, who, generation=one, by=by, at=at) for one, who in ticked.items())
    except RolloutOrderRefused as refusal:
        messages.warning(request, str(refusal))
        return
    wake_worker()
    text = ngettext("%(count)s terminal is confirmed.", "%(count)s terminals are confirmed.", count)
    messages.success(request, text % {"count": count})


def _notify(request: HttpRequest, listed: WorkList, terminals: list[int]) -> None:
    if listed.rollout is None:
        return
    situation = listed.situation
    try:
        count = orders.notify(
            listed.rollout, terminals, by=logged_in_user(request).get_username(), at=situation.clock.best
        )
    except RolloutOrderRefused as refusal:
        messages.warning(request, str(refusal))
        return
    if not count:
        if Terminal.objects.filter(pk__in=terminals).exclude(type__event="").exists():
            text = _("These terminals can't be notified: this rollout does not ask them now.")
        else:
            text = _("The types of these terminals have no event string: they can't be notified.")
        messages.info(request, text)
        return
    wake_worker()
    text = ngettext(
        "%(count)s terminal is notified, as soon as terminals may restart.",
        "%(count)s terminals are notified, as soon as terminals may restart.",
        count,
    )
    messages.success(request, text % {"count": count})
