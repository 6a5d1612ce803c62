"""The list of terminals, the page of each, and what an operator changes about one."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.host_keys import HostKeyError
from certificates.situation import Situation
from pbxcerts.system import timekeeping
from pbxcerts.system.access import needs, person
from pbxcerts.system.frame import general_of
from pbxcerts.system.models import Role
from terminals import changes
from terminals.forms.terminals import Filter, TerminalForm
from terminals.listing import Listing, story
from terminals.models import Discovered, Methods, Terminal, TerminalType, Ways
from terminals.web.snapshot import own_host

PER_PAGE = 50
MOST_DISCOVERED = 100

shows_then_acts = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def terminals(request: HttpRequest) -> HttpResponse:
    listing = Listing(
        Situation.load(timekeeping.current_clock(general=general_of(request))),
        tuple(TerminalType.objects.defer("guide_de", "guide_en", "own_lines")),
    )
    chosen = Filter(request.GET, types=list(listing.types))
    wanted = chosen.chosen
    page = Paginator(listing.terminals(wanted), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "filter": chosen,
        "wanted": wanted,
        "page": page,
        "lines": listing.lines(list(page)),
        "target": listing.target,
        "query": urlencode(wanted),
        "filtered": wanted.keys() - {"order"},
        "columns": _columns(wanted),
        "discovered": Discovered.objects.count(),
    }
    return render(request, "terminals/terminals.html", context)


def _columns(wanted: dict[str, str]) -> list[list[dict[str, str]]]:
    """The heads of the list. In each, by what the list is ordered there: the link that does it, and how it is ordered now."""
    heads = [
        {"number": _("Number")},
        {"name": _("Name")},
        {"type": _("Type")},
        {"mac": _("MAC"), "address": _("Address")},
        {"state": _("State")},
        {"contact": _("Last contact")},
    ]
    now = wanted.get("order") or "number"
    return [
        [
            {
                "label": label,
                "query": urlencode(wanted | {"order": f"-{name}" if now == name else name}),
                "sorted": {name: "ascending", f"-{name}": "descending"}.get(now, ""),
            }
            for name, label in head.items()
        ]
        for head in heads
    ]


@require_safe
def terminal(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal.objects.select_related("type"), pk=pk)
    context = {
        "terminal": found,
        "chapters": story(found),
        "has_token": bool(found.token_sha256),
        "takes_token": found.type.method == Methods.IP_SYSTEM,
        "has_password": found.sip_password is not None,
        "own_address": _own_address(request, found),
    }
    return render(request, "terminals/terminal.html", context)


def _own_address(request: HttpRequest, found: Terminal) -> str:
    """Whoever knows it reads the passwords in a terminal's file: it is shown to those who may write them."""
    host, https = own_host(general_of(request)), settings.TERMINALS_HTTPS
    if found.type.method != Methods.MITEL_SIP or not (host and https and person(request).may(Role.OPERATE)):
        return ""
    return f"https://{host}:{https.rpartition(':')[2]}/{found.path_secret}/"


@needs(Role.OPERATE)
@sensitive_post_parameters("sip_password")
@shows_then_acts
def add(request: HttpRequest) -> HttpResponse:
    return _edited(request, Terminal(), _("Add terminal"))


@needs(Role.OPERATE)
@sensitive_post_parameters("sip_password")
@shows_then_acts
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal, pk=pk)
    return _edited(request, found, str(found))


@needs(Role.OPERATE)
@sensitive_post_parameters("sip_password")
@shows_then_acts
def take_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a discovered phone a terminal: everything that it said of itself is filled in."""
    return _edited(request, changes.terminal_of(get_object_or_404(Discovered, pk=pk)), _("Add terminal"))


@needs(Role.OPERATE)
@require_POST
def adopt(request: HttpRequest, pk: int) -> HttpResponse:
    """The same by one click. Its number is its MAC until somebody gives it another, so it is asked straight at its address."""
    found = changes.terminal_of(get_object_or_404(Discovered, pk=pk))
    if not found.type_id or Terminal.objects.filter(number=found.mac).exists():
        return redirect("terminals:take_in", pk)
    changes.save(found, {"number": found.mac, "way": Ways.DIRECT})
    said = _(
        "The telephone %(mac)s is in the list. Enter its number and its way there: until then it is asked straight at its"
        " address."
    )
    messages.success(request, said % {"mac": found.mac})
    return redirect("terminals:discovered")


def _edited(request: HttpRequest, found: Terminal, heading: str) -> HttpResponse:
    form = TerminalForm(request.POST if request.method == "POST" else None, terminal=found)
    is_new = found.pk is None
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        password, forget = values.pop("sip_password"), values.pop("forget_password", False)
        try:
            changes.save(found, values, password=password, forget_password=forget)
        except HostKeyError as error:
            form.add_error("sip_password", _("The password can't be encrypted: %(reason)s.") % {"reason": error})
        except IntegrityError:
            form.add_error(None, _("Somebody else has just given this number or MAC to another terminal. Try again."))
        else:
            said = (
                _("The terminal %(number)s has been added.")
                if is_new
                else _("The terminal %(number)s has been changed.")
            )
            messages.success(request, said % {"number": found.number})
            return redirect("terminals:terminal", found.pk)
    return render(request, "terminals/terminal_form.html", {"form": form, "heading": heading, "terminal": found})


@needs(Role.OPERATE)
@require_POST
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a terminal on or off; the button says which, so that pressing it twice does no harm."""
    found = get_object_or_404(Terminal, pk=pk)
    enabled = request.POST.get("enabled") == "true"
    Terminal.objects.filter(pk=pk).update(enabled=enabled)
    said = _("The terminal %(number)s is enabled.") if enabled else _("The terminal %(number)s is disabled.")
    messages.success(request, said % {"number": found.number})
    return redirect("terminals:terminal", pk)


@needs(Role.OPERATE)
@shows_then_acts
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal.objects.select_related("type"), pk=pk)
    if request.method == "POST":
        found.delete()
        messages.success(request, _("The terminal %(number)s has been deleted.") % {"number": found.number})
        return redirect("terminals:terminals")
    return render(request, "terminals/terminal_delete.html", {"terminal": found})


@require_safe
def discovered(request: HttpRequest) -> HttpResponse:
    page = Paginator(Discovered.objects.order_by("-last_seen", "pk"), MOST_DISCOVERED).get_page(request.GET.get("page"))
    return render(request, "terminals/discovered.html", {"page": page, "query": ""})


@needs(Role.OPERATE)
@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """It comes back when it asks again."""
    get_object_or_404(Discovered, pk=pk).delete()
    return redirect("terminals:discovered")
