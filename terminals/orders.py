"""What a person orders of a rollout: pause, go on, restart now, retry, skip, confirm. The heartbeat does the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from certificates.situation import Situation
from terminals import installations
from terminals.batches import in_batches
from terminals.models import Installation, Rollout, Terminal, TerminalType
from terminals.rollout import concerned, target_of
from terminals.served_first import served_first
from terminals.trust_file import NoTrustFile, trust_file
from terminals.waves import State, Wave

Running = Rollout.State
OPEN = [Running.RUNNING, Running.PAUSED, Running.STOPPED]


class Refused(Exception):
    """What is not possible now. The message is for a person and says why."""


def pause(rollout: Rollout, *, by: str, at: datetime) -> None:
    """Nobody else is asked; who was asked goes on. The server is not switched meanwhile (DESIGN 3.4). Raises Refused."""
    _change(rollout, [Running.RUNNING, Running.STOPPED], by=by, at=at, state=Running.PAUSED)


def go_on(rollout: Rollout, *, by: str, at: datetime) -> None:
    """After a pause or a stop. The failures until now no longer count. Raises Refused."""
    _change(rollout, [Running.PAUSED, Running.STOPPED], by=by, at=at, state=Running.RUNNING)
    _failed(rollout).update(excused=True)


def restart_now(rollout: Rollout, *, by: str, at: datetime) -> None:
    """For this rollout terminals restart outside the window too. Raises Refused."""
    _change(rollout, OPEN, by=by, at=at, restart_now=True)


def retry_failed(rollout: Rollout, *, by: str, at: datetime) -> int:
    """Those that have failed are asked again, as if they never had been; returns how many. Raises Refused."""
    _change(rollout, OPEN, by=by, at=at)
    return _failed(rollout).update(
        state=State.WAITING.value, next_at=None, postponed=0, excused=False, failure="", failed_at=None
    )


def skip(rollout: Rollout, terminals: Collection[int], *, by: str, at: datetime) -> int:
    """These terminals neither count nor are they asked; one that confirms by itself is confirmed all the same. Raises Refused."""
    _change(rollout, OPEN, by=by, at=at)
    rows = Installation.objects.filter(generation=rollout.generation_id, terminal__in=terminals)
    return rows.exclude(state=State.CONFIRMED.value).update(state=State.SKIPPED.value, next_at=None)


def notify(rollout: Rollout, terminals: Collection[int], *, by: str, at: datetime) -> int:
    """Ask these once more, of those that are confirmed by a person; returns how many have an event string. Raises Refused."""
    _change(rollout, OPEN, by=by, at=at)
    rows = Installation.objects.filter(
        generation=rollout.generation_id,
        wave=Wave.BY_HAND,
        terminal__in=Terminal.objects.filter(pk__in=terminals).exclude(type__event=""),
        state__in=[State.WAITING.value, State.DOWNLOADED.value],
    )
    return rows.update(state=State.WAITING.value, next_at=at)


def confirm(situation: Situation, terminals: QuerySet[Terminal], *, generation: int, by: str, at: datetime) -> int:
    """A person says that these terminals trust what they were to get for this generation; returns how many. Raises Refused.

    Said twice it is said once: a terminal whose turn is another generation is left out.
    """
    target = target_of(situation)
    if target is None:
        raise Refused(_("There is nothing to confirm: no certificates are handed out now."))
    first = served_first(situation).values("pk")
    lacks_active = generation != target.number
    if not lacks_active:
        wanted = terminals.filter(pk__in=concerned(target).values("pk")).exclude(pk__in=first)
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
        installed(types[type_], keys, given, by=by, at=at)
    return sum(map(len, due.values()))


def installed(
    type_: TerminalType, terminals: Sequence[int], generations: Sequence[int], *, by: str, at: datetime
) -> None:
    """A person says that terminals of this type trust these generations; where it holds only one, they trust no other now."""
    if type_.holds_only_one:
        for batch in in_batches(terminals):
            rows = Installation.objects.filter(terminal__in=batch, confirmed_at__isnull=False)
            rows.exclude(generation__in=generations).update(
                state=State.WAITING.value, confirmed_at=None, confirmed_by="", evidence="", next_at=None
            )
    installations.confirmed_by_person(terminals, generations, by=by, at=at)


def due(situation: Situation, terminal: Terminal) -> list[int]:
    """The generations that this terminal is to get, the next one first, whether or not it has confirmed the last."""
    target, active = target_of(situation), situation.active
    found = []
    if active is not None and served_first(situation).filter(pk=terminal.pk).exists():
        found.append(active.number)
    if target is not None and concerned(target).filter(pk=terminal.pk).exists():
        found.append(target.number)
    return found


def _given(situation: Situation, type_: TerminalType, *, lacks_active: bool) -> Sequence[int]:
    """Whose roots the file for such terminals holds; where none is small enough, a person has found another way."""
    try:
        return trust_file(situation, type_, lacks_active=lacks_active).generations
    except NoTrustFile:
        return [pair.number for pair in situation.in_bundle]


def _failed(rollout: Rollout) -> QuerySet[Installation]:
    return Installation.objects.filter(generation=rollout.generation_id, state=State.FAILED.value)


def _change(rollout: Rollout, while_it_is: Collection[str], *, by: str, at: datetime, **changes: object) -> None:
    changed = Rollout.objects.filter(pk=rollout.pk, state__in=while_it_is).update(
        changed_by=by[:150], changed_at=at, **changes
    )
    if not changed:
        raise Refused(_("The rollout is no longer what it was when this was opened. Nothing has been done."))
    rollout.refresh_from_db()
