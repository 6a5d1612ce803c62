"""The delivery methods: every module of this package that has a `driver`. Adding one touches no list."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

import terminals.drivers
from terminals.drivers.base import AnchorsCome, Confirmation, DeliveryDriver, FirstNotify


@cache
def drivers() -> dict[str, DeliveryDriver]:
    """All of them by name, in the order of their names."""
    found: dict[str, DeliveryDriver] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(terminals.drivers.__path__)):
        driver = getattr(importlib.import_module(f"terminals.drivers.{name}"), "driver", None)
        if driver is None:
            continue
        if driver.name != name:
            raise ValueError(f"the driver in {name} calls itself {driver.name}")
        found[name] = driver
    return found


def driver_of(method: str) -> DeliveryDriver:
    """Raises KeyError where no module has this name."""
    return drivers()[method]


def methods(of: Callable[[DeliveryDriver], bool]) -> list[str]:
    """The names of those drivers of which this is true."""
    return [name for name, driver in drivers().items() if of(driver)]


AUTOMATIC_METHODS = methods(lambda driver: driver.capabilities.automatic)
BY_HAND_METHODS = methods(lambda driver: not driver.capabilities.automatic)
REPORTING_METHODS = methods(lambda driver: driver.capabilities.confirmation is Confirmation.PROOF)
FETCHING_METHODS = methods(lambda driver: driver.capabilities.confirmation is Confirmation.FETCH)
RESTARTING_METHODS = methods(lambda driver: driver.capabilities.restarts)
RESTARTING_AT_FIRST = methods(lambda driver: driver.capabilities.first_notify is FirstNotify.RESTARTS)
"""Those that a NOTIFY restarts until they have read the configuration of pbxcerts once (rule first-notify)."""
COMING_FIRST = methods(lambda driver: driver.capabilities.first_notify is FirstNotify.DANGEROUS)
"""Those that are not notified at all before they have."""
COUNTING_FROM_RESTART = methods(lambda driver: driver.capabilities.counts_from_restart)
IN_TURN_METHODS = methods(lambda driver: driver.capabilities.come is AnchorsCome.IN_TURN)
FILLING: dict[str, int] = {
    name: most for name in IN_TURN_METHODS if (most := driver_of(name).capabilities.holds) is not None
}
"""Those of which a list fills up, with how many trust anchors it holds (rule full-list)."""
PROVISIONED_METHODS = methods(lambda driver: driver.files is not None)
"""Whose terminals ask for configuration files."""
KNOWN_OUIS = frozenset[str]().union(*(driver.ouis for driver in drivers().values()))
"""With what the MAC addresses of known makers begin."""
