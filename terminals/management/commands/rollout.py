"""`rollout`: how the rollout stands, and what a person orders of it."""

import shutil
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from certificates.renewal.situation import Situation, load_situation
from pbxcerts.system.commands import (
    CommandFailed,
    CommandReport,
    NotNow,
    OperatorCommand,
    WrongUse,
    aligned,
    local,
    os_user,
)
from pbxcerts.system.models import General
from pbxcerts.system.network.one_address import source_of
from pbxcerts.system.wake_worker import wake_worker
from terminals.evidence import fetches
from terminals.evidence.who_asked import who_asked
from terminals.models import Rollout, Terminal
from terminals.rollout import orders, words
from terminals.rollout.as_json import rollout_value
from terminals.rollout.orders import RolloutOrderRefused
from terminals.rollout.page import RolloutStatus, TroubledTerminal, UnprovedTerminal, state_counts
from terminals.rollout.progress import RolloutProgress, rollout_progress
from terminals.rollout.rounds import reconcile_rollouts
from terminals.rollout.target import rollout_in_force

BAR = 30
OF_ONE = ("skip", "confirm", "accept")


class Command(OperatorCommand):
    help = (
        "Shows the rollout; pauses it, continues it, retries what failed, restarts now, skips or confirms a terminal, or"
        " accepts the address from which its trust file was fetched."
    )
    pause = timedelta(seconds=2)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--watch", action="store_true", help="until every terminal has confirmed or is skipped")
        parser.add_argument(
            "order",
            nargs="?",
            choices=["pause", "continue", "retry", "restart-now", *OF_ONE],
            help="what is ordered; without it how the rollout stands",
        )
        parser.add_argument("number", nargs="?", help="of the terminal that is skipped, confirmed or accepted")
        parser.add_argument(
            "--address",
            metavar="IP",
            help="the one that is accepted, where more than one has asked for a terminal's files",
        )
        parser.add_argument(
            "--generation", type=int, metavar="N", help="the one that is confirmed, where two are due on a terminal"
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport | None:
        order, number = options["order"], options["number"]
        if (order in OF_ONE) != (number is not None):
            raise WrongUse(
                _("A terminal's number belongs to “skip”, “confirm” and “accept”, and to nothing else."), code="usage"
            )
        if order != "accept" and options["address"] is not None:
            raise WrongUse(_("An address belongs to “accept”, and to nothing else."), code="usage")
        if order != "confirm" and options["generation"] is not None:
            raise WrongUse(_("A generation belongs to “confirm”, and to nothing else."), code="usage")
        if order is not None and options["watch"]:
            raise WrongUse(
                _("What is ordered can't be watched in one go: run “rollout --watch” after it."), code="usage"
            )
        if order is not None:
            return self._ordered(order, number, options["generation"], options["address"])
        return self._watched(options) if options["watch"] else _report(load_situation())

    # -- orders ------------------------------------------------------------------------------------------------------

    def _ordered(self, order: str, number: str | None, generation: int | None, address: str | None) -> CommandReport:
        situation = load_situation()
        by, at = os_user(), situation.clock.best
        with _refusals():
            if order == "confirm":
                text = _confirm(situation, _terminal(number), generation)
            elif order == "accept":
                text = _accept(_terminal(number), address, by)
            else:
                # A pair that has just been made has no rollout before the next heartbeat: this is the heartbeat's step, now.
                current = reconcile_rollouts(situation)
                if current is None:
                    raise NotNow(_("There is no rollout now."), code="state")
                text = _of_rollout(order, current, number)(by, at)
        wake_worker()
        return CommandReport(text, {"rollout": rollout_value(rollout_progress(situation))})

    # -- watching ----------------------------------------------------------------------------------------------------

    def _watched(self, options: dict[str, Any]) -> CommandReport:
        """Draw a bar for a person; a script waits for the end. Interrupted by Ctrl-C it says how things stand."""
        silent, before = options["as_json"], ""
        try:
            while True:
                situation = load_situation()
                found = rollout_progress(situation)
                if found is None:
                    break
                line = _bar(found)
                if not silent and line != before:
                    self._draw(line, before)
                    before = line
                if found.is_complete or found.rollout.state == Rollout.State.STOPPED:
                    break
                time.sleep(self.pause.total_seconds())
        except KeyboardInterrupt:
            situation = load_situation()
        if before:
            self.stdout.write("")
        report = _report(situation)
        current = rollout_in_force(situation)
        if current is not None and current.state == Rollout.State.STOPPED:
            raise CommandFailed(
                _(
                    "The rollout has stopped: too many terminals have failed. Look at “rollout”, then retry or continue."
                ),
                code="stopped",
                value=report.value,
            )
        return report

    def _draw(self, line: str, before: str) -> None:
        """Over the line before on a terminal, below it in a file."""
        if self.stdout.isatty():
            # A line that wraps could not be written over.
            width = shutil.get_terminal_size().columns - 1
            self.stdout.write(f"\r{line.ljust(len(before))[:width]}", ending="")
        else:
            self.stdout.write(line)
        self.stdout.flush()


def _of_rollout(order: str, current: Rollout, number: str | None) -> Callable[[str, datetime], str]:
    def carry_out(by: str, at: datetime) -> str:
        match order:
            case "pause":
                orders.pause(current, by=by, at=at)
                return _("The rollout is paused: nobody else is asked, and the deadline of the handover is held.")
            case "continue":
                orders.go_on(current, by=by, at=at)
                return _("The rollout goes on.")
            case "restart-now":
                orders.restart_now(current, by=by, at=at)
                return _("Terminals are restarted now, outside the window too.")
            case "retry":
                return words.retried(current, orders.retry_failed(current, by=by, at=at))
            case _:
                return _skip(current, _terminal(number), by, at)

    return carry_out


def _skip(current: Rollout, terminal: Terminal, by: str, at: datetime) -> str:
    if not orders.skip(current, [terminal.pk], by=by, at=at):
        raise NotNow(
            _("Terminal %(terminal)s has nothing to be skipped: it has confirmed, or is not in this rollout.")
            % {"terminal": terminal},
            code="state",
        )
    return _("Terminal %(terminal)s is skipped.") % {"terminal": terminal}


def _confirm(situation: Situation, terminal: Terminal, generation: int | None) -> str:
    """Raises NotNow, and WrongUse where two generations are due: one order, given twice, must not confirm both."""
    due = orders.generations_due(situation, terminal)
    if generation is None and len(due) > 1:
        raise WrongUse(
            _(
                "Two generations are due on terminal %(terminal)s: %(first)s, then %(second)s. Name one with --generation."
            )
            % {"terminal": terminal, "first": due[0], "second": due[1]},
            code="usage",
        )
    number = generation if generation is not None else due[0] if due else None
    found = Terminal.objects.filter(pk=terminal.pk)
    if number is None or not orders.confirm(situation, found, generation=number, by=os_user(), at=situation.clock.best):
        raise NotNow(
            _(
                "Terminal %(terminal)s is not to get these certificates now: it is disabled, its turn is the switch, or "
                "another generation comes first."
            )
            % {"terminal": terminal},
            code="state",
        )
    said = {"terminal": terminal, "number": number}
    if later := [one for one in due if one != number]:
        said["next"] = later[0]
        return _("Terminal %(terminal)s is confirmed for generation %(number)s. Generation %(next)s is due now.") % said
    return _("Terminal %(terminal)s is confirmed for generation %(number)s.") % said


def _accept(terminal: Terminal, address: str | None, by: str) -> str:
    """Raises NotNow, and WrongUse where it is not clear which address is meant."""
    asked = who_asked([terminal]).get(terminal.pk, [])
    found = [one for one in asked if one.can_be_accepted]
    if address is not None:
        found = [one for one in asked if source_of(address) == one.requester.source]
    if not found:
        raise NotNow(
            _("From no address that could be accepted the files of terminal %(terminal)s were asked for.")
            % {"terminal": terminal},
            code="state",
        )
    if len(found) > 1:
        raise WrongUse(
            _(
                "More than one address has asked for the files of terminal %(terminal)s: %(addresses)s. Name one with --address."
            )
            % {"terminal": terminal, "addresses": ", ".join(one.requester.address for one in found)},
            code="usage",
        )
    source = found[0].requester.source
    fetches.accept(terminal.pk, source, by=by)
    said = _("What asks from %(address)s is terminal %(terminal)s: what it fetched counts, now and later.")
    return said % {"address": source, "terminal": terminal}


def _terminal(number: str | None) -> Terminal:
    """Raises WrongUse."""
    found = Terminal.objects.filter(number=number).first()
    if found is None:
        raise WrongUse(_("There is no terminal “%(number)s”.") % {"number": number}, code="value")
    return found


@contextmanager
def _refusals() -> Iterator[None]:
    """A refusal as exit code 3."""
    try:
        yield
    except RolloutOrderRefused as refusal:
        raise NotNow(str(refusal), code="state") from refusal


# -- how it stands -----------------------------------------------------------------------------------------------------


def _report(situation: Situation) -> CommandReport:
    status = RolloutStatus.load(situation)
    value = {"rollout": rollout_value(status.progress)}
    if status.progress is None:
        return CommandReport(_("There is no rollout now."), value)
    return CommandReport("\n".join(_sections(status, status.progress)), value)


def _sections(status: RolloutStatus, found: RolloutProgress) -> Iterator[str]:
    yield aligned(
        [
            (_("Generation"), f"{found.rollout.generation_id} ({found.rollout.get_state_display()})"),
            (_("Terminals"), _("%(done)s of %(total)s") % {"done": found.done, "total": found.total}),
            (_("Now"), status.now),
            (pgettext("rollout", "Next"), status.next or "-"),
            (_("Expected end"), local(found.ends_at)),
        ]
    )
    yield ""
    waves = [
        (
            method.label,
            wave.label,
            f"{wave.done}/{wave.row.total}",
            ", ".join(f"{count} {label}" for _name, label, count in state_counts(wave.row.states)),
        )
        for method in status.methods
        for wave in method.waves
    ]
    yield aligned(waves)
    for heading, troubled, more in (
        (_("Failed:"), status.failed, status.failed_unnamed),
        (_("Fetched, unproved:"), status.unproved, status.unproved_unnamed),
        (_("Absent:"), status.absent, status.absent_unnamed),
    ):
        if not troubled:
            continue
        yield ""
        yield heading
        rows = [(str(one.installation.terminal), str(one.type), _why(one)) for one in troubled]
        yield aligned(rows, indent="  ")
        if more:
            yield "  " + _("and %(count)s more") % {"count": more}


def _why(one: TroubledTerminal) -> str:
    """Of an absent one when it is asked again, and where more is known than that it is not there, what; of an unproved one
    the addresses.
    """
    next_at = one.installation.next_at
    attempt = _("next attempt %(at)s") % {"at": local(next_at)} if next_at else ""
    if isinstance(one, UnprovedTerminal):
        return ": ".join(filter(None, [attempt, ", ".join(who.requester.address for who in one.who)]))
    return ": ".join(filter(None, [attempt, one.reason]))


def _bar(found: RolloutProgress) -> str:
    """`[#########---------------------] 123/600  110 confirmed, 13 skipped`"""
    filled = BAR * found.done // found.total if found.total else BAR
    said = ", ".join(f"{count} {label}" for _name, label, count in state_counts(found.states))
    return f"[{'#' * filled}{'-' * (BAR - filled)}] {found.done}/{found.total}  {said}"
