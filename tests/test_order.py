"""The order in which the tests run."""

from itertools import pairwise
from types import SimpleNamespace

from tests.support.order import in_the_order_of_least_waiting


def module(name, count, *marks):
    """Tests as pytest has collected them."""
    return [
        SimpleNamespace(name=name, nodeid=f"tests/{name}.py::test_{number}", get_closest_marker=marks.count)
        for number in range(count)
    ]


def some():
    reckoning = [item for number in range(30) for item in module(f"reckons_{number}", 20)]
    waiting = [item for number in range(9) for item in module(f"waits_{number}", 10, "process")]
    return [*reckoning, *waiting, *module("long", 1, "peer", "takes_minutes")]


def test_each_test_runs_once_and_those_of_a_module_stay_together():
    items = some()
    ordered = in_the_order_of_least_waiting([*items], 4)
    assert sorted(item.nodeid for item in ordered) == sorted(item.nodeid for item in items)
    names = [item.name for item in ordered]
    assert sum(one != other for one, other in pairwise(names)) == len({*names}) - 1


def test_every_process_has_as_much_that_waits_from_the_beginning_to_the_end():
    ordered = in_the_order_of_least_waiting(some(), 3)
    third = len(ordered) // 3
    for part in range(3):
        tests = ordered[part * third : (part + 1) * third]
        halves = tests[: third // 2], tests[third // 2 :]
        assert all(10 <= sum(item.get_closest_marker("process") for item in half) <= 30 for half in halves)


def test_what_takes_minutes_comes_first():
    assert in_the_order_of_least_waiting(some(), 1)[0].name == "long"
