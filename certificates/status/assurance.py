"""Until when calls are secured, in one sentence that is true in every state (rule said-is-done)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from certificates.models import Generation
from certificates.renewal.situation import Situation
from certificates.status.awaited_switch import AwaitedSwitch
from certificates.status.next_generation import NextGeneration
from pbxcerts.system.models import Severity
from pbxcerts.system.time import clock_words, time_words

OK = "ok"


@dataclass(frozen=True)
class Assurance:
    """`severity`: "ok", or that of a message which would say the same; `advice`: what a person who may do something does now."""

    severity: str
    text: str
    advice: str = ""

    @classmethod
    def of(
        cls, situation: Situation, awaited: AwaitedSwitch | None, following: NextGeneration, *, works: bool
    ) -> Assurance:
        """`awaited`: the switch to the prepared or held pair; `works`: whether somebody is there who renews."""
        if situation.standing.rests:
            return cls(
                Severity.CRITICAL,
                _("Nobody knows whether calls are secured: the store holds what this database does not know."),
            )
        active = situation.active
        if active is None:
            return _before_the_first(situation)
        if nothing := _why_nothing_is_secured(situation, active):
            follows = _what_takes_its_place(situation, works=works)
            if not follows:
                return cls(Severity.CRITICAL, nothing, _("Generate now.") if works else _start_again())
            return cls(Severity.CRITICAL, f"{nothing} {follows}")
        severity, follows = _what_follows(situation, active, awaited, following, works=works)
        secured = _("Calls are secured until %(end)s.") % {"end": time_words.moment(active.plan.not_after)}
        return cls(severity, f"{secured} {follows}", "" if works or situation.switch is not None else _start_again())


def _start_again() -> str:
    """Where nobody works, no order of a page is carried out."""
    return _("Start pbxcerts again; its journal says why it has ended.")


def _before_the_first(situation: Situation) -> Assurance:
    if situation.making or situation.pending is not None or situation.switch is not None:
        return Assurance(Severity.NORMAL, _("The first certificates are being made."))
    return Assurance(
        Severity.CRITICAL,
        _("No call over TLS is secured: there are no certificates yet."),
        _("Generate the first ones now."),
    )


def _why_nothing_is_secured(situation: Situation, active: Generation) -> str:
    """Why the pair that is served carries no calls; "" where it does."""
    number = active.number
    if situation.has_ended(active) or situation.ended_by_best(active):
        return _("Generation %(number)s ended on %(end)s: telephones refuse the communication server.") % {
            "number": number,
            "end": time_words.moment(active.plan.not_after),
        }
    if situation.begins_later(active):
        return _(
            "Generation %(number)s is valid only from %(begin)s on: telephones refuse the communication server."
        ) % {
            "number": number,
            "begin": time_words.moment(active.plan.not_before),
        }
    return ""


def _what_takes_its_place(situation: Situation, *, works: bool) -> str:
    """ "" where nothing does by itself."""
    pending = situation.pending
    if situation.switch is not None:
        return _("The communication server is just being switched to generation %(number)s.") % {
            "number": situation.switch.to_id
        }
    if works and pending is not None and situation.can_be_served(pending):
        return _("Generation %(number)s takes its place now.") % {"number": pending.number}
    if situation.making:
        return _("Generation %(number)s is just being made.") % {"number": situation.making[0].number}
    return ""


def _what_follows(
    situation: Situation,
    active: Generation,
    awaited: AwaitedSwitch | None,
    following: NextGeneration,
    *,
    works: bool,
) -> tuple[str, str]:
    """What becomes of a pair that carries calls now: severity and sentence."""
    if situation.switch is not None:
        return Severity.NORMAL, _what_takes_its_place(situation, works=works)
    if not works:
        return Severity.CRITICAL, _("Nothing is renewed by itself any more: pbxcerts' worker is not running.")
    if active.withdrawn_at is not None:
        return Severity.CRITICAL, _of_withdrawn(active, awaited, following)
    if awaited is not None:
        return _of_awaited(awaited)
    if situation.making:
        return OK, _what_takes_its_place(situation, works=works)
    if following.at is None:
        return Severity.SERIOUS, _("When they are renewed is not known.")
    at = {"at": time_words.moment(following.at)}
    if following.at >= active.plan.end:
        return Severity.CRITICAL, _("They are renewed only on %(at)s.") % at
    if situation.failures:
        return Severity.SERIOUS, _("The last renewal has failed; the next try is on %(at)s.") % at
    if not situation.clock_allows:
        return _in_doubt(situation, following.at)
    return OK, _("They are renewed by themselves on %(at)s.") % at


def _in_doubt(situation: Situation, at: datetime) -> tuple[str, str]:
    """Of a renewal at `at` which the clock, as it is now, would not let be made (rules clock-gate, last-chance)."""
    severity = clock_words.SEVERITIES[situation.clock.state] or Severity.SERIOUS
    last_chance = situation.last_chance
    known = {"at": time_words.moment(at)}
    if last_chance is None or situation.clock_never_allows:
        return severity, _("They are renewed on %(at)s only if the clock is right by then.") % known
    if at >= last_chance:
        return severity, _("They are renewed as soon as the clock is right, and on %(at)s all the same.") % known
    known["last"] = time_words.moment(last_chance)
    return severity, _(
        "They are renewed on %(at)s if the clock is right by then, else from %(last)s on all the same."
    ) % known


def _of_withdrawn(active: Generation, awaited: AwaitedSwitch | None, following: NextGeneration) -> str:
    withdrawn = _("Generation %(number)s is withdrawn and still served.") % {"number": active.number}
    if awaited is not None:
        return f"{withdrawn} {_of_awaited(awaited)[1]}"
    return f"{withdrawn} {following.why}"


def _of_awaited(awaited: AwaitedSwitch) -> tuple[str, str]:
    number, deadline = awaited.pair.number, awaited.pair.deadline
    if awaited.failed:
        return _of_failed(awaited)
    if deadline is None:
        return OK, _("The communication server is switched to generation %(number)s now.") % {"number": number}
    if awaited.is_late:
        return Severity.SERIOUS, _("The switch to generation %(number)s is due and held up.") % {"number": number}
    at = {"number": number, "deadline": time_words.moment(deadline)}
    if not awaited.ends_when_confirmed:
        return Severity.SERIOUS, _(
            "Generation %(number)s is held; the communication server switches to it on %(deadline)s."
        ) % at
    return OK, _("The communication server switches to generation %(number)s on %(deadline)s at the latest.") % at


def _of_failed(awaited: AwaitedSwitch) -> tuple[str, str]:
    number, at = awaited.pair.number, awaited.next_try
    if at is None:
        return Severity.CRITICAL, _("The switch to generation %(number)s has failed and is tried again now.") % {
            "number": number
        }
    return Severity.CRITICAL, _("The switch to generation %(number)s has failed and is tried again on %(at)s.") % {
        "number": number,
        "at": time_words.moment(at),
    }
