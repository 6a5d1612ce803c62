"""A worker beside others over one database: `python -m tests.benchmarks.one_of_several_workers GENERATION PHASE`.

It says "ready", begins when it has read a line, after this part of the time between two heartbeats, and ends when every terminal has
confirmed: whom it asked, and when it saw that, it says as JSON.
"""

import json
import sys
import time

import django

django.setup()

from certificates.renewal.situation import Situation
from pbxcerts.system.time.timekeeping import current_clock
from terminals.models import Installation, Rollout
from terminals.rollout import rounds
from terminals.rollout.one_round import the_only_round
from tests.benchmarks.answering_fleet import AnsweringFleet

A_ROUND = 1_000
"""So many are asked in a round, as in a minute, and then any worker may begin the next."""
BEAT = 3.0
"""Seconds, in the place of a minute. A round that takes longer is followed by the next at once, as in a worker."""


class Counted(AnsweringFleet):
    def __init__(self, generations):
        super().__init__(generations)
        self.seen = []

    def ask(self, asks):
        self.seen += [ask.terminal.pk for ask in asks]
        super().ask(asks)

    def is_enough(self):
        return len(self.seen) >= A_ROUND


def work(target):
    asked, rounds_begun, next_beat = [], 0, time.monotonic()
    while True:
        situation = Situation.load(current_clock())
        rollout = rounds.reconcile_rollouts(situation)
        assert rollout is not None
        if not Installation.objects.filter(generation=target).exclude(state="confirmed").exists():
            return {"asked": asked, "rounds": rounds_begun, "at": time.monotonic(), "cpu": time.process_time()}
        with the_only_round() as is_mine:
            if is_mine:
                Rollout.objects.filter(restart_now=False).update(restart_now=True)
                rollout.refresh_from_db()
                fleet = Counted(frozenset(range(1, target + 1)))
                rounds.RolloutRound(situation, rollout, fleet, stopwatch=fleet, others_wait=fleet.is_enough).run()
                fleet.come()
                asked += fleet.seen
                rounds_begun += bool(fleet.seen)
        next_beat = max(next_beat + BEAT, time.monotonic())
        time.sleep(max(next_beat - time.monotonic(), 0))


if __name__ == "__main__":
    Situation.load(current_clock())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    time.sleep(BEAT * float(sys.argv[2]))
    before = time.process_time()
    done = work(int(sys.argv[1]))
    json.dump(done | {"cpu": (done["cpu"] - before) * 1000}, sys.stdout)
