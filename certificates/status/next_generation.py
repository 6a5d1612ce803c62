"""When the next pair is made by itself, and why then (rule said-is-done)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from certificates.models import Generation
from certificates.renewal.situation import Situation
from certificates.status import words
from pbxcerts.system.time import time_words


@dataclass(frozen=True)
class NextGeneration:
    """`at` is None where nothing is due, or where nobody knows when."""

    at: datetime | None
    why: str

    @classmethod
    def of(cls, situation: Situation) -> NextGeneration:
        active = situation.active
        if active is None:
            return cls(None, _("The first pair is made by you; from then on it is renewed by itself."))
        if situation.lacks_replacement:
            return cls(situation.next_at, _why_replaced(situation, active))
        if situation.pending is not None:
            return cls(None, _("A handover is under way; the next date is known when it is over."))
        return cls(situation.next_at, _why_due(situation, active))


def _why_replaced(situation: Situation, active: Generation) -> str:
    """Why a pair is made in the place of one that was withdrawn."""
    if active.withdrawn_at is not None:
        said = _("Generation %(number)s, which is served, is withdrawn and must be replaced.")
        why = said % {"number": active.number}
    else:
        why = _("The pair that was prepared has been withdrawn and must be replaced.")
    if situation.next_at is None:
        return f"{why} " + _(
            "The clock is in dispute: it waits until a person generates and confirms it, or sets it right."
        )
    if situation.failures:
        return f"{why} " + _("The last attempt has failed; it is repeated every 10 minutes, at any hour.")
    return f"{why} " + _("A new one is made at any hour.")


def _why_due(situation: Situation, active: Generation) -> str:
    due, at, now = situation.due, situation.next_at, situation.clock.best
    if due is None:
        return ""
    since = {"due": time_words.moment(due.at)}
    if situation.waits_for_clock:
        if situation.new_pair_may_have_ended:
            return (
                _(
                    "It has been due since %(due)s and waits for the clock: by one of the two times a new pair would have ended"
                    " already."
                )
                % since
            )
        if at is None:
            return _("It has been due since %(due)s and waits until the clock is less than 12 hours off.") % since
        return (
            _(
                "It has been due since %(due)s and waits for a clock that is right. With one it is made before this date, else on"
                " it all the same, because the active pair ends soon."
            )
            % since
        )
    if at is not None and now < at < due.at:
        return _("The last hours of the active pair begin then: it is replaced at any hour.")
    if due.at >= now:
        return words.due_because(due.because, settings=situation.settings, active=active)
    if at is not None and at <= now:
        return _("It has been due since %(due)s and is made now.") % since
    if situation.failures:
        return _("It has been due since %(due)s; the last attempt has failed and is repeated then.") % since
    return _("It has been due since %(due)s; what was missed waits for the next set time.") % since
