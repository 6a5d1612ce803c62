"""What a person says of those who asked for a terminal's files: that it was the terminal, or that its network is the telephones'
(rule unproved).
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from pbxcerts.system.database.versioned import SettingsOvertaken
from pbxcerts.system.models import Role
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker
from terminals.evidence import fetches
from terminals.evidence.addresses import TelephoneNetworkError, parse_network
from terminals.models import Terminal

ROLLOUT = "rollout"
"""What the forms on the page of the rollout say of where they stand."""


@needs(Role.OPERATE)
@require_POST
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal, pk=pk)
    source = request.POST.get("source", "")
    if fetches.accept(found.pk, source, by=logged_in_user(request).get_username()):
        wake_worker()
        said = _("What asks from %(address)s is terminal %(terminal)s: what it fetched counts, now and later.")
        messages.success(request, said % {"address": source, "terminal": found})
    else:
        said = _("Nobody has asked for the files of terminal %(terminal)s from there. Nothing has been done.")
        messages.warning(request, said % {"terminal": found})
    return _back(request, found.pk)


@needs(Role.OPERATE)
@require_POST
def no_longer_accept(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Terminal, pk=pk)
    source = request.POST.get("source", "")
    if fetches.no_longer_accept(found.pk, source):
        wake_worker()
        said = _("%(address)s is no longer accepted for terminal %(terminal)s, nor is what was fetched from there.")
        messages.success(request, said % {"address": source, "terminal": found})
    else:
        messages.info(request, _("Nothing has changed."))
    return _back(request, found.pk)


@needs(Role.ADMINISTER)
@require_POST
def accept_network(request: HttpRequest) -> HttpResponse:
    """One network more among those that are set under Delivery."""
    try:
        network = parse_network(request.POST.get("network", ""))
        named = fetches.name_network(network)
    except (TelephoneNetworkError, SettingsOvertaken, fetches.TooManyNetworks):
        messages.warning(request, _("The network could not be named. Name it under Delivery."))
        return redirect("terminals:delivery:settings")
    if named:
        wake_worker()
        said = _("%(network)s is a network of the telephones: what was fetched from there counts within a minute.")
        messages.success(request, said % {"network": network})
    else:
        messages.info(request, _("Nothing has changed."))
    return _back(request, request.POST.get("terminal", ""))


def _back(request: HttpRequest, terminal: int | str) -> HttpResponse:
    """To the page on which the button was."""
    number = str(terminal)
    if request.POST.get("from") == ROLLOUT or not (number.isascii() and number.isdecimal() and len(number) < 16):
        return redirect("terminals:rollout:overview")
    return redirect("terminals:terminal", int(number))
