"""A heartbeat that finds nothing due: its queries, its time, and both again with a thousand generations."""

from functools import partial

from tests.benchmarks.measuring import Line, in_turn, lines_of, run, set_up_django

set_up_django()

from django.db import connection
from django.test.utils import CaptureQueriesContext

from pbxcerts.heartbeat import beat
from tests.benchmarks.past import a_handover_under_way, a_pair_in_service, set_past

QUERIES = "at most 6"


def queries() -> int:
    with CaptureQueriesContext(connection) as captured:
        beat()
    return len(captured)


def benchmark(rounds):
    a_pair_in_service()
    beat()
    lines = [Line("nothing due: queries", str(queries()), target=QUERIES)]
    a_handover_under_way()
    beat()
    few, many = (f"nothing due in a handover, {count} generations" for count in (10, 1000))
    for name, count in ((few, 10), (many, 1000)):
        set_past(count)
        lines.append(Line(f"{name}: queries", str(queries())))
    medians = in_turn(rounds, {few: beat, many: beat}, {few: partial(set_past, 10), many: partial(set_past, 1000)})
    return [*lines, *lines_of(medians, {(many, few): "the same"})]


if __name__ == "__main__":
    run(benchmark)
