"""A task for the real cluster: hand a new pair out with the heartbeat's own code, one round after the other."""

import json
import time
from pathlib import Path

from certificates import lifecycle
from certificates.handover import terminals
from certificates.models import Generation
from certificates.observing import communication_server
from certificates.reconciling import reconcile
from pbxcerts.heartbeat import beat
from pbxcerts.system import timekeeping
from terminals import rollout
from terminals.models import Installation


def roll_out(directory):
    """Make a pair; then write down its number and the moment, and beat until every terminal has confirmed."""
    clock = timekeeping.current_clock()
    made = lifecycle.order_generation(clock, trigger=Generation.Trigger.COMMAND, without_clock=True, reason="benchmark")
    reconcile(clock, terminals=terminals(), server=communication_server())
    Generation.objects.filter(pk=made.pk).update(restart_now=True)
    # These phones are back before the listeners have read of the new pair, and would take the files of the one before.
    time.sleep(rollout.LISTENERS_KNOW_WITHIN.total_seconds())
    began = Path(directory) / "began"
    began.with_suffix(".new").write_text(json.dumps({"generation": made.number, "at": time.time()}))
    began.with_suffix(".new").replace(began)
    beats = 0
    while not beats or Installation.objects.filter(generation=made.number).exclude(state="confirmed").exists():
        beat()
        beats += 1
    (Path(directory) / "ended").write_text(str(beats))
