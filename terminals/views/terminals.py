"""The list of terminals, the page of each, and what an operator changes about one."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db import IntegrityError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import logged_in_user, needs
from terminals.by_hand.models import Link
from terminals.directory import changes
from terminals.directory.held import HeldInTurn, held_at_once, held_by
from terminals.directory.ladder import ladder
from terminals.directory.listing import TerminalListing, story
from terminals.directory.realms import RealmOffer
from terminals.directory.registered import Group, RegisteredTerminals
from terminals.directory.rows import rows_of
from terminals.directory.ways_in import address_of_files
from terminals.drivers.registry import BY_HAND_METHODS, IN_TURN_METHODS, REPORTING_METHODS
from terminals.evidence.models import Discovered
from terminals.evidence.requesters import begin_anew, has_room
from terminals.evidence.who_asked import who_asked
from terminals.forms.terminals import TerminalFilter, TerminalForm
from terminals.models import NotifyWays, Terminal, TerminalType
from terminals.past.condensing import read
from terminals.past.models import PastInstallations
from terminals.rollout import words
from terminals.rollout.reasons import MissingReasons
from terminals.states import SETTLED

PER_PAGE = 50
MOST_DISCOVERED = 100
PAST_AT_MOST = 12

shows_then_acts = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def terminals(request: HttpRequest) -> HttpResponse:
    listing = TerminalListing(
        Situation.load(timekeeping.current_clock(general=general_of(request))),
        tuple(
            TerminalType.objects.only("name", "method", "event", "holds_only_one", "turns_checking_on", "empties_list")
        ),
    )
    chosen = TerminalFilter(request.GET, types=list(listing.types))
    wanted = chosen.chosen
    found = listing.found(wanted)
    page: Page[Terminal] = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))  # type: ignore[arg-type]
    context = {
        "filter": chosen,
        "wanted": wanted,
        "page": page,
        "more": found.more,
        "rows": rows_of(listing.lines(list(page))),
        "target": listing.target,
        "query": urlencode(wanted),
        "filtered": wanted.keys() - {"order"},
        "columns": _columns(wanted),
        "discovered": Discovered.objects.aggregate(count=Count("mac", distinct=True))["count"],
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
    found = get_object_or_404(Terminal.objects.select_related("type", "checking"), pk=pk)
    checking = getattr(found, "checking", None)
    takes_token = found.type.method in REPORTING_METHODS
    served = Generation.objects.active().only("root_sha256").first() if takes_token else None
    situation = Situation.load(timekeeping.current_clock(general=general_of(request)))
    reasons, chapters = MissingReasons.load(situation, [found.pk]), story(found)
    past = read(PastInstallations.objects.filter(terminal=found).first())
    target = reasons.target.number if reasons.target else None
    newest = next((one.installation for one in chapters if one.installation.generation_id == target), None)
    own_address = _own_address(request, found)
    held = held_by(found) if found.type.method in IN_TURN_METHODS else None
    context = {
        "terminal": found,
        "chapters": chapters,
        "past": past if request.GET.get("past") == "all" else past[:PAST_AT_MOST],
        "past_more": len(past) - PAST_AT_MOST if request.GET.get("past") != "all" else 0,
        "target": target,
        "why_missing": reasons.why(found, found.type, newest),
        "ladder": ladder(
            found.type.driver, newest, situation.clock.best, checking, by_itself=found.type.checks_by_itself
        )
        if target
        else (),
        "checking": checking,
        "on_work_list": newest is not None and newest.state not in SETTLED and found.type.method in BY_HAND_METHODS,
        "link_works": Link.objects.filter(terminal=found, revoked_at=None).exists(),
        "who_asked": who_asked([found]).get(found.pk, []),
        "has_token": bool(found.token_sha256),
        "takes_token": takes_token,
        "served_root": served.root_sha256 if served else "",
        "has_password": found.sip_password is not None,
        "held": held,
        "held_is_full": _full(found, held, situation.active),
        "held_at_once": held_at_once(found.type.driver, [*(one.installation for one in chapters), *past], target),
        "own_address": own_address,
        "own_way": _own_way(found, own_address),
        "offer": RealmOffer.of(found),
    }
    return render(request, "terminals/terminal.html", context)


def _full(found: Terminal, held: HeldInTurn | None, active: Generation | None) -> str:
    """That there is no room for another trust anchor, and what to do; "" where there is."""
    if held is None or held.left:
        return ""
    return words.full(found.type, for_served=active is not None and active.number not in held.numbers)


def _own_address(request: HttpRequest, found: Terminal) -> str:
    """The secret address of the terminal's files, for administrators: whoever knows it reads the passwords in them. "" for"
    " others."""
    url = address_of_files(general_of(request))
    provisioned = found.type.driver.files is not None
    if not (provisioned and url and logged_in_user(request).may(Role.ADMINISTER)):
        return ""
    return f"{url}/{found.path_secret}"


def _own_way(found: Terminal, own_address: str) -> str:
    """What a configuration server that exists may name of it, for this terminal alone; "" where there is none."""
    files = found.type.driver.files
    ways = files.ways_in(own_address) if files is not None and own_address else ()
    return ways[0].line if ways else ""


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
    """Make a discovered phone a terminal by one click: its number is its MAC at first, so it is notified directly."""
    phone = get_object_or_404(Discovered, pk=pk)
    if len(addresses := changes.addresses_asking_with(phone.mac)) > 1:
        said = _("Several addresses have asked with the MAC %(mac)s: %(addresses)s. Enter that of the telephone.")
        messages.warning(request, said % {"mac": phone.mac_text, "addresses": ", ".join(addresses)})
        return redirect("terminals:take_in", pk)
    found = changes.terminal_of(phone)
    if not found.type_id or Terminal.objects.filter(number=found.mac).exists():
        return redirect("terminals:take_in", pk)
    changes.save(found, {"number": found.mac, "way": NotifyWays.DIRECT})
    said = _(
        "The telephone %(mac)s is in the list. Enter its number and its way there: until then it is asked straight at its"
        " address %(address)s. Who fetches from there confirms for it: correct the address if it is not that of the telephone."
    )
    messages.success(request, said % {"mac": found.mac_text, "address": found.address})
    return redirect("terminals:discovered")


def _edited(request: HttpRequest, found: Terminal, heading: str) -> HttpResponse:
    administers = logged_in_user(request).may(Role.ADMINISTER)
    form = TerminalForm(typed(request), terminal=found, administers=administers)
    is_new = found.pk is None
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        password, forget = values.pop("sip_password"), values.pop("forget_password", False)
        del values[form.PASSWORD_GOES]
        try:
            password_is_gone = changes.save(found, values, password=password, forget_password=forget)
        except SealingError as error:
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
            if password_is_gone:
                messages.warning(request, _("Its stored SIP password has been deleted: enter it anew."))
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
@require_POST
def take_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell a telephone all certificates again that it takes one by one; or (`kept=served`) the next, because there is room for it"
    " now."""
    found = get_object_or_404(Terminal, pk=pk)
    if request.POST.get("kept") == "served":
        situation = Situation.load(timekeeping.current_clock(general=general_of(request)))
        has_room([found.pk], kept=[pair.number for pair in situation.in_bundle])
        said = _("From its next contact on the terminal %(number)s is told the next certificate.")
        messages.success(request, said % {"number": found.number})
        return redirect("terminals:terminal", pk)
    begin_anew(found.pk)
    messages.success(
        request,
        _(
            "From its next contact on the terminal %(number)s is told all certificates again, that of the communication server"
            " first. Where it does not fetch what has a name that it knows, make a new address for it: then they have other names."
        )
        % {"number": found.number},
    )
    return redirect("terminals:terminal", pk)


@needs(Role.ADMINISTER)
@require_POST
def take_realm(request: HttpRequest, pk: int) -> HttpResponse:
    """Take over the realm that has asked, as it was shown; for the terminal, or for all of its type (`whose=type`)."""
    offer = RealmOffer.of(get_object_or_404(Terminal.objects.select_related("type"), pk=pk))
    if offer is None or (offer.realm, str(offer.proved)) != (request.POST.get("realm"), request.POST.get("proved")):
        messages.warning(request, _("What was offered is no longer so. Nothing has been changed; look at it again."))
        return redirect("terminals:terminal", pk)
    change = offer.for_type if request.POST.get("whose") == "type" else offer.for_terminal
    changed, deleted = change.carry_out(offer.realm)
    said = ngettext(
        "The realm “%(realm)s” has been taken over for %(count)s terminal.",
        "The realm “%(realm)s” has been taken over for %(count)s terminals.",
        changed,
    )
    messages.success(request, said % {"realm": offer.realm, "count": changed})
    if deleted:
        said = ngettext(
            "%(count)s stored SIP password has been deleted: enter or import it anew.",
            "%(count)s stored SIP passwords have been deleted: enter or import them anew.",
            deleted,
        )
        messages.warning(request, said % {"count": deleted})
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


@needs(Role.OPERATE)
@shows_then_acts
def new_path(request: HttpRequest, pk: int) -> HttpResponse:
    """Another secret path for a terminal, where somebody may know the one that it has."""
    found = get_object_or_404(Terminal.objects.select_related("type"), pk=pk)
    if request.method == "POST":
        changes.renew_paths([found.pk])
        messages.success(
            request, _("The terminal %(number)s has a new configuration server address.") % {"number": found.number}
        )
        return redirect("terminals:terminal", pk)
    return render(request, "terminals/terminal_new_path.html", {"terminal": found})


@require_safe
def registered(request: HttpRequest) -> HttpResponse:
    """Who is registered at the communication server, and since when, beside each terminal."""
    active, is_asked = Generation.objects.active_to_read(), bool(settings.KAMCMD)
    if active is None:
        return render(request, "terminals/registered.html", {"found": None, "is_asked": is_asked})
    found = RegisteredTerminals.of(active)
    wanted = request.GET.get("group")
    group = Group(wanted) if wanted in set(Group) else Group.OLDER
    paginator = Paginator(found.terminals(group), PER_PAGE)
    paginator.count = found.counts[group]
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "found": found,
        "counts": {one.value: count for one, count in found.counts.items()},
        "group": group.value,
        "page": page,
        "lines": found.lines(page),
        "query": urlencode({"group": group.value}),
        "is_asked": is_asked,
    }
    return render(request, "terminals/registered.html", context)


@require_safe
def discovered(request: HttpRequest) -> HttpResponse:
    page = Paginator(Discovered.objects.order_by("-last_seen", "pk"), MOST_DISCOVERED).get_page(request.GET.get("page"))
    alike = Discovered.objects.filter(mac__in=[phone.mac for phone in page]).order_by().values("mac")
    several = set(alike.annotate(count=Count("pk")).filter(count__gt=1).values_list("mac", flat=True))
    return render(request, "terminals/discovered.html", {"page": page, "several": several, "query": ""})


@needs(Role.OPERATE)
@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a discovered phone. It is listed again when it asks again."""
    get_object_or_404(Discovered, pk=pk).delete()
    return redirect("terminals:discovered")


@needs(Role.OPERATE)
@require_POST
def dismiss_all(request: HttpRequest) -> HttpResponse:
    """Forget all discovered phones. Those that ask again are listed again."""
    removed, _of_each_model = Discovered.objects.all().delete()
    said = ngettext(
        "%(count)s entry has been removed from the list. What asks again is listed again.",
        "%(count)s entries have been removed from the list. What asks again is listed again.",
        removed,
    )
    messages.success(request, said % {"count": removed})
    return redirect("terminals:discovered")
