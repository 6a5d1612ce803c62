"""Why a terminal has not got the certificates that are handed out, in a sentence for its page and for the list (rule why-missing)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain

from django.utils.translation import gettext as _

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system.time import time_words
from terminals.checking.models import Checking
from terminals.drivers.base import Reaction
from terminals.drivers.registry import (
    BY_HAND_METHODS,
    COMING_FIRST,
    FILLING,
    IN_TURN_METHODS,
    RESTARTING_AT_FIRST,
    RESTARTING_METHODS,
)
from terminals.evidence.requesters import held_in_turn, is_full, known_requesters
from terminals.evidence.unheeded import Unheeded, unheeded
from terminals.models import DeliverySettings, Installation, Rollout, Terminal, TerminalType
from terminals.rollout import waves, words
from terminals.rollout.progress import restarts_at
from terminals.rollout.target import may_restart, rollout_target, terminal_groups
from terminals.states import IN_FLIGHT, SETTLED, DeliveryState, Wave


@dataclass(frozen=True)
class MissingReasons:
    """How the rollout stands, for as many terminals as are asked about. `open_waves`: by method, whose turn it is;
    `restarts_from`: when terminals may be restarted for it, None while they may.
    """

    now: datetime
    target: Generation | None
    rollout: Rollout | None = None
    open_waves: dict[str, Wave] | None = None
    restarts_from: datetime | None = None
    unheeded: Mapping[int, Unheeded] = field(default_factory=dict)
    held: Mapping[int, Sequence[int]] = field(default_factory=dict)
    terminals: Collection[int] = ()

    @classmethod
    def load(cls, situation: Situation, terminals: Collection[int]) -> MissingReasons:
        """For these terminals, those of a page. At most six queries, and one more where lists are full."""
        now, target = situation.clock.best, rollout_target(situation)
        known = known_requesters(terminals)
        rows = [*chain.from_iterable(one.values() for one in known.values())]
        rollout = Rollout.objects.filter(generation=target).first() if target is not None else None
        if target is None or rollout is None:
            return cls(now, target, unheeded=unheeded(known), held=held_in_turn(rows))
        delivery = DeliverySettings.load()
        allowed = may_restart(situation, rollout, delivery, now)
        return cls(
            now,
            target,
            rollout,
            open_waves=waves.open_waves(terminal_groups(target)),
            restarts_from=None if allowed else restarts_at(situation, delivery),
            unheeded=unheeded(known),
            held=held_in_turn(rows),
            terminals=terminals,
        )

    def why(self, terminal: Terminal, type_: TerminalType, installation: Installation | None) -> str:
        """Why this terminal has not got the generation that is handed out; "" where it has. `installation`: that one's."""
        if self.target is None:
            return _("Nothing is handed out now.")
        if installation is not None and installation.state == DeliveryState.CONFIRMED:
            doubt = installation.doubt_until
            return words.why_missing(installation) if doubt is not None and doubt > self.now else ""
        if not terminal.enabled:
            return _("It is disabled, so it is not asked.")
        if installation is None:
            return self._not_taken_in(type_)
        if installation.state == DeliveryState.FULL:
            return self._told_no_further(terminal, type_)
        said = self._said(terminal, type_, installation)
        if terminal.last_contact is None and installation.state in {DeliveryState.WAITING, DeliveryState.ABSENT}:
            return f"{said} " + _("Nothing has ever been heard of it.")
        if self._is_full(terminal, type_) and installation.state not in SETTLED:
            return f"{self._full(type_)} {said}"
        if (one := self.unheeded.get(terminal.pk)) is not None and installation.state not in SETTLED:
            return f"{_unheeded(one)} {said}"
        return said

    def _is_full(self, terminal: Terminal, type_: TerminalType) -> bool:
        held = self.held.get(terminal.pk, ())
        in_turn = type_.method in IN_TURN_METHODS and self.target is not None and self.target.number not in held
        return in_turn and is_full(held, type_.driver.capabilities.holds)

    @cached_property
    def _emptied(self) -> set[int]:
        """Whose list is emptied, and nobody has said so."""
        rows = Checking.objects.in_state(Checking.State.EMPTIED).filter(terminal__in=self.terminals)
        return set(rows.values_list("terminal", flat=True))

    def _full(self, type_: TerminalType) -> str:
        return words.full(type_, for_served=self.target is not None and not self.target.pending)

    def _told_no_further(self, terminal: Terminal, type_: TerminalType) -> str:
        if self._is_full(terminal, type_):
            return f"{self._full(type_)} " + _(
                "It is not notified meanwhile; when there is room again it is, by itself."
            )
        if type_.method in FILLING and terminal.pk in self._emptied:
            return _(
                "pbxcerts has told it to empty its list, and nobody has said yet that the list is empty: until then it is told no further"
                " certificate and not notified. See the first one of its type, and say so on the page of the type."
            )
        return _("Its list was full and has room again: it is asked in its turn from the next heartbeat on.")

    def _not_taken_in(self, type_: TerminalType) -> str:
        if self.target is not None and self.target.pending and type_.holds_only_one:
            return _("Its type holds only one certificate: it gets this generation after the switch and not before.")
        if type_.method in BY_HAND_METHODS:
            return _("It is not in this generation yet: the next heartbeat puts it on the work list.")
        return _("It is not in this generation yet: the next heartbeat takes it in.")

    def _said(self, terminal: Terminal, type_: TerminalType, installation: Installation) -> str:
        match installation.state:
            case DeliveryState.SKIPPED:
                return _("A person skipped it in this rollout.")
            case DeliveryState.DOWNLOADED:
                return _("Its file was downloaded; that it is installed must be confirmed on the work list.")
            case DeliveryState.FAILED:
                return _answered(installation, words.failure(installation)[0] or words.why_missing(installation))
            case state if state in IN_FLIGHT:
                return _under_way(installation)
        if type_.method in BY_HAND_METHODS:
            return _("It is done by hand: it is on the work list.")
        if type_.method in COMING_FIRST and terminal.last_contact is None:
            return _(
                "It has not come for its files yet. It is not notified before it has: a setting of its own could make a restart or"
                " a factory reset of it."
            )
        said = []
        if installation.state == DeliveryState.UNPROVED:
            said.append(_("Fetched, unproved: %(why)s.") % {"why": words.why_missing(installation)})
        elif installation.state == DeliveryState.ABSENT:
            said.append(_absent(installation))
        elif installation.reaction == Reaction.IN_CALL and installation.postponed:
            said.append(_in_call(installation))
        if installation.evidence == Installation.Evidence.FETCHED and installation.confirmed_at is None:
            said.append(
                _(
                    "It has taken it and checks certificates: what it took counts from its next restart on, and that it has restarted is"
                    " not shown yet."
                )
            )
            if not type_.event_restarts:
                said.append(
                    _(
                        "The event string of its type, %(event)s, does not restart it: empty it there, or restart the telephone and confirm"
                        " it."
                    )
                    % {"event": type_.event}
                )
        # One that fetches what is handed out before a rollout has taken it in has no wave yet.
        taken_in = self.rollout is not None and installation.wave != Wave.BY_HAND
        said.append(self._waits_for(terminal, type_, installation) if taken_in else self._not_taken_in(type_))
        return " ".join(filter(None, said))

    def _waits_for(self, terminal: Terminal, type_: TerminalType, installation: Installation) -> str:
        """What has to come before it is asked: a person, its turn, the night, or its next attempt."""
        if self.rollout is not None and self.rollout.is_held_up:
            return _("The rollout is paused or has stopped: nobody is asked until a person continues it.")
        turn = (self.open_waves or {}).get(type_.method)
        # What was put off once is asked again whatever its wave; where nobody is left to wait for, no wave is closed.
        put_off = installation.postponed > 0 or installation.state == DeliveryState.ABSENT
        if turn is not None and turn < installation.wave and not put_off:
            return _("It waits for its turn (%(own)s): before it come %(open)s.") % {
                "own": Installation.Waves(installation.wave).label,
                "open": Installation.Waves(turn).label,
            }
        if type_.method in RESTARTING_METHODS and self.restarts_from is not None:
            at = {"at": time_words.moment(self.restarts_from)}
            return _("It must restart, and waits for the night: from %(at)s.") % at
        first = type_.method in RESTARTING_AT_FIRST and terminal.last_contact is None
        if first and self.restarts_from is not None:
            at = {"at": time_words.moment(self.restarts_from)}
            return (
                _(
                    "It has not come for its files yet, and a notification may restart it until then: it is asked from %(at)s,"
                    " unless it comes by itself before."
                )
                % at
            )
        if installation.next_at is not None and installation.next_at > self.now:
            return _("It is asked again on %(at)s.") % {"at": time_words.moment(installation.next_at)}
        return _("It is asked as soon as those that are asked now are back.")


def _unheeded(one: Unheeded) -> str:
    """What of both it is can't be seen from here."""
    said = _(
        "It has taken its configuration %(times)s times since %(since)s and never the trust file that this names: a later line of your"
        " own configuration names another one (delete that line), or it does not reach the address in it (System / General)."
    )
    return said % {"times": one.times, "since": time_words.moment(one.since)}


def _in_call(installation: Installation) -> str:
    """Whose contact it is in the call nobody can tell from here (rule kamailio-asked)."""
    said = _(
        "Kamailio said that it is in a call (%(times)s of at most %(most)s times in a row, about five hours), so its restart is put off;"
        " then it is notified all the same. If nobody talks there, somebody else writes its contact into his own calls:"
        " “kamcmd dlg.list” shows them."
    )
    return said % {"times": installation.postponed, "most": waves.PUT_OFF_AT_MOST}


def _absent(installation: Installation) -> str:
    if installation.failure:
        return _answered(installation, words.failure(installation)[0])
    if installation.status_code is not None:
        return _answered(installation, _("It is not there."))
    asked = installation.asked_at
    if asked is None:
        return _("It is not there.")
    return _("It was asked on %(at)s and was silent.") % {"at": time_words.moment(asked)}


def _answered(installation: Installation, said: str) -> str:
    """With the response that says so."""
    if installation.status_code is None or installation.status_code < 300:
        return said
    return f"{said} " + _("(Response: SIP %(status)s)") % {"status": installation.status_code}


def _under_way(installation: Installation) -> str:
    asked = {"at": time_words.moment(installation.asked_at) if installation.asked_at else "\N{EN DASH}"}
    match installation.state:
        case DeliveryState.ASKED:
            return _("It was asked on %(at)s, and has not answered yet.") % asked
        case DeliveryState.HEARD:
            return _("It was asked on %(at)s and has answered; it has not come for its files yet.") % asked
        case _:
            return (
                _("It was asked on %(at)s and has come for its files; it has not shown the certificates yet.") % asked
            )
