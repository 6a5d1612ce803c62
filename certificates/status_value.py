"""How things stand as a value for scripts: plain dicts, lists and texts. Ids and names are stable, times ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from certificates.models import Generation, Switch
from certificates.situation import Situation
from certificates.warnings import Observations
from pbxcerts.system.clock import Clock
from pbxcerts.system.commands import utc
from pbxcerts.system.events import Notice


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
        "published": published_value(seen, served=served),
        "server": [
            {"address": address, "sha256": shown["sha256"], "error": shown["error"], "at": shown["at"]}
            for address, shown in seen.presented.items()
        ],
    }


def clock_value(clock: Clock, checked_at: datetime | None) -> dict[str, Any]:
    """`offset` in seconds: the true time minus this machine's. `checked_at`: when the servers were last asked."""
    measurement = clock.measurement
    return {
        "state": clock.state.value,
        "offset": measurement.offset.total_seconds() if measurement else None,
        "server": measurement.server if measurement else None,
        "stratum": measurement.stratum if measurement else None,
        "checked_at": utc(checked_at),
    }


def generation_value(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "state": str(generation.state),
        "not_before": utc(generation.not_before),
        "not_after": utc(generation.not_after) if generation.end else None,
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


def published_value(seen: Observations, *, served: int | None) -> dict[str, Any]:
    return {
        "current": served,
        "matches": not seen.differences and not seen.publish_failure,
        "differences": list(seen.differences),
        "failure": seen.publish_failure or None,
    }


def next_generation_value(situation: Situation) -> dict[str, Any]:
    """`why`: a code of `lifetime.DueBecause`; where nothing is due by itself "handover" or "no_generation"."""
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
