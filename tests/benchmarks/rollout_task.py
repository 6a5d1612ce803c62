"""A task for the real cluster: hand a new pair out with the heartbeat's own code, one round after the other."""

import json
import time
from pathlib import Path

from certificates.models import Generation
from certificates.renewal import orders
from certificates.renewal.handover import known_terminals
from certificates.renewal.rounds import reconcile
from certificates.status.observing import communication_server
from pbxcerts.heartbeat import beat
from pbxcerts.system.time import timekeeping
from terminals.models import Installation
from terminals.rollout import rounds


def roll_out(directory):
    """Make a pair; then write down its number and the moment, and beat until every terminal has confirmed."""
    clock = timekeeping.current_clock()
    made = orders.order_generation(
        clock, orders.GenerationOrder(Generation.Trigger.COMMAND, without_clock=True, reason="benchmark")
    )
    reconcile(clock, terminals=known_terminals(), server=communication_server())
    Generation.objects.filter(pk=made.pk).update(restart_now=True)
    # These phones are back before the listeners have read of the new pair, and would take the files of the one before.
    time.sleep(rounds.LISTENERS_KNOW_WITHIN.total_seconds())
    began = Path(directory) / "began"
    began.with_suffix(".new").write_text(json.dumps({"generation": made.number, "at": time.time()}))
    began.with_suffix(".new").replace(began)
    beats = 0
    while not beats or Installation.objects.filter(generation=made.number).exclude(state="confirmed").exists():
        beat()
        beats += 1
    (Path(directory) / "ended").write_text(str(beats))
