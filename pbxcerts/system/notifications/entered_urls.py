"""Whether a URL that somebody has entered is one. What is refused is never repeated: it may hold a password (rule never-elsewhere)."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.forms.entries import clean_tls_address
from pbxcerts.system.network.endpoint import Endpoint, EndpointError

CHECK_TAKES_AT_MOST = 20
"""Seconds."""


def clean_http_url(url: str) -> str:
    """Raises ValidationError, which never holds the URL."""
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        port_is_right = False
    if not port_is_right:
        raise ValidationError(_("The port in the URL is not a number from 1 to 65535."), code="port")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValidationError(_("Enter a URL that begins with https:// or http:// and a name."), code="invalid")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValidationError(_("The URL contains a space or a character that nobody sees."), code="invalid")
    try:
        clean_tls_address(str(Endpoint(parts.hostname, 1)))
    except (ValidationError, EndpointError) as error:
        raise ValidationError(_("The name or address in the URL is none."), code="host") from error
    return url


def check_apprise_url(url: str) -> str:
    """The service that it names. A process of its own asks Apprise, whose weight must not stay in this one. Raises
    ValidationError, which never holds the URL.
    """
    command = [sys.executable, "-m", "pbxcerts.system.notifications.transports.apprise_check"]
    try:
        asked = subprocess.run(
            command, input=url, capture_output=True, text=True, timeout=CHECK_TAKES_AT_MOST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValidationError(_("The URL could not be checked now. Try again in a moment."), code="busy") from error
    service = asked.stdout.strip()
    if asked.returncode == 3:
        raise ValidationError(
            _("“%(service)s” would be told on this machine only, which nobody sees. Choose another service."),
            code="local",
            params={"service": service},
        )
    if asked.returncode != 0 or not service:
        raise ValidationError(
            _("Apprise does not understand this URL. Its documentation has an example for each service."),
            code="invalid",
        )
    return service
