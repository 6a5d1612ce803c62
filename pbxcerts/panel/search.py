"""The search box: views by code or word, terminals by number, name, address or a part of their MAC, terminal types by name,
generations by number or fingerprint, settings by their names, and the help by the words of its titles and its terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_safe

from certificates.forms.settings import SettingsForm
from certificates.models import Generation
from pbxcerts.panel.help.pages import every_page
from pbxcerts.panel.help.terms import TERMS
from pbxcerts.panel.tree import every_view
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.forms.users import AppearanceForm
from pbxcerts.system.models import User
from pbxcerts.system.users.access import logged_in_user
from terminals.directory import searching
from terminals.forms.delivery import DeliveryForm
from terminals.models import Terminal, TerminalType

SHOWN = 20
LONGEST = 100
FORMS: tuple[tuple[str, type[forms.Form]], ...] = (
    ("certificates:overview", SettingsForm),
    ("system:general", GeneralForm),
    ("terminals:delivery:settings", DeliveryForm),
    ("account", AppearanceForm),
)


@dataclass(frozen=True)
class Found:
    """`beside`: it is listed with what is found, and not opened in its place."""

    kind: str
    title: str
    url: str
    beside: bool = False


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """What is found; the only thing that is found is opened at once."""
    words = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    found = list(everything(words, logged_in_user(request))) if words else []
    alone = [one for one in found if not one.beside] or found
    if len(alone) == 1:
        return redirect(alone[0].url)
    return render(request, "search.html", {"words": words, "found": found[:SHOWN], "more": len(found) > SHOWN})


def everything(words: str, user: User) -> Iterator[Found]:
    """A code alone, as in =ge, is its view alone."""
    views = [view for view in every_view() if user.may(view.role)]
    code = [view for view in views if words.removeprefix("=").lower() == view.code]
    yield from (Found(pgettext("what is found", "View"), str(view.title), view.url) for view in code)
    if words.startswith("="):
        return
    lower = words.lower()
    yield from (
        Found(pgettext("what is found", "View"), str(view.title), view.url)
        for view in views
        if view not in code and lower in str(view.title).lower()
    )
    yield from _settings(lower)
    yield from _terminals(words)
    yield from _types(lower)
    yield from _generations(words)
    yield from _help(lower, user)


def _help(lower: str, user: User) -> Iterator[Found]:
    """The pages of the help by any words of their titles; terms, and parameters that no page of settings has, by a part of theirs."""
    of_settings = {form for _url_name, form in FORMS}
    for page in every_page():
        if not user.may(page.view.role):
            continue
        if all(word in page.title.lower() for word in lower.split()):
            yield Found(_("Help"), page.title, page.url, beside=True)
        for parameter in (one for form in page.parameters if form.form not in of_settings for one in form):
            if lower in parameter.label.lower():
                yield Found(
                    _("Help"), f"{page.view.title}: {parameter.label}", f"{page.url}#{parameter.anchor}", beside=True
                )
    for term in TERMS:
        if lower in str(term.word).lower():
            yield Found(pgettext("what is found", "Term"), f"{term.word}: {term.meaning}", term.url, beside=True)


def _settings(lower: str) -> Iterator[Found]:
    for url_name, form in FORMS:
        for name, field in form.base_fields.items():
            label = str(field.label or "")
            if lower in label.lower():
                yield Found(_("Setting"), label[:1].upper() + label[1:], f"{reverse(url_name)}#div_id_{name}")


def _terminals(words: str) -> Iterator[Found]:
    matches = Q(number__istartswith=words) | Q(name__icontains=words) | Q(address__istartswith=words)
    mac = re.sub(r"[:.\-\s]", "", words).upper()
    if re.fullmatch(r"[0-9A-F]{4,12}", mac):
        matches |= Q(mac__contains=mac)
    # Among those that the index of the list finds: it looks anywhere, so all of these are there.
    for one in Terminal.objects.filter(matches, pk__in=searching.search(words).keys).order_by("number")[: SHOWN + 1]:
        yield Found(_("Terminal"), str(one), reverse("terminals:terminal", args=(one.pk,)))


def _types(lower: str) -> Iterator[Found]:
    for one in TerminalType.objects.only("name").order_by("name"):
        if lower in str(one).lower():
            yield Found(_("Terminal type"), str(one), reverse("terminals:types:type", args=(one.pk,)))


def _generations(words: str) -> Iterator[Found]:
    matches = Q(pk__in=())
    if words.isascii() and words.isdecimal() and len(words) < 10:
        matches |= Q(number=int(words))
    fingerprint = words.replace(":", "").lower()
    if re.fullmatch(r"[0-9a-f]{8,64}", fingerprint):
        matches |= Q(host_sha256__startswith=fingerprint) | Q(root_sha256__startswith=fingerprint)
    for one in Generation.objects.filter(matches).without_files()[: SHOWN + 1]:
        title = _("Generation %(number)s, %(state)s") % {"number": one.number, "state": one.get_state_display()}
        yield Found(_("Generation"), title, reverse("certificates:generation", args=(one.number,)))
