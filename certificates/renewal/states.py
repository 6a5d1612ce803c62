"""The life of a generation as one table. `move` is the only code that changes a state (rule state-table)."""

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from certificates.models import Generation, Transition

State = Generation.State
logger = logging.getLogger(__name__)

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


ADOPTED = "adopted"
"""Why a state changed, where that was read off the store (rule adopting)."""


class StateChangeError(Exception):
    """StateChangeError
    ├── StateChangeNotAllowed   the table has no such change
    └── GenerationOvertaken     somebody else changed the state first
    """


class StateChangeNotAllowed(StateChangeError):
    pass


class GenerationOvertaken(StateChangeError):
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


def take_in(generation: Generation, state: State, *, now: datetime, by: str, reason: str) -> None:
    """Insert a pair that was found on the file system, in the state in which it stands there (rule adopting). Raises
    IntegrityError where another pair is in that state.
    """
    generation.state = state
    generation.save(force_insert=True)
    Transition.objects.create(generation=generation, to_state=state, at=now, by=by, why=ADOPTED, reason=reason[:500])


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
    """Change the state, and with it the fields in `changes`, if it is still what `generation` says. Raises
    StateChangeNotAllowed or GenerationOvertaken, and then nothing has changed.
    """
    old = State(generation.state)
    if to not in TRANSITIONS[old]:
        raise StateChangeNotAllowed(f"generation {generation.number}: {old} -> {to}")
    with transaction.atomic():
        if not Generation.objects.filter(number=generation.number, state=old).update(state=to, **changes):
            raise GenerationOvertaken(f"generation {generation.number} is no longer {old}")
        Transition.objects.create(
            generation=generation, from_state=old, to_state=to, at=now, by=by, why=why, reason=reason[:500]
        )
    generation.state = to
    for field, value in changes.items():
        setattr(generation, field, value)
    about = {"generation": generation.number}
    # What is taken back with others has never been.
    transaction.on_commit(lambda: logger.info("generation %s: %s -> %s", about["generation"], old, to, extra=about))


def remark(generation: Generation, *, now: datetime, by: str, why: str, reason: str) -> None:
    """Keep in the history what happened to a pair without a change of its state."""
    Transition.objects.create(
        generation=generation,
        from_state=generation.state,
        to_state=generation.state,
        at=now,
        by=by,
        why=why,
        reason=reason[:500],
    )
