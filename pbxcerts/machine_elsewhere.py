"""The heartbeat of a machine that does not publish (rules machines, one-publishes): it takes part in the rollout, tells where the
machine that publishes is silent, and shows that it lives. It touches no store, and no server.
"""

import logging
from collections.abc import Callable, Sequence

from certificates.renewal.handover import known_terminals
from certificates.renewal.rounds import RoundOutcome
from certificates.renewal.situation import Situation, load_situation
from pbxcerts.panel.what_comes import what_comes
from pbxcerts.system import events
from pbxcerts.system.events import Notice
from pbxcerts.system.machines.machine_warnings import of_a_silent_publisher
from pbxcerts.system.machines.roster import Machines, failing
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.models import destinations_in_use
from pbxcerts.system.time import timekeeping
from terminals.models import Rollout
from terminals.rollout.rounds import reconcile_rollouts

logger = logging.getLogger(__name__)


def beat(machines: Machines, situation: Situation, ask_terminals: Callable[[Situation, Rollout], None]) -> RoundOutcome:
    """One round. `ask_terminals` is the last of it, and takes up to a minute."""
    outcome = RoundOutcome(situation, is_elsewhere=True)
    if refusal := machines.refusal:
        logger.error(
            "this machine does not work: its secrets are others than those of the machine that publishes (%s)", refusal
        )
        show(machines, situation)
        return outcome
    rollout = None
    if differs_by := machines.clock_differs_by(machines.own):
        logger.warning(
            "this machine asks no terminals: its clock differs by %s from that of the one that publishes", differs_by
        )
    else:
        rollout = reconcile_rollouts(situation)
    if silent := of_a_silent_publisher(machines):
        _tell(silent, machines, situation)
    show(machines, situation)
    if rollout is not None and rollout.state == Rollout.State.RUNNING:
        ask_terminals(situation, rollout)
    return outcome


def _tell(silent: Sequence[Notice], machines: Machines, situation: Situation) -> None:
    events.send(silent, now=situation.clock.machine)
    comes = what_comes(situation, known_terminals())
    queue.note(destinations_in_use(), situation.general, situation.clock.best, machines.reading, comes)


def show(machines: Machines, situation: Situation) -> None:
    Heartbeat.own().update(**machines.told(), last_run=situation.clock.machine)
    machines.tell_own_processes()


def show_web_process() -> bool:
    """What the web process does once a minute. Where no worker runs here, this is the life that the machine shows, and it tells where the
    one that publishes is silent; where one does, it only tells what fails, for a worker that ends again and again tells nothing.
    Returns whether this machine may work.
    """
    machines = Machines.load(timekeeping.read_machine())
    own = machines.own
    if own.works:
        if (fails := failing()) != own.failing:
            Heartbeat.own().update(failing=fails)
    else:
        timekeeping.check_if_due(heartbeat=own)
        clock = timekeeping.current_clock(heartbeat=own)
        machines.compare_clock(clock)
        Heartbeat.own().update(**machines.told(), serves=True, last_run=clock.machine)
    machines.tell_own_processes()
    may_work = machines.refusal is None
    if may_work and not own.works:
        _stand_in_for_a_worker(machines)
    return may_work


def _stand_in_for_a_worker(machines: Machines) -> None:
    """Tell and send that the machine that publishes is silent: its worker may have been the only one."""
    # Where nobody has ever published, the first worker is still to be started.
    if machines.publisher is not None and (silent := of_a_silent_publisher(machines)):
        _tell(silent, machines, load_situation())
        sending.start_if_due(machines.reading)
