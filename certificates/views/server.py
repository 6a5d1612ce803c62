"""The communication server: which files it is to read, what makes it read them again, and what it presents."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from certificates.communication_server.presented import Presented, look_at_tls_addresses
from certificates.models import Generation
from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.users.access import RoleNeeded, logged_in_user


@dataclass(frozen=True)
class Look:
    """What an address presents now. `generation`: whose certificate that is; None where it is none that is known here."""

    address: str
    presented: Presented
    generation: Generation | None


@require_http_methods(["GET", "HEAD", "POST"])
def server(request: HttpRequest) -> HttpResponse:
    """A POST looks at the TLS addresses now; that changes nothing."""
    user = logged_in_user(request)
    if request.method == "POST" and not user.may(Role.OPERATE):
        raise RoleNeeded(Role.OPERATE)
    addresses = general_of(request).tls_addresses
    context = {
        "publisher": other_machines.publishes_elsewhere(),
        "store": settings.STORE,
        "group": settings.STORE_GROUP,
        # An argument may be a password.
        "reload_command": settings.RELOAD_COMMAND[: None if user.may(Role.ADMINISTER) else 1],
        "addresses": addresses,
        "active": Generation.objects.active().without_key().first(),
        "looks": _look(addresses) if request.method == "POST" else [],
    }
    return render(request, "certificates/server.html", context)


def _look(addresses: list[str]) -> list[Look]:
    seen = look_at_tls_addresses(addresses)
    known = {row.host_sha256: row for row in Generation.objects.made().without_files() if row.host_sha256}
    return [Look(address, one, known.get(one.sha256)) for address, one in seen.items()]
