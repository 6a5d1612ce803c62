"""django-q2 as an app of Django, without a library that it loads wherever it is installed (rule metrics-when-asked)."""

import sys

# Needed by us where metrics are asked for, by django-q2 only to tidy up in a directory that we have not: 2 MB in every process.
_loaded = sys.modules.get("prometheus_client")
sys.modules["prometheus_client"] = None  # type: ignore[assignment]
try:
    from django_q.apps import DjangoQConfig
finally:
    del sys.modules["prometheus_client"]
    if _loaded is not None:
        sys.modules["prometheus_client"] = _loaded


class DjangoQ(DjangoQConfig):  # type: ignore[misc]
    pass
