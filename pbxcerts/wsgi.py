"""Django as a WSGI application, below the path that a proxy serves the panel at."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbxcerts.settings")

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A path that the proxy passes on as it is loses its beginning, so that the panel answers there without a proxy too."""
    path: str = environ.get("PATH_INFO", "")
    if settings.URL_PATH and f"{path}/".startswith(f"{settings.URL_PATH}/"):
        environ["PATH_INFO"] = path.removeprefix(settings.URL_PATH)
    return _django(environ, start_response)
