"""Metrics as Prometheus reads them: names, units and types are its own (https://prometheus.io/docs/practices/naming/).

Imported only where they are asked for (rule metrics-when-asked).
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from certificates.models import Generation
from pbxcerts import __version__
from pbxcerts.health.database_reading import NOTHING_TO_DELIVER, DatabaseReading
from pbxcerts.health.own_state import OwnState
from pbxcerts.health.request_times import RequestTimes
from pbxcerts.system.models import Severity
from pbxcerts.system.notifications.models import Delivery
from pbxcerts.system.time.clock import ClockState
from terminals.drivers.registry import drivers
from terminals.states import DeliveryState

STATES_OF_TERMINALS = [*(state.value for state in DeliveryState), NOTHING_TO_DELIVER]


class ReadOnce(Collector):
    """Families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def exposition(reading: DatabaseReading | None, own: OwnState, times: RequestTimes, accept: str) -> tuple[bytes, str]:
    """All metrics in the format that `accept` prefers (text or OpenMetrics), and its media type. `reading`: None where the
    database has said nothing; then its metrics are missing, rather than old.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ReadOnce(_of_this_process(own, database_up=reading is not None)))
    if reading is not None:
        registry.register(ReadOnce(_of_the_database(reading)))
    registry.register(times.histogram)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def _of_this_process(own: OwnState, *, database_up: bool) -> Iterator[Metric]:
    yield _labelled("pbxcerts_build_info", "The version that runs.", "version", {__version__: 1})
    yield _gauge("pbxcerts_database_up", "Whether the database has answered within 2 s.", float(database_up))
    opened = {name: float(name in own.open) for name in sorted(own.wanted)}
    yield _labelled("pbxcerts_listener_open", "Whether this listener is open.", "listener", opened)
    waiting, dropped = own.evidence()
    yield _gauge("pbxcerts_evidence_waiting", "Pieces of evidence that wait to be written into the database.", waiting)
    counter = CounterMetricFamily(
        "pbxcerts_evidence_dropped", "Pieces of evidence that were dropped because too many were waiting."
    )
    counter.add_metric([], dropped)
    yield counter


def _of_the_database(seen: DatabaseReading) -> Iterator[Metric]:
    if seen.active is not None:
        remaining, overlap = seen.active.end - seen.clock.best, seen.active.end - seen.active.planned
        yield _gauge(
            "pbxcerts_active_pair_remaining_seconds",
            "Until the active pair ends; below zero afterwards.",
            remaining.total_seconds(),
        )
        yield _gauge(
            "pbxcerts_active_pair_overlap_seconds",
            "What is left of the active pair when its successor is due.",
            overlap.total_seconds(),
        )
    yield _labelled(
        "pbxcerts_generations",
        "Generations by state.",
        "state",
        _each(Generation.State.values, seen.generations),
    )
    terminals = GaugeMetricFamily(
        "pbxcerts_terminals",
        "Enabled terminals by delivery method and by the state of the generation that they are to get.",
        labels=["method", "state"],
    )
    methods = sorted({*drivers(), *(method for method, _state in seen.terminals)})
    for method in methods:
        for state in STATES_OF_TERMINALS:
            terminals.add_metric([method, state], seen.terminals.get((method, state), 0))
    yield terminals
    yield from _of_the_clock(seen)
    if seen.heartbeat_age is not None:
        yield _gauge("pbxcerts_heartbeat_age_seconds", "Since the last heartbeat.", seen.heartbeat_age)
    yield _labelled(
        "pbxcerts_notification_deliveries",
        "Messages to destinations by state; of those that are over the newest are kept.",
        "state",
        _each(Delivery.State.values, seen.deliveries),
    )
    yield _gauge(
        "pbxcerts_notification_destinations_failing",
        "Destinations that have failed three times in a row or more.",
        seen.destinations_failing,
    )
    yield _labelled(
        "pbxcerts_event_messages_open",
        "Event messages that are open, by severity.",
        "severity",
        _each(Severity.values, seen.open_events),
    )
    if seen.tasks is not None:
        yield _gauge("pbxcerts_tasks_waiting", "Tasks in the queue of the worker.", seen.tasks)


def _of_the_clock(seen: DatabaseReading) -> Iterator[Metric]:
    yield _labelled(
        "pbxcerts_clock_state",
        "1 for the state of this machine's clock.",
        "state",
        {state.value: float(state is seen.clock.state) for state in ClockState},
    )
    measured = seen.clock.measurement
    if measured is not None and seen.clock.state not in {ClockState.OFF, ClockState.UNANSWERED}:
        yield _gauge(
            "pbxcerts_clock_offset_seconds",
            "The true time minus that of this machine, as the NTP servers said last.",
            measured.offset.total_seconds(),
        )


def _each(known: Iterable[str], counted: Mapping[str, int]) -> dict[str, int]:
    """Each value that there is, also where it counts nothing: a series that is missing raises no alert."""
    return {**dict.fromkeys(known, 0), **counted}


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(name, told, value=value)


def _labelled(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
