"""Telephones in memory: each answers its NOTIFY at once and fetches its trust file a moment later. No network, no waiting."""

from datetime import timedelta

from certificates.renewal.situation import Situation
from pbxcerts.system.time.timekeeping import current_clock, machine_time
from terminals.drivers.base import Reaction
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust
from terminals.models import Installation, Rollout
from terminals.rollout import rounds
from terminals.rollout.claims import Ask, AskResult

AT_ONCE = 500


class AnsweringFleet:
    """As what sends NOTIFYs, and as the stopwatch of the round: its time passes only while the round waits."""

    def __init__(self, generations: frozenset[int]) -> None:
        self._generations = generations
        self._asked: list[Ask] = []
        self._coming: list[FetchedTrust] = []
        self._elapsed = timedelta()

    def ask(self, asks):
        self._asked += asks

    def answers(self, within):
        asked, self._asked = self._asked, []
        at = machine_time() + timedelta(seconds=1)
        said = {
            "file": "trust.pem",
            "user_agent": "Mitel6867i",
            "address": "10.9.9.9",
            "at": at,
            "by_secret_path": True,
        }
        self._coming += [FetchedTrust(ask.terminal.pk, self._generations, **said) for ask in asked]
        return [AskResult(ask, 200, Reaction.HEARD) for ask in asked]

    def elapsed(self):
        self._elapsed += timedelta(milliseconds=2)
        return self._elapsed

    def pause(self, span):
        self._elapsed += span
        self.come()

    def come(self):
        while self._coming:
            some, self._coming = self._coming[:AT_ONCE], self._coming[AT_ONCE:]
            recording.write_facts(some)


def roll_out(target: int, generations: frozenset[int]) -> None:
    """Round after round until every terminal has confirmed."""
    while True:
        situation = Situation.load(current_clock())
        rollout = rounds.reconcile_rollouts(situation)
        assert rollout is not None
        Rollout.objects.update(restart_now=True)
        rollout.refresh_from_db()
        if not Installation.objects.filter(generation=target).exclude(state="confirmed").exists():
            return
        fleet = AnsweringFleet(generations)
        rounds.RolloutRound(situation, rollout, fleet, stopwatch=fleet).run()
        fleet.come()
