"""Personal links: made and revoked by an operator, opened at the desk without a login."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.pki import formats
from certificates.renewal.situation import Situation, load_situation
from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.by_hand import links
from terminals.by_hand.link_address import DeskAddress, desk_address
from terminals.by_hand.links import LinkError, LinkOver, OpenedLink, TooManyUnknownLinks
from terminals.by_hand.models import Link
from terminals.by_hand.work_list import WorkList, guide
from terminals.forms.work_list import DeskForm
from terminals.models import Terminal
from terminals.trust_file import NoTrustFile
from terminals.views.work_list import trust_file_response

ON_A_SHEET = 50
LinkPage = Callable[[HttpRequest, Situation, OpenedLink], HttpResponse]
LANGUAGES = dict(settings.LANGUAGES)


# -- for operators -----------------------------------------------------------------------------------------------------


@needs(Role.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def personal_link(request: HttpRequest, terminal: int) -> HttpResponse:
    """What is known of the links of a terminal; a POST makes a new one and shows it this once."""
    found = get_object_or_404(Terminal.objects.select_related("type"), pk=terminal)
    context: dict[str, Any] = {"terminal": found}
    if request.method == "POST":
        try:
            token = links.make(load_situation(), found, by=logged_in_user(request).get_username())
        except NoTrustFile:
            messages.warning(request, _("There is no file for this type of terminal now."))
            return redirect("terminals:work_list:list")
        desk = desk_address(request, general_of(request))
        address = _address(desk, token)
        context |= {"address": address, "code": qr_code(address, title=_("Personal link")), "only_here": desk.only_here}
    context["links"] = Link.objects.filter(terminal=found).order_by("-made_at")[:10]
    return render(request, "terminals/link_made.html", context)


def _address(desk: DeskAddress, token: str) -> str:
    return desk.origin + reverse("terminals:link", args=[token])


@dataclass(frozen=True)
class Sheet:
    """So many terminals of a type as fit on a page that is printed, by number."""

    number: int
    first: str
    last: str


@needs(Role.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def sheet(request: HttpRequest, pk: int, *, first: bool = False) -> HttpResponse:
    """A link for each terminal of a type that is left, to be printed; a POST makes them and shows them this once."""
    listed = WorkList.load(load_situation())
    of_type = listed.of_type(pk, first=first)
    if of_type is None or of_type.file is None:
        messages.info(request, _("Nobody of this type is left on the work list."))
        return redirect("terminals:work_list:list")
    terminals = [row.terminal for row in listed.left.filter(terminal__type=pk, generation=of_type.generation)]
    pages = [terminals[start : start + ON_A_SHEET] for start in range(0, len(terminals), ON_A_SHEET)]
    context: dict[str, Any] = {
        "of_type": of_type,
        "sheets": [Sheet(number, page[0].number, page[-1].number) for number, page in enumerate(pages, start=1)],
    }
    chosen = request.POST.get("sheet", "")
    if chosen.isascii() and chosen.isdecimal() and 0 < int(chosen[:6]) <= len(pages):
        by, desk = logged_in_user(request).get_username(), desk_address(request, general_of(request))
        made = links.make_for_all(listed.situation, pages[int(chosen) - 1], of_type.file, by=by)
        addresses = [(one, _address(desk, token)) for one, token in made]
        context["lines"] = [(one, address, qr_code(address, title=str(one))) for one, address in addresses]
        context["only_here"] = desk.only_here
    return render(request, "terminals/link_sheet.html", context)


@needs(Role.OPERATE)
@require_POST
def revoke(request: HttpRequest, terminal: int) -> HttpResponse:
    found = get_object_or_404(Terminal, pk=terminal)
    if links.revoke(found, at=load_situation().clock.best):
        messages.success(request, _("The personal link no longer works."))
    else:
        messages.info(request, _("There was no link that works."))
    return redirect("terminals:work_list:link", terminal)


def qr_code(text: str, *, title: str) -> SafeString:
    """As SVG that stands in a page: no style, no script; its size is the style sheet's."""
    # Here, not above: few pages have one, and every process would have the library.
    import segno

    drawing = segno.make(text, error="m", micro=False)
    return mark_safe(  # noqa: S308 - segno writes it, and escapes the title
        drawing.svg_inline(border=4, omitsize=True, svgclass="qr-code", lineclass=None, title=title, light="#fff")
    )


# -- at the desk -------------------------------------------------------------------------------------------------------


def at_the_desk(page: LinkPage) -> Callable[[HttpRequest, str], HttpResponse]:
    """Without a login: the token is the right to see it. In the reader's language, and told to nobody else."""

    @wraps(page)
    def answer(request: HttpRequest, token: str) -> HttpResponse:
        language = general_of(request).spelt(_language(request))
        with translation.override(language):
            response = _answered(request, page, token)
        response.headers["Content-Language"] = language
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex"
        # Django would write what is refused, and with it the token in its address, into the log.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response

    return answer


def _answered(request: HttpRequest, page: LinkPage, token: str) -> HttpResponse:
    situation = load_situation()
    try:
        opened = links.open_link(situation, token, address=request.META.get("REMOTE_ADDR", ""))
    except TooManyUnknownLinks:
        text = _("Too many wrong links came from your address. Try again in ten minutes.")
        return _refused(request, text, status=429, headers={"Retry-After": str(links.WITHIN_SECONDS)})
    except LinkOver as over:
        return _refused(request, str(over), status=410)
    except LinkError:
        return _refused(request, _("This link is not known. Ask for a new one."), status=404)
    return page(request, situation, opened)


def _refused(request: HttpRequest, text: str, *, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    response = render(request, "terminals/link_over.html", {"text": text}, status=status)
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


# A POST carries no cookie's authority but that of the token in its address. With "no-referrer" browsers send "Origin: null",
# which the check against forged forms would refuse.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@at_the_desk
def link(request: HttpRequest, situation: Situation, opened: OpenedLink) -> HttpResponse:
    """What to do, and the file; opening it is *downloaded*, the button is *confirmed*."""
    now = situation.clock.best
    form = DeskForm(request.POST if request.method == "POST" else None)
    if request.method == "GET":
        links.downloaded(opened, at=now)
    changed = form.is_bound and not links.holds(opened, form.data.get("version", ""))
    if form.is_valid() and not changed:
        links.confirm(opened, name=form.cleaned_data["name"], at=now)
        wake_worker()
        return render(request, "terminals/link_done.html", {"terminal": opened.terminal})
    pairs = [pair for pair in situation.in_bundle if pair.number in opened.file.generations]
    context = {
        "terminal": opened.terminal,
        "guide": guide(opened.terminal.type),
        "form": form,
        "changed": changed,
        "file": opened.file,
        "fingerprints": [formats.sha256_fingerprint(pair.root) for pair in pairs],
        "until": opened.link.generation.plan.not_after,
    }
    return render(request, "terminals/link.html", context)


@login_not_required
@require_safe
@at_the_desk
def link_file(request: HttpRequest, situation: Situation, opened: OpenedLink) -> HttpResponse:
    if request.method == "GET":
        links.downloaded(opened, at=situation.clock.best)
    return trust_file_response(situation, opened.terminal.type, opened.file)


def _language(request: HttpRequest) -> str:
    """Chosen here, else the browser's, else the one of the panel: this reader is nobody whom an administrator knows."""
    if (chosen := request.GET.get("language", "")) in LANGUAGES:
        return chosen
    for wanted, _quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        if (language := wanted.partition("-")[0]) in LANGUAGES:
            return language
    return translation.get_language() or settings.LANGUAGE_CODE
