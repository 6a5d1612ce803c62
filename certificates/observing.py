"""What is seen outside the database: the disk, the server's ports, this machine's interfaces, the terminals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from certificates.handover import Readiness, terminals
from certificates.host_keys import HostKeyError
from certificates.presented import look_at_all
from certificates.publishing import Store, StoreError
from certificates.reconciling import readiness
from certificates.situation import Situation, store
from certificates.switching import Server
from certificates.warnings import Observations
from pbxcerts.system.interfaces import interface_addresses
from pbxcerts.system.models import Heartbeat

LOOKED_AT_EVERY = timedelta(minutes=5)
HALF_A_BEAT = timedelta(seconds=30)


def communication_server() -> Server:
    """The communication server as the environment describes it."""
    return Server(store=store(), reload_command=settings.RELOAD_COMMAND, reload_timeout=settings.RELOAD_TIMEOUT)


def observe(
    situation: Situation,
    heartbeat: Heartbeat,
    *,
    ready: Readiness | None = None,
    published: Store | None = None,
    in_order: bool = False,
    mended: tuple[str, ...] = (),
) -> Observations:
    """Everything that the warnings need beside the situation; asks the disk and the terminals, but no port.

    `in_order`: the file system has just been found, or made, as it is wanted; `mended`: what differed before.
    """
    failure = heartbeat.publish_failure
    differences = list(mended)
    lost: tuple[int, ...] = ()
    published = published or store()
    was_busy = published.is_busy
    try:
        wanted = situation.publication()
        lost = wanted.lost
        if wanted.pairs and not in_order:
            differences = published.differences(wanted)
    except (StoreError, HostKeyError) as error:
        failure = str(error)
    if differences and not mended and (was_busy or published.is_busy):
        # They are on their way.
        differences = []
    return Observations(
        readiness=ready if ready is not None else readiness(situation, terminals()),
        publish_failure=failure,
        differences=tuple(differences),
        lost_keys=lost,
        presented=heartbeat.presented,
        local_addresses=frozenset(interface_addresses()),
        last_run=heartbeat.last_run,
        clock_checked_at=heartbeat.last_check.checked_at if heartbeat.last_check else None,
    )


def look_if_due(situation: Situation, presented: dict[str, Any], *, did: bool) -> dict[str, Any]:
    """What each TLS address presents: looked at every 5 minutes, and right after something was done."""
    addresses = situation.general.tls_addresses
    now = situation.clock.now
    if set(presented) == set(addresses) and not did and not _is_old(presented, now):
        return presented
    return {
        address: {"sha256": seen.sha256, "error": seen.error, "at": now.isoformat()}
        for address, seen in look_at_all(addresses).items()
    }


def _is_old(presented: dict[str, Any], now: datetime) -> bool:
    return any(
        not timedelta(0) <= now - datetime.fromisoformat(seen["at"]) < LOOKED_AT_EVERY - HALF_A_BEAT
        for seen in presented.values()
    )
