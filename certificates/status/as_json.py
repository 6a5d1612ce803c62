"""How things stand as a value for scripts: plain dicts, lists and texts. Ids and names are stable, times ISO 8601 in UTC."""

from collections.abc import Iterable
from typing import Any

from certificates.models import Generation, Switch
from certificates.renewal.situation import Situation
from certificates.status.warnings import Observations
from pbxcerts.system.events import Notice
from pbxcerts.system.time.clock_words import clock_value
from pbxcerts.system.time.time_words import utc


def status_value(
    situation: Situation,
    seen: Observations,
    *,
    generations: Iterable[Generation],
    warnings: Iterable[Notice],
    served: int | None,
) -> dict[str, Any]:
    """Everything that `status --json` says. `served`: where the store's `current` points to."""
    return {
        "clock": clock_value(situation.clock, seen.clock_checked_at),
        "generations": [generation_value(generation) for generation in generations],
        "next_generation": next_generation_value(situation),
        "handover": _handover(situation, seen),
        "switch": switch_value(situation.switch) if situation.switch else None,
        "warnings": [
            {"id": warning.id, "severity": warning.severity.value, "subject": warning.subject, "text": warning.text}
            for warning in warnings
        ],
        "heartbeat": {"last_run": utc(seen.last_run)},
        "published": published_value(situation, seen, served=served),
        "server": [
            {"address": address, "sha256": shown["sha256"], "error": shown["error"], "at": shown["at"]}
            for address, shown in seen.presented.items()
        ],
    }


def generation_value(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "state": str(generation.state),
        "not_before": utc(generation.not_before),
        "not_after": utc(generation.plan.not_after) if generation.is_pair else None,
        "root_sha256": generation.root_sha256 or None,
        "host_sha256": generation.host_sha256 or None,
        "trigger": str(generation.trigger),
        "reason": generation.reason,
        "by": generation.by,
        "ordered_at": utc(generation.ordered_at),
        "made_at": utc(generation.made_at),
        "activated_at": utc(generation.activated_at),
        "deadline": utc(generation.deadline) if generation.pending else None,
        "held_because": (generation.held_because or None) if generation.pending else None,
        "withdrawn_at": utc(generation.withdrawn_at),
        "failure": generation.failure or None,
        "failure_detail": generation.failure_detail or None,
    }


def switch_value(switch: Switch) -> dict[str, Any]:
    return {
        "to": switch.to_id,
        "away_from": switch.away_from_id,
        "why": str(switch.why),
        "running": bool(switch.running),
        "outcome": str(switch.outcome) or None,
        "reload_failure": switch.reload_failure or None,
        "presented": switch.after,
        "finished_at": utc(switch.finished_at),
    }


def published_value(situation: Situation, seen: Observations, *, served: int | None) -> dict[str, Any]:
    """`store`: a code of `standing.StoreStanding`; nothing is published while that says that nobody has decided."""
    return {
        "current": served,
        "store": situation.standing.value,
        "matches": not (seen.differences or seen.publish_failure or seen.lost_keys or situation.standing.rests),
        "differences": list(seen.differences),
        "failure": seen.publish_failure or None,
        "unread_keys": list(seen.lost_keys),
    }


def next_generation_value(situation: Situation) -> dict[str, Any]:
    """`why`: "withdrawal", else a code of `lifetime.DueBecause`; where nothing is due by itself "handover" or "no_generation".
    `at` is null too where nobody knows when the clock lets it be made.
    """
    if situation.lacks_replacement:
        return {"at": utc(situation.next_at), "why": "withdrawal"}
    if situation.due is not None:
        return {"at": utc(situation.next_at), "why": situation.due.because.value}
    return {"at": None, "why": "no_generation" if situation.active is None else "handover"}


def _handover(situation: Situation, seen: Observations) -> dict[str, Any]:
    pending = situation.pending
    return {
        "generation": pending.number if pending else None,
        "deadline": utc(pending.deadline) if pending else None,
        "counting": seen.readiness.counting if pending else 0,
        "missing_count": seen.readiness.missing_count if pending else 0,
        "missing": [
            {"number": missing.number, "name": missing.name, "why": str(missing.why)}
            for missing in (seen.readiness.missing if pending else ())
        ],
    }
