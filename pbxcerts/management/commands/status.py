"""`status`: how things stand."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from certificates.models import Generation
from certificates.renewal.handover import known_terminals
from certificates.status import words
from certificates.status.as_json import status_value
from certificates.status.awaited_switch import AwaitedSwitch
from certificates.status.observing import observe
from certificates.status.page import CertificateStatus
from certificates.status.warnings import Observations, certificate_warnings, worst_first
from pbxcerts.panel import process_warnings
from pbxcerts.system.commands import CommandReport, OperatorCommand, aligned, local
from pbxcerts.system.events import Notice
from pbxcerts.system.machines import machine_state
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.management.commands.machines import as_json, as_text
from pbxcerts.system.models import General, Severity
from pbxcerts.system.time import clock_words, timekeeping
from terminals.rollout.as_json import rollout_value
from terminals.rollout.progress import RolloutProgress, rollout_progress

SHOWN = 10


class Command(OperatorCommand):
    help = (
        "Shows the clock, the pairs, what comes next, the rollout, the warnings, and whether the published files are"
        " right."
    )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        status = CertificateStatus.load()
        seen = observe(status.situation, status.heartbeat, ready=status.readiness)
        of_terminals = known_terminals().warnings(status.situation)
        true_now = [
            *process_warnings.warnings(),
            *worst_first([*certificate_warnings(status.situation, seen), *of_terminals]),
        ]
        generations = list(Generation.objects.without_files())
        served = status.situation.store.served
        value = status_value(status.situation, seen, generations=generations, warnings=true_now, served=served)
        rollout = rollout_progress(status.situation)
        value["rollout"] = rollout_value(rollout)
        machines = machine_state.states(Machines.load(timekeeping.read_machine()))
        value["machines"] = as_json(machines)
        said = [*_sections(status, seen, generations, true_now, served, rollout)]
        if len(machines) > 1:
            said += ["", as_text(machines)]
        return CommandReport("\n".join(said), value)


def _sections(
    status: CertificateStatus,
    seen: Observations,
    generations: list[Generation],
    true_now: list[Notice],
    served: int | None,
    rollout: RolloutProgress | None,
) -> Iterator[str]:
    yield aligned(
        [
            (_("Time zone"), status.zone),
            (_("Clock"), _clock(status)),
            (_("Heartbeat"), local(seen.last_run)),
            (_("Published"), _published(status, seen, served)),
            (_("Next generation"), _next_generation(status)),
            (_("Handover"), _handover(status, seen)),
            (_("Rollout"), _rollout(rollout)),
        ]
    )
    if seen.readiness.missing_count and status.pending:
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


def _clock(status: CertificateStatus) -> str:
    measurement = status.clock.measurement
    if measurement is None:
        return status.clock_text
    return f"{status.clock_text} " + _("%(off)s by %(server)s, stratum %(stratum)s, checked on %(at)s.") % {
        "off": clock_words.off(measurement.offset),
        "server": measurement.server,
        "stratum": measurement.stratum,
        "at": local(measurement.checked_at),
    }


def _published(status: CertificateStatus, seen: Observations, served: int | None) -> str:
    if status.situation.standing.rests:
        return _("not by this database: see the warnings")
    if seen.publish_failure:
        return _("not possible. The system's words: “%(error)s”") % {"error": seen.publish_failure}
    if served is None:
        return _("nothing yet")
    if seen.differences:
        return _("generation %(number)s; %(count)s files differ from the database") % {
            "number": served,
            "count": len(seen.differences),
        }
    return _("generation %(number)s, as the database says") % {"number": served}


def _next_generation(status: CertificateStatus) -> str:
    following = status.next_generation
    at = f"{local(following.at)}:" if following.at else ""
    return " ".join(filter(None, [at, following.why]))


def _handover(status: CertificateStatus, seen: Observations) -> str:
    awaited = status.awaited_switch
    if awaited is None:
        return _("none")
    return _("generation %(number)s (%(state)s), %(when)s; not yet confirmed: %(count)s") % {
        "number": awaited.pair.number,
        "state": awaited.pair.get_state_display(),
        "when": _when(awaited),
        "count": seen.readiness.missing_count,
    }


def _when(awaited: AwaitedSwitch) -> str:
    """When the server is switched."""
    if awaited.failed:
        said = _("the switch to it failed; next try: %(at)s")
        return said % {"at": local(awaited.next_try) if awaited.next_try else _("now")}
    if awaited.pair.deadline is None:
        return _("at once")
    at = {"at": local(awaited.pair.deadline), "until": local(awaited.held_until)}
    if not awaited.is_late:
        return _("at the latest on %(at)s") % at
    if awaited.held_until is not None:
        return _("the deadline of %(at)s is held up, at the latest until %(until)s") % at
    return _("the deadline of %(at)s has come, and the communication server is not switched yet") % at


def _rollout(rollout: RolloutProgress | None) -> str:
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
            local(generation.plan.not_after) if generation.is_pair else "-",
            generation.get_trigger_display(),
            generation.root_sha256[:16] or "-",
            words.made_because(generation),
        )
        for generation in generations[:SHOWN]
    ]
    yield aligned([header, *rows])
    if len(generations) > SHOWN:
        yield _("and %(count)s older ones, which --json shows too.") % {"count": len(generations) - SHOWN}
