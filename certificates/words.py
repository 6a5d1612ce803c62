"""What happened to a generation, in sentences: every code that the life, the switch and the heartbeat leave behind."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from certificates.models import Generation, Switch, Transition
from certificates.pki.lifetime import DueBecause, MakeBecause

State = Generation.State
Trigger = Generation.Trigger
Text = str | Promise

_MADE_BECAUSE: dict[str, Text] = {
    MakeBecause.SLOT: gettext_lazy("It was due by the schedule."),
    MakeBecause.LAST_HOURS: gettext_lazy("The active pair was in its last hours."),
    MakeBecause.ENDED: gettext_lazy("The active pair had ended."),
    MakeBecause.NOT_YET_VALID: gettext_lazy("The active pair was not valid yet by this machine's clock."),
    "withdrawal": gettext_lazy("A pair had been withdrawn and had to be replaced."),
}

_DISCARDED_BECAUSE: dict[str, Text] = {
    "replaced": gettext_lazy("A new generation took its place."),
    "ended": gettext_lazy("It ended before it was ever served."),
    "discarded": gettext_lazy("A person discarded it."),
    Switch.Why.ROLL_BACK: gettext_lazy("The communication server was rolled back, which discards what was prepared."),
}

_SWITCHED_BECAUSE: dict[str, Text] = {
    Switch.Why.CONFIRMED: gettext_lazy("Every terminal that counts had confirmed."),
    Switch.Why.DEADLINE: gettext_lazy("The deadline of the handover had come."),
    Switch.Why.PERSON: gettext_lazy("A person activated the pair."),
    Switch.Why.AT_ONCE: gettext_lazy("The pair was to be served at once."),
    Switch.Why.ENDED: gettext_lazy("The active pair had ended."),
    Switch.Why.WITHDRAWAL: gettext_lazy("The active pair had been withdrawn."),
    Switch.Why.RETRY: gettext_lazy("A failed switch was tried again."),
    Switch.Why.ROLL_BACK: gettext_lazy("A person rolled the communication server back."),
    Switch.Why.REPEAT: gettext_lazy("Reload and look were repeated."),
    "switch_failed": gettext_lazy("A switch failed and was undone."),
}

_FAILURES: dict[str, tuple[Text, Text]] = {
    "IdentityError": (
        gettext_lazy("A name or an address of the communication server can't be written into a certificate."),
        gettext_lazy("Correct the names and addresses under System / General."),
    ),
    "KeyMismatchError": (
        gettext_lazy("The private key did not belong to the certificate."),
        gettext_lazy("Generate again. If it happens twice, the machine's memory may be faulty."),
    ),
    "NamesMissingError": (
        gettext_lazy("The host certificate lacked names or addresses."),
        gettext_lazy("Check the names and addresses under System / General, then generate again."),
    ),
    "ValidityError": (
        gettext_lazy("The certificates would not have been valid at that time."),
        gettext_lazy("Check the clock of this machine, then generate again."),
    ),
    "ChainError": (
        gettext_lazy("The verification of root and host certificate refused the pair."),
        gettext_lazy("Check the names and the clock, then generate again. The detail below says more."),
    ),
    "HandshakeError": (
        gettext_lazy("A TLS connection tried with the new pair was refused."),
        gettext_lazy("Check the names and the clock, then generate again. The detail below says more."),
    ),
    "HostKeyError": (
        gettext_lazy("The list of keys that encrypts host keys can't be read or used."),
        gettext_lazy("Check the file that PBXCERTS_KEY_FILE names and who may read it, then generate again."),
    ),
    "Overtaken": (
        gettext_lazy("The active or the prepared pair changed while this one was being made."),
        gettext_lazy("Nothing to do: the other change counts. Generate again if you still want to."),
    ),
    "not_finished": (
        gettext_lazy("It was not finished within 10 minutes: the program or the machine was stopped meanwhile."),
        gettext_lazy("Generate again. An automatic generation is tried again by itself."),
    ),
}
_UNEXPECTED = (
    gettext_lazy("Something unexpected happened while the pair was being made."),
    gettext_lazy("The log of pbxcerts says more. Generate again; the active pair stays in service."),
)

_REFUSED_SWITCHES: dict[str, Text] = {
    "not valid now": gettext_lazy("The pair was not valid at that time, or its key was gone."),
    "no longer active": gettext_lazy("The pair was no longer the active one."),
    "key lost": gettext_lazy("Its host key can't be decrypted: a key is missing in the key list."),
    "overtaken": gettext_lazy("Another change came first."),
}


def moment(instant: datetime) -> str:
    """An instant in the reader's language and the installation's time zone."""
    return formats.date_format(timezone.localtime(instant), "DATETIME_FORMAT")


def span(length: timedelta) -> str:
    """A length of time in the unit in which people speak of it, rounded down; less than a minute counts as none."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 60:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    if minutes < 48 * 60:
        return ngettext("%(count)s hour", "%(count)s hours", minutes // 60) % {"count": minutes // 60}
    days = minutes // (24 * 60)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def days(count: int) -> str:
    return ngettext("%(count)s day", "%(count)s days", count) % {"count": count}


def made_by(generation: Generation) -> str:
    """Who or what ordered a generation."""
    match generation.trigger:
        case Trigger.PAGE:
            return _("%(person)s, on the settings page") % {"person": generation.by}
        case Trigger.COMMAND:
            return generation.by  # which says so itself
        case Trigger.WITHDRAWAL if generation.by:
            return _("automatically, because %(person)s withdrew a pair") % {"person": generation.by}
        case Trigger.WITHDRAWAL:
            return _("automatically, because a pair was withdrawn")
        case _:
            return _("automatically, by the schedule")


def made_because(generation: Generation) -> str:
    """Why a generation was made: the reason that a person gave, else what the schedule says."""
    if generation.reason:
        return generation.reason
    return str(_MADE_BECAUSE.get(generation.because, ""))


def failure(code: str) -> tuple[str, str]:
    """Why an attempt failed, and what to do about it."""
    text, hint = _FAILURES.get(code, _UNEXPECTED)
    return str(text), str(hint)


def switch_failure(switch: Switch) -> str:
    """Why a switch was refused in words, or what the reload command said; "" where it did its work."""
    return str(_REFUSED_SWITCHES.get(switch.reload_failure, switch.reload_failure))


def transition(change: Transition) -> str:
    """What a change of state was about, in one sentence."""
    match change.to_state:
        case State.MAKING:
            return str(_MADE_BECAUSE.get(change.why, _("It was ordered.")))
        case State.FAILED:
            return failure(change.why)[0]
        case State.PREPARED if change.why == "made":
            return _("Keys and certificates were made and verified.")
        case State.DISCARDED:
            return str(_DISCARDED_BECAUSE.get(change.why, ""))
        case State.WITHDRAWN | State.ACTIVE if change.why == "withdrawn":
            return _("A person withdrew it: its key may be known to others.")
        case State.WITHDRAWN:
            return _("It was withdrawn, and another pair is served now.")
        case _ if change.why == "deadline_moved":
            return _("A person moved the deadline of the handover.")
        case _:
            return str(_SWITCHED_BECAUSE.get(change.why, ""))


def transition_reason(change: Transition) -> str:
    """What the person said; of a moved deadline, the new one."""
    if change.why == "deadline_moved":
        return _("New deadline: %(at)s") % {"at": moment(datetime.fromisoformat(change.reason))}
    return change.reason


def due_because(because: DueBecause, *, interval_days: int, overlap_days: int) -> str:
    """Why the next pair is due when it is."""
    match because:
        case DueBecause.INTERVAL:
            return _("%(interval)s after the active pair was made, at the set time that is nearest.") % {
                "interval": days(interval_days)
            }
        case DueBecause.LEAVES_OVERLAP if overlap_days:
            return _("The last set time that leaves the overlap of %(overlap)s before the active pair ends.") % {
                "overlap": days(overlap_days)
            }
        case DueBecause.LEAVES_OVERLAP:
            return _("The last set time before the active pair ends.")
        case DueBecause.SETTINGS_CHANGED:
            return _("The settings were changed when it was due already: it waits for the next set time.")
        case DueBecause.PAIR_DISCARDED:
            return _("The pair that was made for this has been discarded: a new one is made at the next set time.")
