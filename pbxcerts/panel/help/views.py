"""The help: its contents, the page of each view, and the terms."""

import unicodedata

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pbxcerts.panel.help import pages
from pbxcerts.panel.help.terms import TERMS, Term
from pbxcerts.system.users.access import RoleNeeded, logged_in_user


@require_safe
def contents(request: HttpRequest) -> HttpResponse:
    shown = [page for page in pages.every_page() if logged_in_user(request).may(page.view.role)]
    return render(request, "help/contents.html", {"pages": shown})


@require_safe
def of_view(request: HttpRequest, code: str) -> HttpResponse:
    page = next((page for page in pages.every_page() if page.view.code == code), None)
    if page is None:
        raise Http404
    if not logged_in_user(request).may(page.view.role):
        raise RoleNeeded(page.view.role)
    return render(request, page.template, {"page": page, **pages.facts()})


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    return render(request, "help/terms.html", {"terms": sorted(TERMS, key=_as_in_a_dictionary)})


def _as_in_a_dictionary(term: Term) -> str:
    """Ü among the U, capitals among small letters."""
    letters = unicodedata.normalize("NFKD", str(term.word).casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
