"""Orders from the command line: carried out by this process, or by the worker where that was faster."""

import math
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Generation, Switch
from certificates.renewal.handover import known_terminals
from certificates.renewal.orders import ClockRefused, EndedByAClock, PairOrderRefused, SettingsRefused
from certificates.renewal.rounds import reconcile
from certificates.renewal.situation import load_situation
from certificates.status import outlook, words
from certificates.status.as_json import switch_value
from certificates.status.observing import communication_server, look_if_due, observe
from pbxcerts.system.commands import (
    CommandFailed,
    CommandReport,
    NotNow,
    OperatorCommand,
    WrongUse,
    local,
    os_user,
)
from pbxcerts.system.machines.publisher import claim
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import General, Heartbeat
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import Clock
from pbxcerts.system.wake_worker import wake_worker

SwitchOutcome = Switch.Outcome
ASKED_AGAIN_AFTER = 15.0
"""Seconds; the machine that publishes may have been started only now."""


class OrderCommand(OperatorCommand):
    """A command that gives an order of `certificates.renewal.orders` and waits until it is settled, at most `patience`."""

    # A switch may take two reload commands and a minute of looking; whoever was at it before may take as long.
    patience = timedelta(minutes=5)
    pause = timedelta(seconds=1)
    _asked_at = -math.inf

    def settle(self, is_settled: Callable[[], bool]) -> None:
        """Run rounds of reconciling until the order is settled and the file system is as the database says. Raises
        CommandFailed.
        """
        until = time.monotonic() + self.patience.total_seconds()
        is_here = publishes_here()
        while True:
            if not is_here:
                self._let_the_publisher_work()
                if is_settled():
                    return
                self._wait(until)
                continue
            outcome = reconcile(
                timekeeping.current_clock(),
                terminals=known_terminals(),
                server=communication_server(),
                ask_clock=ask_clock,
            )
            if outcome.publish_failure:
                raise CommandFailed(
                    _(
                        "The certificates can't be put on the file system; it is tried again every minute. The system's words:"
                        " “%(error)s”"
                    )
                    % {"error": outcome.publish_failure},
                    code="publishing",
                )
            if outcome.did:
                _look_again()
            # A round that did something held the store to its end; another process may still be publishing.
            if is_settled() and (outcome.did or _is_published()):
                # What follows for the terminals begins now and not only with the next heartbeat.
                wake_worker()
                return
            self._wait(until)

    def _wait(self, until: float) -> None:
        if time.monotonic() >= until:
            raise CommandFailed(
                _("It is ordered, but another process works on the certificates and is not ready yet: see “status”."),
                code="not_ready",
            )
        time.sleep(self.pause.total_seconds())

    def _let_the_publisher_work(self) -> None:
        """Where another machine publishes: this one touches no store (rule one-publishes)."""
        if time.monotonic() >= self._asked_at + ASKED_AGAIN_AFTER:
            self._asked_at = time.monotonic()
            wake_worker()

    def settle_switch(self, switch: Switch) -> dict[str, Any]:
        """Wait for the end of a switch and return its value. Raises NotNow where the switch was refused, CommandFailed
        where it failed.
        """
        self.settle(lambda: Switch.objects.over().filter(pk=switch.pk).exists())
        switch.refresh_from_db()
        value = {"switch": switch_value(switch)}
        if switch.outcome == SwitchOutcome.REFUSED:
            raise NotNow(
                _("The switch was not carried out. %(why)s") % {"why": words.switch_failure(switch)},
                code="state",
                value=value,
            )
        if switch.outcome in Switch.FAILED:
            raise CommandFailed(outcome_text(switch), code=switch.outcome, value=value)
        return value


class ReasonedCommand(OrderCommand):
    """An order that a person can give a reason for."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", metavar="TEXT", help="for the history")


class SwitchCommand(ReasonedCommand):
    """The order of a switch; it tells the outcome."""

    order: Callable[..., Switch]

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        with refusals():
            switch = self.order(timekeeping.current_clock(), by=os_user(), reason=options["reason"])
        value = self.settle_switch(switch)
        refusing = outlook.refusing(known_terminals(), switch.to)
        said = [outcome_text(switch), *([refusing_text(refusing)] if refusing else [])]
        return CommandReport(" ".join(said), value | {"refusing": refusing})


def publishes_here() -> bool:
    """Whether this machine is the one that publishes; it is from now on where nobody else is to."""
    machines = Machines.load(timekeeping.read_machine())
    machines.tell_own_processes()
    return claim(machines)


def _look_again() -> None:
    """Look at the TLS addresses now: otherwise the page would say for five minutes that the server presents another
    certificate than the active one.
    """
    situation, heartbeat = load_situation(), Heartbeat.load()
    Heartbeat.own().update(presented=look_if_due(situation, heartbeat.presented, did=True))


def _is_published() -> bool:
    situation = load_situation()
    return situation.is_published and not observe(situation, Heartbeat.load()).differences


def outcome_text(switch: Switch) -> str:
    """What came of a switch, in a sentence."""
    number, outcome = switch.to_id, switch.get_outcome_display()
    if switch.outcome in Switch.FAILED:
        said = _("Switch to generation %(number)s: %(outcome)s.") % {"number": number, "outcome": outcome}
    else:
        said = _("Generation %(number)s is served now: %(outcome)s.") % {"number": number, "outcome": outcome}
    return " ".join(filter(None, [said, words.switch_failure(switch)]))


def refusing_text(count: int) -> str:
    return ngettext(
        "%(count)s terminal does not trust this generation: it will refuse the communication server and can't call.",
        "%(count)s terminals do not trust this generation: they will refuse the communication server and can't call.",
        count,
    ) % {"count": count}


def prepared_text(generation: Generation) -> str:
    return _(
        "Generation %(number)s is prepared; the communication server is switched to it on %(deadline)s at the latest."
    ) % {"number": generation.number, "deadline": local(generation.deadline)}


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the refusal of an order into exit code 3."""
    try:
        yield
    except EndedByAClock as refusal:
        raise NotNow(str(refusal), code="clock") from refusal
    except ClockRefused as refusal:
        how = _("With --without-clock (and --reason TEXT where it is far off) it is generated all the same.")
        raise NotNow(f"{refusal} {how}", code="clock") from refusal
    except PairOrderRefused as refusal:
        code = "settings" if isinstance(refusal, SettingsRefused) else "state"
        raise NotNow(str(refusal), code=code) from refusal


def pair_numbered(number: int) -> Generation:
    """The pair with this number. Raises WrongUse where there is none."""
    generation = Generation.objects.made().filter(number=number).first()
    if generation is None:
        raise WrongUse(_("There is no pair %(number)s.") % {"number": number}, code="value")
    return generation


def ask_clock() -> Clock:
    """Ask the NTP servers anew."""
    timekeeping.check_clock()
    return timekeeping.current_clock()
