"""`status`: how things stand."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from certificates import words
from certificates.handover import terminals
from certificates.models import Generation
from certificates.observing import observe
from certificates.situation import store
from certificates.status import Status
from certificates.status_value import status_value
from certificates.warnings import Observations, warnings, worst_first
from pbxcerts import process_warnings
from pbxcerts.system import clock_words
from pbxcerts.system.commands import OperatorCommand, Report, aligned, local
from pbxcerts.system.events import Notice
from pbxcerts.system.models import General, Severity
from terminals.progress import Progress, progress
from terminals.status_value import rollout_value

SHOWN = 10


class Command(OperatorCommand):
    help = "Shows the clock, the pairs, what comes next, the warnings, and whether the published files are right."
    writes = False

    def act(self, general: General, options: dict[str, Any]) -> Report:
        status = Status.load()
        seen = observe(status.situation, status.heartbeat, ready=status.readiness)
        of_terminals = terminals().warnings(status.situation)
        true_now = [*process_warnings.warnings(), *worst_first([*warnings(status.situation, seen), *of_terminals])]
        generations = list(Generation.objects.defer("root_pem", "host_pem", "host_key"))
        served = store().current
        value = status_value(status.situation, seen, generations=generations, warnings=true_now, served=served)
        rollout = progress(status.situation)
        value["rollout"] = rollout_value(rollout)
        return Report("\n".join(_sections(status, seen, generations, true_now, served, rollout)), value)


def _sections(
    status: Status,
    seen: Observations,
    generations: list[Generation],
    true_now: list[Notice],
    served: int | None,
    rollout: Progress | None,
) -> Iterator[str]:
    yield aligned(
        [
            (_("Time zone"), status.zone),
            (_("Clock"), _clock(status)),
            (_("Heartbeat"), local(seen.last_run)),
            (_("Published"), _published(seen, served)),
            (_("Next generation"), _next_generation(status)),
            (_("Handover"), _handover(status, seen)),
            (_("Rollout"), _rollout(rollout)),
        ]
    )
    if seen.readiness.missing and status.pending:
        yield ""
        yield _("Not yet confirmed:")
        yield aligned(((one.number, one.name, str(one.why)) for one in seen.readiness.missing), indent="  ")
        if seen.readiness.unnamed:
            yield "  " + _("and %(count)s more") % {"count": seen.readiness.unnamed}
    yield ""
    yield _("Warnings:") if true_now else _("No warnings.")
    if true_now:
        yield aligned(((str(Severity(one.severity).label), one.text) for one in true_now), indent="  ")
    if generations:
        yield ""
        yield from _history(generations)


def _clock(status: Status) -> str:
    measurement = status.clock.measurement
    if measurement is None:
        return status.clock_text
    return f"{status.clock_text} " + _("Offset %(seconds)s s, %(server)s, stratum %(stratum)s, checked on %(at)s.") % {
        "seconds": clock_words.signed_seconds(measurement.offset),
        "server": measurement.server,
        "stratum": measurement.stratum,
        "at": local(measurement.checked_at),
    }


def _published(seen: Observations, served: int | None) -> str:
    if seen.publish_failure:
        return seen.publish_failure
    if served is None:
        return _("nothing yet")
    if seen.differences:
        return _("generation %(number)s; %(count)s files differ from the database") % {
            "number": served,
            "count": len(seen.differences),
        }
    return _("generation %(number)s, as the database says") % {"number": served}


def _next_generation(status: Status) -> str:
    following = status.next_generation
    at = f"{local(following.at)}:" if following.at else ""
    return " ".join(filter(None, [at, following.why]))


def _handover(status: Status, seen: Observations) -> str:
    pending = status.situation.pending
    if pending is None:
        return _("none")
    return _("generation %(number)s (%(state)s), at the latest on %(deadline)s; not yet confirmed: %(count)s") % {
        "number": pending.number,
        "state": pending.get_state_display(),
        "deadline": local(pending.deadline),
        "count": seen.readiness.missing_count,
    }


def _rollout(rollout: Progress | None) -> str:
    if rollout is None:
        return _("none")
    return _("generation %(number)s (%(state)s), %(done)s of %(total)s terminals") % {
        "number": rollout.rollout.generation_id,
        "state": rollout.rollout.get_state_display(),
        "done": rollout.done,
        "total": rollout.total,
    }


def _history(generations: list[Generation]) -> Iterator[str]:
    header = (_("No."), _("State"), _("Valid from"), _("Valid until"), _("Trigger"), _("Root SHA-256"), _("Reason"))
    rows = [
        (
            str(generation.number),
            generation.get_state_display(),
            local(generation.not_before),
            local(generation.not_after) if generation.end else "-",
            generation.get_trigger_display(),
            generation.root_sha256[:16] or "-",
            words.made_because(generation),
        )
        for generation in generations[:SHOWN]
    ]
    yield aligned([header, *rows])
    if len(generations) > SHOWN:
        yield _("and %(count)s older ones, which --json shows too.") % {"count": len(generations) - SHOWN}
