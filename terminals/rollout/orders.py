"""What a person orders of a rollout: pause, go on, restart now, retry, skip, confirm. The heartbeat does the rest
(rule rollout-orders).
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from certificates.renewal.situation import Situation
from terminals.batches import in_batches
from terminals.evidence import recording
from terminals.models import Installation, InstallationQuerySet, Rollout, Terminal, TerminalQuerySet, TerminalType
from terminals.rollout.served_first import served_first
from terminals.rollout.target import rollout_target
from terminals.states import DeliveryState
from terminals.trust_file import NoTrustFile, trust_file

RolloutState = Rollout.State


class RolloutOrderRefused(Exception):
    """What is not possible now. The message is for a person and says why."""


def pause(rollout: Rollout, *, by: str, at: datetime) -> None:
    """Nobody else is asked; who was asked goes on. The deadline is held (rule deadline-held). Raises
    RolloutOrderRefused.
    """
    _change(rollout, [RolloutState.RUNNING, RolloutState.STOPPED], by=by, at=at, state=RolloutState.PAUSED)


def go_on(rollout: Rollout, *, by: str, at: datetime) -> None:
    """After a pause or a stop. The failures until now no longer count. Raises RolloutOrderRefused."""
    _change(rollout, Rollout.HELD_UP, by=by, at=at, state=RolloutState.RUNNING)
    _failed(rollout).update(excused=True)


def restart_now(rollout: Rollout, *, by: str, at: datetime) -> None:
    """For this rollout terminals restart outside the window too. Raises RolloutOrderRefused."""
    _change(rollout, Rollout.OPEN, by=by, at=at, restart_now=True)


def retry_failed(rollout: Rollout, *, by: str, at: datetime) -> int:
    """Those that have failed are asked again, as if they never had been; returns how many. Raises RolloutOrderRefused."""
    _change(rollout, Rollout.OPEN, by=by, at=at)
    return _failed(rollout).update(
        state=DeliveryState.WAITING, next_at=None, postponed=0, excused=False, failure="", failed_at=None
    )


def skip(rollout: Rollout, terminals: Collection[int], *, by: str, at: datetime) -> int:
    """These terminals neither count nor are they asked; one that confirms by itself is confirmed all the same. Raises
    RolloutOrderRefused.
    """
    _change(rollout, Rollout.OPEN, by=by, at=at)
    rows = Installation.objects.of(rollout.generation_id).filter(terminal__in=terminals)
    return rows.exclude(state=DeliveryState.CONFIRMED).update(state=DeliveryState.SKIPPED, next_at=None)


def notify(rollout: Rollout, terminals: Collection[int], *, by: str, at: datetime) -> int:
    """Let these terminals of the work list be sent another NOTIFY, where their type has an event string; returns how
    many. Raises RolloutOrderRefused.
    """
    _change(rollout, Rollout.OPEN, by=by, at=at)
    rows = Installation.objects.of(rollout.generation_id).by_hand()
    rows = rows.in_state(DeliveryState.WAITING, DeliveryState.DOWNLOADED)
    asked = rows.filter(terminal__in=Terminal.objects.filter(pk__in=terminals).exclude(type__event=""))
    return asked.update(state=DeliveryState.WAITING, next_at=at)


def confirm(situation: Situation, terminals: TerminalQuerySet, *, generation: int, by: str, at: datetime) -> int:
    """A person says that these terminals trust what they were to get for this generation; returns how many. Raises
    RolloutOrderRefused.

    Said twice it changes nothing more: a terminal that is to get another generation by then is left out.
    """
    target = rollout_target(situation)
    if target is None:
        raise RolloutOrderRefused(_("There is nothing to confirm: no certificates are handed out now."))
    first = served_first(situation).values("pk")
    lacks_active = generation != target.number
    if not lacks_active:
        wanted = terminals.concerned_by(target).exclude(pk__in=first)
    elif situation.active is not None and generation == situation.active.number:
        wanted = terminals.filter(pk__in=first)
    else:
        return 0
    due: dict[int, list[int]] = {}
    for key, type_ in wanted.values_list("pk", "type"):
        due.setdefault(type_, []).append(key)
    types = TerminalType.objects.in_bulk(due)
    for type_, keys in due.items():
        given = _given(situation, types[type_], lacks_active=lacks_active)
        record_confirmation(types[type_], keys, given, by=by, at=at)
    return sum(map(len, due.values()))


def record_confirmation(
    type_: TerminalType, terminals: Sequence[int], generations: Sequence[int], *, by: str, at: datetime
) -> None:
    """A person says that these terminals trust these generations, and no other if the type holds only one."""
    if type_.holds_only_one:
        for batch in in_batches(terminals):
            trusted = Installation.objects.filter(terminal__in=batch).trusted()
            trusted.exclude(generation__in=generations).take_back()
    recording.confirmed_by_person(terminals, generations, by=by, at=at)


def generations_due(situation: Situation, terminal: Terminal) -> list[int]:
    """The generations that this terminal is to get, the next one first, whether or not it has confirmed the last."""
    target, active = rollout_target(situation), situation.active
    found = []
    if active is not None and served_first(situation).filter(pk=terminal.pk).exists():
        found.append(active.number)
    if target is not None and Terminal.objects.concerned_by(target).filter(pk=terminal.pk).exists():
        found.append(target.number)
    return found


def _given(situation: Situation, type_: TerminalType, *, lacks_active: bool) -> Sequence[int]:
    """The generations in the file for this type. If no file is small enough, a person has found another way."""
    try:
        return trust_file(situation, type_, lacks_active=lacks_active).generations
    except NoTrustFile:
        return [pair.number for pair in situation.in_bundle]


def _failed(rollout: Rollout) -> InstallationQuerySet:
    return Installation.objects.of(rollout.generation_id).in_state(DeliveryState.FAILED)


def _change(
    rollout: Rollout, while_it_is: Collection[RolloutState], *, by: str, at: datetime, **changes: object
) -> None:
    rows = Rollout.objects.filter(pk=rollout.pk).in_state(*while_it_is)
    if not rows.update(changed_by=by[:150], changed_at=at, **changes):
        raise RolloutOrderRefused(
            _("The rollout is no longer what it was when this was opened. Nothing has been done.")
        )
    rollout.refresh_from_db()
