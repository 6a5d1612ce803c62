"""Device tokens: made for all that have none, or for one, and revoked. What answers is the only place where they ever stand."""

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.users.access import needs
from terminals.directory import device_tokens
from terminals.directory.csv import csv_files
from terminals.drivers.registry import REPORTING_METHODS
from terminals.models import Terminal
from terminals.views.imports import csv_attachment
from terminals.views.terminals import shows_then_acts


@needs(Role.OPERATE)
@shows_then_acts
def make_missing(request: HttpRequest) -> HttpResponse:
    """The file that a POST answers with holds the tokens, and nothing else does."""
    if request.method == "POST" and (issued := device_tokens.issue_missing()):
        rows = [asdict(one) for one in issued]
        separator = csv_files.separator_for(general_of(request).language)
        return csv_attachment("device-tokens.csv", csv_files.write(rows, device_tokens.COLUMNS, separator))
    return render(request, "terminals/tokens.html", {"without": device_tokens.without().count()})


@needs(Role.OPERATE)
@require_POST
def make_token(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal, pk=pk, type__method__in=REPORTING_METHODS)
    return render(request, "terminals/token.html", {"terminal": found, "token": device_tokens.issue(found)})


@needs(Role.OPERATE)
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal, pk=pk)
    device_tokens.revoke(found)
    messages.success(request, _("The token of the terminal %(number)s is revoked.") % {"number": found.number})
    return redirect("terminals:terminal", pk)
