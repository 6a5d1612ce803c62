"""Orders from the command line: carried out by this process, or by the worker where that was faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from certificates import words
from certificates.handover import terminals
from certificates.lifecycle import ClockRefused, Refused, SettingsRefused
from certificates.models import Generation, Switch
from certificates.observing import communication_server, look_if_due, observe
from certificates.poke import poke
from certificates.reconciling import reconcile
from certificates.situation import Situation
from certificates.status_value import switch_value
from pbxcerts.system import timekeeping
from pbxcerts.system.clock import Clock
from pbxcerts.system.commands import Failed, NotNow, OperatorCommand, WrongUse, local
from pbxcerts.system.models import Heartbeat

Outcome = Switch.Outcome


class OrderCommand(OperatorCommand):
    """Orders with a use case of `certificates.lifecycle`, then waits until it is settled: at most `patience`."""

    # A switch may take two reload commands and a minute of looking; whoever was at it before may take as long.
    patience = timedelta(minutes=5)
    pause = timedelta(seconds=1)

    def settle(self, is_settled: Callable[[], bool]) -> None:
        """Run rounds of reconciling until it is settled and the file system is as the database says. Raises Failed."""
        until = time.monotonic() + self.patience.total_seconds()
        while True:
            outcome = reconcile(
                timekeeping.current_clock(),
                terminals=terminals(),
                server=communication_server(),
                ask_clock=ask_clock,
            )
            if outcome.publish_failure:
                raise Failed(
                    _("The certificates can't be put on the file system: %(error)s. It is tried again every minute.")
                    % {"error": outcome.publish_failure},
                    code="publishing",
                )
            if outcome.did:
                _look_again()
            # A round that did something held the store to its end; another process may still be publishing.
            if is_settled() and (outcome.did or not _differences()):
                # What follows for the terminals begins now and not only with the next heartbeat.
                poke()
                return
            if time.monotonic() >= until:
                raise Failed(
                    _(
                        "It is ordered, but another process works on the certificates and is not ready yet: see “status”."
                    ),
                    code="not_ready",
                )
            time.sleep(self.pause.total_seconds())

    def settle_switch(self, switch: Switch) -> dict[str, Any]:
        """Wait for the end of a switch; returns its value. Raises Failed where the server is not served with the pair."""
        self.settle(lambda: Switch.objects.filter(pk=switch.pk, running=None).exists())
        switch.refresh_from_db()
        value = {"switch": switch_value(switch)}
        if switch.outcome == Outcome.REFUSED:
            raise NotNow(
                _("The switch was not carried out. %(why)s") % {"why": words.switch_failure(switch)},
                code="state",
                value=value,
            )
        if switch.outcome in {Outcome.WENT_BACK, Outcome.STAYS}:
            raise Failed(outcome_text(switch), code=switch.outcome, value=value)
        return value


def _look_again() -> None:
    """Or the page would say for five minutes that the server presents another certificate than the active one."""
    situation, heartbeat = Situation.load(timekeeping.current_clock()), Heartbeat.load()
    Heartbeat.objects.update(presented=look_if_due(situation, heartbeat.presented, did=True))


def _differences() -> tuple[str, ...]:
    return observe(Situation.load(timekeeping.current_clock()), Heartbeat.load()).differences


def outcome_text(switch: Switch) -> str:
    """What came of a switch."""
    number, outcome = switch.to_id, switch.get_outcome_display()
    if switch.outcome in {Outcome.WENT_BACK, Outcome.STAYS}:
        said = _("Switch to generation %(number)s: %(outcome)s.") % {"number": number, "outcome": outcome}
    else:
        said = _("Generation %(number)s is served now: %(outcome)s.") % {"number": number, "outcome": outcome}
    return " ".join(filter(None, [said, words.switch_failure(switch)]))


def prepared_text(generation: Generation) -> str:
    return _(
        "Generation %(number)s is prepared; the communication server is switched to it on %(deadline)s at the latest."
    ) % {
        "number": generation.number,
        "deadline": local(generation.deadline),
    }


@contextmanager
def refusals() -> Iterator[None]:
    """A use case's refusal as exit code 3."""
    try:
        yield
    except Refused as refusal:
        code = {ClockRefused: "clock", SettingsRefused: "settings"}.get(type(refusal), "state")
        raise NotNow(str(refusal), code=code) from refusal


def pair_numbered(number: int) -> Generation:
    """Raises WrongUse where there is no such pair."""
    generation = Generation.objects.exclude(host_pem="").filter(number=number).first()
    if generation is None:
        raise WrongUse(_("There is no pair %(number)s.") % {"number": number}, code="value")
    return generation


def ask_clock() -> Clock:
    """Ask the NTP servers anew."""
    timekeeping.check_clock()
    return timekeeping.current_clock()
