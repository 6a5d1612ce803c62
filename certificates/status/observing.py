"""What is seen outside the database: the disk, the server's ports, this machine's interfaces, the terminals."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from certificates.call_proof.models import newest_proofs
from certificates.communication_server.errors import StoreError
from certificates.communication_server.presented import look_at_tls_addresses
from certificates.communication_server.store import Store
from certificates.renewal.handover import Readiness, known_terminals
from certificates.renewal.rounds import readiness_of_pending
from certificates.renewal.situation import Situation, configured_store
from certificates.renewal.standing import StoreReading
from certificates.renewal.switching import CommunicationServer
from certificates.status.warnings import Observations
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.network.interfaces import interface_addresses
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import MachineReading

LOOKED_AT_EVERY = timedelta(minutes=5)
HALF_A_BEAT = timedelta(seconds=30)


def communication_server() -> CommunicationServer:
    """The communication server as the environment describes it."""
    return CommunicationServer(
        store=configured_store(),
        reload_command=settings.RELOAD_COMMAND,
        reload_timeout=settings.RELOAD_TIMEOUT,
        reload_environment=settings.RELOAD_ENVIRONMENT,
    )


def observe(
    situation: Situation,
    heartbeat: Heartbeat,
    *,
    ready: Readiness | None = None,
    published: Store | None = None,
    in_order: bool = False,
    mended: tuple[str, ...] = (),
    reading: MachineReading | None = None,
) -> Observations:
    """Gather everything that the warnings need beside the situation. This asks the disk and the terminals, but no TLS
    address.

    `in_order`: the files have just been found, or made, as they are wanted; `mended`: the files that differed before.
    `reading`: of the machine, where the caller has taken one.
    """
    reading = reading or timekeeping.read_machine()
    failure = heartbeat.publish_failure
    differences = list(mended)
    lost: tuple[int, ...] = ()
    wide: list[str] = []
    # What is published can be looked at only on the machine that does it, and tells it.
    published = None if situation.store.told is not None else published or configured_store()
    was_busy = published is not None and published.is_busy
    try:
        wanted = situation.publication()
        lost = wanted.lost
        # What stands in a store that this database does not know is no difference: nobody has said yet what belongs there.
        if wanted.pairs and published is not None and not situation.standing.rests:
            wide = published.wide_modes(wanted)
            differences = differences if in_order else published.differences(wanted)
    except (StoreError, SealingError) as error:
        failure = str(error)
    if differences and published is not None and not mended:
        # Another process is publishing them at this moment, or has since the situation was read.
        moves = was_busy or published.is_busy or StoreReading.of(published).mark != situation.store.mark
        differences = [] if moves else [name for name in differences if name not in situation.not_yet_shown]
    return Observations(
        readiness=ready if ready is not None else readiness_of_pending(situation, known_terminals()),
        publish_failure=failure,
        differences=tuple(differences),
        wide_modes=tuple(wide),
        lost_keys=lost,
        presented=heartbeat.presented,
        local_addresses=frozenset(interface_addresses()) if published is not None else None,
        last_run=heartbeat.last_run,
        # Of another machine its own warning says it (`pbxcerts.system.machines.machine_warnings`).
        silent_for=timekeeping.since_heartbeat(heartbeat, reading) if heartbeat.key == settings.MACHINE else None,
        clock_checked_at=heartbeat.last_check.checked_at if heartbeat.last_check else None,
        proofs=tuple(newest_proofs()),
    )


def look_if_due(situation: Situation, presented: dict[str, Any], *, did: bool) -> dict[str, Any]:
    """What each TLS address presents. They are looked at every 5 minutes, and right after something was done."""
    addresses = situation.general.tls_addresses
    now = situation.clock.machine
    if set(presented) == set(addresses) and not did and not _is_old(presented, now):
        return presented
    return {
        address: {"sha256": seen.sha256, "error": seen.error, "reached": seen.reached, "at": now.isoformat()}
        for address, seen in look_at_tls_addresses(addresses).items()
    }


def _is_old(presented: dict[str, Any], now: datetime) -> bool:
    return any(
        not timedelta(0) <= now - datetime.fromisoformat(seen["at"]) < LOOKED_AT_EVERY - HALF_A_BEAT
        for seen in presented.values()
    )
