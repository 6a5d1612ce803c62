"""The configuration of a terminal by its MAC, as a Django view with one query."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path

from terminals.drivers.configuration import ConfigurationFile, FileOf, PhoneTls
from terminals.drivers.mitel_sip import driver
from terminals.models import Terminal


@login_not_required
def file(_request: HttpRequest, mac: str) -> HttpResponse:
    terminal = get_object_or_404(Terminal.objects.only("mac", "own_lines"), mac=mac)
    tls = PhoneTls(f"https://localhost:8443/{terminal.mac}/1.00000000.{'0' * 32}.pem")
    return HttpResponse(
        driver.files.content(
            ConfigurationFile(FileOf.TERMINAL, mac=terminal.mac or ""), tls, own_lines=terminal.own_lines.splitlines()
        ),
        content_type="text/plain",
    )


urlpatterns = [path("<str:mac>.cfg", file)]
