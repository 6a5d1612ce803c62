"""What happened to a generation, in sentences: every code that the life, the switch and the heartbeat leave behind."""

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import Generation, Settings, Switch, Transition
from certificates.pki.lifetime import DueBecause, MakeBecause
from certificates.renewal import states
from pbxcerts.system import own_process
from pbxcerts.system.time import time_words

State = Generation.State
Trigger = Generation.Trigger
Text = str | Promise

_MADE_BECAUSE: dict[str, Text] = {
    "": gettext_lazy("It was ordered."),
    MakeBecause.SLOT: gettext_lazy("It was due by the schedule."),
    MakeBecause.LAST_HOURS: gettext_lazy("The active pair was in its last hours."),
    MakeBecause.ENDED: gettext_lazy("The active pair had ended."),
    MakeBecause.NOT_YET_VALID: gettext_lazy("The active pair was not valid yet by this machine's clock."),
    "withdrawal": gettext_lazy("A pair had been withdrawn and had to be replaced."),
}

_ADOPTED = gettext_lazy("The database was older than the file system, which showed this.")

_DISCARDED_BECAUSE: dict[str, Text] = {
    "replaced": gettext_lazy("A new generation took its place."),
    "ended": gettext_lazy("It ended before it was ever served."),
    "ahead": gettext_lazy("It was not valid yet: it was made while the clock ran ahead."),
    "discarded": gettext_lazy("A person discarded it."),
    states.ADOPTED: _ADOPTED,
    "key_lost": gettext_lazy(
        "Its host key could not be decrypted any more, and the switch to it could wait no longer."
    ),
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
    states.ADOPTED: _ADOPTED,
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
        gettext_lazy(
            "The certificates would not have been valid at that time, or it was not certain what time it was."
        ),
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
    Generation.FAILED_SEALING: (
        gettext_lazy("The list of keys that encrypts host keys can't be read or used."),
        gettext_lazy("Check the file that PBXCERTS_KEY_FILE names and who may read it, then generate again."),
    ),
    Generation.FAILED_OVERTAKEN: (
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
    gettext_lazy("The log of pbxcerts says more. Generate again."),
)

_REFUSED_SWITCHES: dict[str, Text] = {
    "not valid now": gettext_lazy("The pair was not valid at that time, or its key was gone."),
    "no longer active": gettext_lazy("The pair was no longer the active one."),
    "key lost": gettext_lazy("Its host key can't be decrypted: a key is missing in the key list."),
    "overtaken": gettext_lazy("Another change came first."),
    "interrupted": gettext_lazy("The reload command was interrupted three times, as if it ended pbxcerts itself."),
}


def made_by(generation: Generation) -> str:
    """Who or what ordered a generation."""
    match generation.trigger:
        case Trigger.PAGE:
            return _("%(person)s, on the settings page") % {"person": generation.by}
        case Trigger.COMMAND:
            return generation.by  # which says so itself
        case Trigger.ADOPTED if generation.by:
            return _("%(person)s, who found it on the file system and not in the database") % {"person": generation.by}
        case Trigger.ADOPTED:
            return _("automatically, because it was on the file system and not in the database")
        case Trigger.WITHDRAWAL if generation.by:
            return _("automatically, because %(person)s withdrew a pair") % {"person": generation.by}
        case Trigger.WITHDRAWAL:
            return _("automatically, because a pair was withdrawn")
        case _:
            return _("automatically, by the schedule")


def made_because(generation: Generation) -> str:
    """Why a generation was made: the reason that a person gave, else what the schedule says; "" where a person gave none."""
    if generation.reason:
        return generation.reason
    return str(_MADE_BECAUSE.get(generation.because, "")) if generation.because else ""


def failure(code: str) -> tuple[str, str]:
    """Why an attempt failed, and what to do about it."""
    text, hint = _FAILURES.get(code, _UNEXPECTED)
    return str(text), str(hint)


def switch_failure(switch: Switch) -> str:
    """Why a switch was refused in words, or what the reload command said; "" where it did its work."""
    return str(_REFUSED_SWITCHES.get(switch.reload_failure, switch.reload_failure))


def failed_switch(switch: Switch) -> str:
    """Why a switch that was carried out is taken for failed: what the reload command said, and what was presented."""
    sentences = []
    if switch.reload_failure:
        said = _REFUSED_SWITCHES.get(switch.reload_failure)
        sentences.append(
            str(said) if said else _("The reload command failed: “%(said)s”.") % {"said": switch.reload_failure}
        )
        if not said and not own_process.may_gain_privileges():
            sentences.append(
                _(
                    "It runs in the sandbox of this service, where sudo and setuid programs fail and few directories can be written "
                    "to: let it use the server's control socket."
                )
            )
    for address, sha256 in switch.after.items():
        if not sha256:
            sentences.append(_("%(address)s presented no certificate.") % {"address": address})
        elif sha256 != switch.to.host_sha256:
            sentences.append(_("%(address)s presented another certificate.") % {"address": address})
    return " ".join(sentences)


def transition(change: Transition) -> str:
    """What a change of state was about, in one sentence."""
    match change.to_state:
        case State.MAKING:
            return str(_MADE_BECAUSE.get(change.why, ""))
        case State.FAILED if change.why != states.ADOPTED:
            return failure(change.why)[0]
        case State.PREPARED if change.why == "made":
            return _("Keys and certificates were made and verified.")
        case State.DISCARDED:
            return str(_DISCARDED_BECAUSE.get(change.why, ""))
        case State.WITHDRAWN | State.ACTIVE if change.why == "withdrawn":
            return _("A person withdrew it: its key may be known to others.")
        case State.WITHDRAWN if change.why != states.ADOPTED:
            return _("It was withdrawn, and another pair is served now.")
        case _ if change.why == "deadline_moved":
            return _("A person moved the deadline of the handover.")
        case _ if change.why == "key_mended":
            return _("Its host key, which could not be decrypted any more, was taken from the file system.")
        case _:
            return str(_SWITCHED_BECAUSE.get(change.why, ""))


def transition_reason(change: Transition) -> str:
    """The reason that the person gave; of a moved deadline, the new deadline."""
    if change.why == "deadline_moved":
        return _("New deadline: %(at)s") % {"at": time_words.moment(datetime.fromisoformat(change.reason))}
    return change.reason


def due_because(because: DueBecause, *, settings: Settings, active: Generation) -> str:
    """Why the successor of the active pair is due when it is."""
    interval_days, overlap_days = settings.interval_days, settings.overlap_days
    match because:
        case DueBecause.INTERVAL:
            return _("%(interval)s after the active pair was made, at the set time that is nearest.") % {
                "interval": time_words.days(interval_days)
            }
        case DueBecause.LEAVES_OVERLAP if overlap_days:
            return _("The last set time that leaves the overlap of %(overlap)s before the active pair ends.") % {
                "overlap": time_words.days(overlap_days)
            }
        case DueBecause.LEAVES_OVERLAP:
            return _("The last set time before the active pair ends.")
        case DueBecause.SETTINGS_CHANGED if interval_days < active.interval_days:
            return _(
                "The interval was shortened from %(before)s to %(interval)s, by which it was due already: it waits for the next set"
                " time."
            ) % {"before": time_words.days(active.interval_days), "interval": time_words.days(interval_days)}
        case DueBecause.SETTINGS_CHANGED:
            return _("The settings were changed when it was due already: it waits for the next set time.")
        case DueBecause.PAIR_DISCARDED:
            return _("The pair that was made for this has been discarded: a new one is made at the next set time.")
