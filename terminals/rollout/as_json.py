"""How the rollout stands as a value for scripts: plain dicts and texts. Names are stable, times ISO 8601 in UTC."""

from collections import Counter
from typing import Any

from pbxcerts.system.time.time_words import utc
from terminals.drivers.registry import drivers
from terminals.rollout.progress import RolloutProgress
from terminals.states import DeliveryState


def rollout_value(progress: RolloutProgress | None) -> dict[str, Any] | None:
    """None where nothing is handed out, or nobody is there to get it. `wave`: of each method the one that is open now."""
    if progress is None:
        return None
    rollout = progress.rollout
    return {
        "generation": rollout.generation_id,
        "state": str(rollout.state),
        "ended_because": str(rollout.ended_because) or None,
        "wave": {row.method: row.wave.name.lower() for row in progress.rows if row.is_open},
        "terminals": {
            "total": progress.total,
            "states": _states(progress.states),
            "methods": {
                method: _states(sum((row.states for row in progress.rows if row.method == method), Counter()))
                for method in drivers()
                if any(row.method == method for row in progress.rows)
            },
        },
        "waves": [
            {"method": row.method, "wave": row.wave.name.lower(), "total": row.total, "states": _states(row.states)}
            for row in progress.rows
        ],
        "restarts_allowed": progress.restarts_allowed,
        "started_at": utc(rollout.started_at),
        "next_at": utc(progress.next_at),
        "expected_end": utc(progress.ends_at),
        "complete": progress.is_complete,
    }


def _states(states: Counter[DeliveryState]) -> dict[str, int]:
    """Every state, also those that nobody is in: a script need not ask whether a name is there."""
    return {state.value: states[state] for state in DeliveryState}
