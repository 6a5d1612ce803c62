"""Under which address the technician at a desk reaches the panel, where personal links lead (rule personal-link).

The person who makes a link may sit at the machine itself, where the panel is called 127.0.0.1: at a desk that is another machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from pbxcerts.system.models import General
from pbxcerts.system.network.endpoint import bracketed


@dataclass(frozen=True)
class DeskAddress:
    """`origin`: as in https://panel.example.org. `only_here`: nobody elsewhere reaches the panel there."""

    origin: str
    only_here: bool = False


def desk_address(request: HttpRequest, general: General) -> DeskAddress:
    """The address that this request came to; where that leads each machine to itself, one that the environment or System / General
    names and that the panel answers to.
    """
    host, port = split_domain_port(request.get_host())
    if not _leads_to_itself(host):
        return DeskAddress(f"{request.scheme}://{request.get_host()}")
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        name = urlsplit(origin).hostname or ""
        if "*" not in origin and not _leads_to_itself(bracketed(name)):
            return DeskAddress(origin.rstrip("/"))
    for name in _names(general):
        if validate_host(name, settings.ALLOWED_HOSTS) and not _leads_to_itself(name):
            return DeskAddress(f"{request.scheme}://{name}{f':{port}' if port else ''}")
    return DeskAddress(f"{request.scheme}://{request.get_host()}", only_here=True)


def _names(general: General) -> Iterator[str]:
    """Of the panel, and of the communication server where that is this machine."""
    ours = [*general.own_names, *general.own_addresses]
    if general.on_this_machine:
        ours += [general.fqdn, *general.dns_names, *general.ip_addresses]
    yield from (bracketed(name) for name in ours if name)


def _leads_to_itself(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
