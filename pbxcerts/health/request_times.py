"""How many requests were answered by which route with which status, and in which time.

Imported only where metrics are asked for: prometheus_client needs 2 MB, which the idle tree is spared (rule metrics-when-asked).
"""

import prometheus_client
from prometheus_client import CollectorRegistry, Histogram

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
"""Seconds: a file from memory, a page, a page that waits for the database."""


class RequestTimes:
    """Called by the event loops of the panel and of the terminals, each for its own listeners."""

    def __init__(self) -> None:
        # Else each series would come with one more that says when it began.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.histogram = Histogram(
            "pbxcerts_http_request_duration_seconds",
            "From the whole request of a terminal, or the head of the panel's, to the beginning of the response.",
            ["listener", "route", "status"],
            buckets=BOUNDS,
            registry=CollectorRegistry(auto_describe=False),
        )
        # The library's own look-up takes longer than counting.
        self._series: dict[tuple[str, str, int], Histogram] = {}

    def __call__(self, listener: str, route: str, status: int, seconds: float) -> None:
        series = self._series.get((listener, route, status))
        if series is None:
            series = self.histogram.labels(listener, route, str(status))
            self._series[listener, route, status] = series
        series.observe(seconds)
