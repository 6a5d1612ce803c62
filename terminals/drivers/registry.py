"""The delivery methods: every module of this package that has a `driver`. Adding one touches no list."""

import importlib
import pkgutil
from functools import cache

import terminals.drivers
from terminals.drivers.base import Driver, Method


@cache
def drivers() -> dict[Method, Driver]:
    found: dict[Method, Driver] = {}
    for module in pkgutil.iter_modules(terminals.drivers.__path__):
        driver = getattr(importlib.import_module(f"terminals.drivers.{module.name}"), "driver", None)
        if driver is None:
            continue
        if driver.method in found:
            raise ValueError(f"two drivers for {driver.method}")
        found[driver.method] = driver
    return found


def driver_of(method: str) -> Driver:
    return drivers()[Method(method)]
