"""In what order the tests run: so that no processor waits for another process, and no process of the tests for another in the end."""

from itertools import groupby


def in_the_order_of_least_waiting(items, processes):
    """Those of one module stay together, with what they share. Each process of the tests gets a part of the list in one piece, as
    pytest-xdist deals it: in each part, modules that wait for other processes are spread among those that reckon, and what takes
    minutes comes first. Else the random order stays that they have.
    """
    modules = [list(tests) for _module, tests in groupby(items, key=lambda item: item.nodeid.partition("::")[0])]
    waiting, reckoning = (
        _dealt([module for module in modules if _waits(module) == waits], processes) for waits in (True, False)
    )
    return [item for lists in zip(waiting, reckoning, strict=True) for module in _mixed(*lists) for item in module]


def _waits(module):
    return any(_marked(module, name) for name in ("process", "peer", "browser"))


def _marked(module, name):
    return any(item.get_closest_marker(name) for item in module)


def _dealt(modules, processes):
    """As many lists of modules, with about as many tests each."""
    lists = [[] for _ in range(processes)]
    for module in sorted(modules, key=len, reverse=True):
        min(lists, key=lambda dealt: sum(map(len, dealt))).append(module)
    order = {id(module): place for place, module in enumerate(modules)}
    for dealt in lists:
        dealt.sort(key=lambda module: (not _marked(module, "takes_minutes"), order[id(module)]))
    return lists


def _mixed(*lists):
    """The modules of all lists, each list spread over the whole length."""
    placed = []
    for number, modules in enumerate(lists):
        whole, before = sum(map(len, modules)), 0
        for module in modules:
            placed.append((before / whole, number, module))
            before += len(module)
    return [module for _place, _number, module in sorted(placed, key=lambda entry: entry[:2])]
