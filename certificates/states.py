"""The life of a generation as one table. `move` is the only code that changes a state (DESIGN 3.4)."""

from datetime import datetime
from typing import Any

from django.db import transaction

from certificates.models import Generation, Transition

State = Generation.State

TRANSITIONS: dict[State, frozenset[State]] = {
    State.MAKING: frozenset({State.PREPARED, State.FAILED}),
    State.FAILED: frozenset(),
    State.PREPARED: frozenset({State.ACTIVE, State.DISCARDED, State.WITHDRAWN}),
    State.ACTIVE: frozenset({State.SUPERSEDED, State.HELD, State.WITHDRAWN}),
    State.SUPERSEDED: frozenset({State.ACTIVE, State.WITHDRAWN}),
    State.HELD: frozenset({State.ACTIVE, State.DISCARDED, State.WITHDRAWN}),
    State.DISCARDED: frozenset({State.WITHDRAWN}),
    State.WITHDRAWN: frozenset(),
}


class StateError(Exception):
    """StateError
    ├── NotAllowed    the table has no such change
    └── Overtaken     somebody else changed the state first
    """


class NotAllowed(StateError):
    pass


class Overtaken(StateError):
    pass


def begin(generation: Generation) -> None:
    """Insert a new attempt in state MAKING; raises IntegrityError where the slot is taken."""
    generation.state = State.MAKING
    generation.save(force_insert=True)
    Transition.objects.create(
        generation=generation,
        to_state=State.MAKING,
        at=generation.ordered_at,
        by=generation.by,
        why=generation.because,
        reason=generation.reason,
    )


def move(
    generation: Generation,
    to: State,
    *,
    now: datetime,
    by: str = "",
    why: str = "",
    reason: str = "",
    **changes: Any,
) -> None:
    """Change the state, and with it the fields in `changes`, if it is still what `generation` says.

    Raises NotAllowed or Overtaken, and then nothing has changed.
    """
    old = State(generation.state)
    if to not in TRANSITIONS[old]:
        raise NotAllowed(f"generation {generation.number}: {old} -> {to}")
    with transaction.atomic():
        if not Generation.objects.filter(number=generation.number, state=old).update(state=to, **changes):
            raise Overtaken(f"generation {generation.number} is no longer {old}")
        Transition.objects.create(
            generation=generation, from_state=old, to_state=to, at=now, by=by, why=why, reason=reason[:500]
        )
    generation.state = to
    for field, value in changes.items():
        setattr(generation, field, value)
