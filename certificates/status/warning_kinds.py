"""The warnings of the certificates that there are: how serious each is, and its words. When they are true stands in
`certificates.status.warnings`. The ids are stable (rule warnings).
"""

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind
from pbxcerts.system.models import Severity

NO_GENERATION = EventKind(
    "no_generation",
    Severity.SERIOUS,
    _("No certificates yet: no call over TLS is possible."),
    cleared=_("There are certificates now."),
    hint=_("Generate the first ones now."),
)
CLOCK_OFF = EventKind(
    "clock_off",
    Severity.CRITICAL,
    _(
        "The NTP service is off or has no server: certificates are renewed only shortly before they end. Set it under System / General."
    ),
    cleared=_("The NTP service is on."),
)
CLOCK_UNANSWERED = EventKind(
    "clock_unanswered",
    Severity.SERIOUS,
    _("No NTP server gives a usable answer: automatic generation is postponed."),
    cleared=_("An NTP server gives an answer that counts again, or the NTP service is off."),
)
CLOCK_WRONG = EventKind(
    "clock_wrong",
    Severity.SERIOUS,
    _("The clock of this machine is %(seconds)s: an automatic generation would be postponed."),
    cleared=_("The clock of this machine is right again, more than 12 hours off, or no longer measured."),
    offsets=("seconds",),
)
CLOCK_FAR_OFF = EventKind(
    "clock_far_off",
    Severity.CRITICAL,
    _(
        "The clock of this machine is more than 12 hours off (%(seconds)s): certificates are renewed only shortly before they end, if"
        " two servers agree."
    ),
    cleared=_("The clock of this machine is less than 12 hours off again, or no longer measured."),
    offsets=("seconds",),
)
CLOCK_INEXACT = EventKind(
    "clock_inexact",
    Severity.NORMAL,
    _("The clock of this machine is %(seconds)s."),
    cleared=_("The clock of this machine is exact again, further off, or no longer measured."),
    offsets=("seconds",),
)
CLOCK_DISAGREE = EventKind(
    "clock_disagree",
    Severity.SERIOUS,
    _("Two NTP servers differ by more than 1 s. Check them under System / General."),
    cleared=_("The NTP servers agree again, or are no longer compared."),
)
CLOCK_JUMPED = EventKind(
    "clock_jumped",
    Severity.SERIOUS,
    _(
        "The clock of this machine was set %(seconds)s. Until an NTP server answers, or an administrator accepts the clock"
        " under System / General, the time known before counts."
    ),
    cleared=_("The time is known again after the clock was set."),
    jumps=("seconds",),
)
CLOCK_LAST_CHANCE = EventKind(
    "clock_last_chance",
    Severity.CRITICAL,
    _("Generation %(number)s was made although the clock is in doubt, because the pair before it was about to end."),
    cleared=_("The clock is right again, or generation %(number)s is no longer the newest pair."),
)
NO_NAMES = EventKind(
    "no_names",
    Severity.SERIOUS,
    _("The communication server has no name and no address yet. Enter them under System / General."),
    cleared=_("The communication server has a name or an address."),
)
NAMES_MISSING = EventKind(
    "names_missing",
    Severity.SERIOUS,
    _("Not in the active host certificate: %(names)s. Telephones that use them refuse it."),
    cleared=_("All names and addresses are in the active host certificate."),
    hint=_("Generate manually."),
)
NAMES_PREPARED = EventKind(
    "names_prepared",
    Severity.SERIOUS,
    _(
        "Not in the active host certificate: %(names)s. Telephones that use them refuse it. Generation %(number)s, which is not"
        " served yet, holds them: activate it as soon as the terminals have it. A new generation would begin the handover anew."
    ),
    cleared=_("All names and addresses are in the active host certificate, or no other pair holds them."),
)
ADDRESS_GONE = EventKind(
    "address_gone",
    Severity.SERIOUS,
    _("None of the communication server's addresses (%(addresses)s) is on an interface of this machine any more."),
    cleared=_("An address of the communication server is on this machine again, or none is expected here any more."),
)
INTERVAL_LENGTHENED = EventKind(
    "interval_lengthened",
    Severity.NORMAL,
    _(
        "The active pair was made for a shorter interval (%(made_with)s); the longer one holds from the next generation on."
    ),
    cleared=_("The interval that is set is not longer than that of the pair any more, or another pair is active."),
    days=("made_with",),
)
PAIR_ENDS = EventKind(
    "pair_ends",
    Severity.SERIOUS,
    _("The active certificates end on %(end)s; time left, at most: %(days)s."),
    cleared=_("These certificates are no longer active, no longer about to end, or have ended."),
    instants=("end",),
    days=("days",),
)
PAIR_ENDED = EventKind(
    "pair_ended",
    Severity.CRITICAL,
    _("The active certificates ended on %(end)s: no calls are possible."),
    cleared=_(
        "These certificates are no longer active, or the clock of this machine does not find them ended any more."
    ),
    hint=_("Generate now."),
    instants=("end",),
)
PAIR_ENDED_CORRECTED = EventKind(
    "pair_ended_corrected",
    Severity.CRITICAL,
    _(
        "By the corrected clock the active certificates ended on %(end)s; only the clock of this machine finds them valid. "
        "Telephones whose clock is right refuse the server."
    ),
    cleared=_(
        "These certificates are no longer active, have not ended by the corrected clock, or have ended by"
        " that of the machine too."
    ),
    hint=_("Set the clock right, and generate now."),
    instants=("end",),
)
PAIR_NOT_YET_VALID = EventKind(
    "pair_not_yet_valid",
    Severity.CRITICAL,
    _(
        "The active certificates are valid only from %(begin)s: until then telephones that have the same time refuse the "
        "server."
    ),
    cleared=_("These certificates are no longer active, or their validity has begun."),
    hint=_("Check the clock; if it is right, generate now."),
    instants=("begin",),
)
HANDOVER_WAITS = EventKind(
    "handover_waits",
    Severity.NORMAL,
    _("The handover to generation %(number)s waits until %(deadline)s; terminals not yet confirmed: %(missing)s."),
    cleared=_(
        "The handover to generation %(number)s is over or held, or no terminal is known any more that could confirm it."
    ),
    instants=("deadline",),
)
HANDOVER_WAITS_ALONE = EventKind(
    "handover_waits_alone",
    Severity.NORMAL,
    _(
        "The handover to generation %(number)s waits until %(deadline)s: no terminal counts that could confirm it earlier."
    ),
    cleared=_("The handover to generation %(number)s is over or held, or a terminal counts that can confirm it."),
    instants=("deadline",),
)
DEADLINE_NEAR = EventKind(
    "deadline_near",
    Severity.SERIOUS,
    _("The server switches on %(deadline)s; not yet confirmed: %(names)s."),
    cleared=_("No terminal is missing any more, the deadline has come or is further away, or the handover is over."),
    instants=("deadline",),
)
DEADLINE_HELD = EventKind(
    "deadline_held",
    Severity.CRITICAL,
    _(
        "The deadline has come, but the rollout is paused or has stopped: the server is not switched before it goes on, at the"
        " latest on %(until)s."
    ),
    cleared=_("The rollout no longer holds up the deadline."),
    instants=("until",),
)
DEADLINE_HELD_BY_TERMINALS = EventKind(
    "deadline_held_by_terminals",
    Severity.CRITICAL,
    _(
        "The deadline has come, but automatic terminals that were seen in the last 24 hours have not confirmed (%(count)s): the"
        " server is not switched before they have, at the latest on %(until)s."
    ),
    cleared=_("No terminal that was seen holds up the deadline any more."),
    instants=("until",),
)
PAIR_HELD = EventKind(
    "pair_held",
    Severity.CRITICAL,
    _("The switch to generation %(number)s failed; generation %(active)s is served. It is tried again on: %(next)s."),
    cleared=_("The switch that failed is settled."),
    instants=("next",),
)
PAIR_ROLLED_BACK = EventKind(
    "pair_rolled_back",
    Severity.SERIOUS,
    _("Generation %(number)s was rolled back and is held: it becomes active on %(deadline)s or when a person says so."),
    cleared=_("Generation %(number)s is no longer held after the roll back."),
    instants=("deadline",),
)
SWITCH_UNPROVED = EventKind(
    "switch_unproved",
    Severity.CRITICAL,
    _(
        "The server does not present generation %(number)s everywhere, and going back would help no telephone: it stays active."
        " Reload is repeated."
    ),
    cleared=_("The server presents generation %(number)s, or another pair is active."),
)
CALL_PROOF_TLS = EventKind(
    "call_proof_tls",
    Severity.CRITICAL,
    _(
        "The proof by call of generation %(number)s failed with TLS at %(where)s: a telephone gets no connection there that it trusts."
    ),
    cleared=_(
        "A later proof by call of generation %(number)s did not fail with TLS, or that pair is no longer active."
    ),
    hint=_("Look at the steps of the proof, check the reload command, and prove again."),
)
CALL_PROOF_SIP = EventKind(
    "call_proof_sip",
    Severity.CRITICAL,
    _("The proof by call of generation %(number)s failed with SIP at %(where)s, though its certificate is right."),
    cleared=_(
        "A later proof by call of generation %(number)s did not fail with SIP, or that pair is no longer active."
    ),
    hint=_("Look at the steps of the proof, and prove again; or roll back to the pair before."),
)
CALL_PROOF_MEDIA = EventKind(
    "call_proof_media",
    Severity.CRITICAL,
    _("The proof by call of generation %(number)s reached the test number at %(where)s, but speech did not come back."),
    cleared=_(
        "A later proof by call of generation %(number)s did not fail with speech, or that pair is no longer active."
    ),
    hint=_("Look at the steps of the proof, and prove again; or roll back to the pair before."),
)
CALL_PROOF_INTERRUPTED = EventKind(
    "call_proof_interrupted",
    Severity.SERIOUS,
    _("The proof by call of generation %(number)s was interrupted twice, so nothing is proved."),
    cleared=_("A later proof by call of generation %(number)s came to its end, or that pair is no longer active."),
    hint=_("Prove again."),
)
WITHDRAWN_SERVED = EventKind(
    "withdrawn_served",
    Severity.CRITICAL,
    _("Generation %(number)s is withdrawn but still served: no other pair is active yet."),
    cleared=_("Generation %(number)s is no longer served."),
)
GENERATION_FAILED = EventKind(
    "generation_failed",
    Severity.CRITICAL,
    _(
        "The last automatic generation failed (attempts: %(failures)s). The history says why; it is tried again by itself."
    ),
    cleared=_(
        "A pair has been made since, another one is active or waits, or none is to be made by itself at present."
    ),
)
PUBLISH_FAILED = EventKind(
    "publish_failed",
    Severity.CRITICAL,
    _(
        "The certificates can't be put on the file system; it is tried again every minute. The system's words: “%(error)s”"
    ),
    cleared=_("Putting the certificates on the file system no longer fails."),
    hint=_(
        "Where they say “Read-only file system”, the unit of systemd does not open the store: make it anew with “pbxcerts unit”."
    ),
)
KEY_LOST = EventKind(
    "key_lost",
    Severity.CRITICAL,
    _(
        "The host key of generation %(number)s can't be decrypted: a key is missing in the key list. What is published stays "
        "as it is."
    ),
    cleared=_("The host key of generation %(number)s can be decrypted, or is no longer needed."),
    hint=_("Restore the key list, or generate now."),
    several=_(
        "The host keys of several generations can't be decrypted: a key is missing in the key list. Generations: %(each)s. What is"
        " published stays as it is."
    ),
    each="%(number)s",
)
FILES_DIFFER = EventKind(
    "files_differ",
    Severity.CRITICAL,
    _("Published files differ from the database: %(files)s."),
    cleared=_("The published files are right again, or can't be compared at present."),
)
STORE_HINT = _(
    "Decide on the page “Self-signed certificates”, or with the commands “adopt” and “publish --from-database”, whether what"
    " is served is taken over or replaced."
)
STORE_DECIDED = _(
    "It is decided what belongs on the communication server's file system, or what stands"
    " there has changed or can't be read."
)
STORE_OLDER = EventKind(
    "store_older",
    Severity.CRITICAL,
    _(
        "The database is an older copy: it does not know what is served. What is served stays; nothing is generated, switched"
        " or handed out to terminals until somebody decides. Without a decision the database is published on: %(until)s."
    ),
    cleared=STORE_DECIDED,
    hint=STORE_HINT,
    instants=("until",),
)
STORE_FOREIGN = EventKind(
    "store_foreign",
    Severity.CRITICAL,
    _(
        "The files of the communication server were not published by this installation: the data directory is new, or two"
        " installations use one store. What is served stays; nothing is generated, switched or handed out to terminals until"
        " somebody decides. Without a decision the database is published on: %(until)s."
    ),
    cleared=STORE_DECIDED,
    hint=STORE_HINT,
    instants=("until",),
)
STORE_UNREADABLE = EventKind(
    "store_unreadable",
    Severity.CRITICAL,
    _(
        "Nobody can tell who has published the files of the communication server: mark.json can't be read, and what is served"
        " is not known here. It stays; nothing is generated, switched or handed out to terminals until somebody decides."
        " Without a decision the database is published on: %(until)s."
    ),
    cleared=STORE_DECIDED,
    hint=STORE_HINT,
    instants=("until",),
)
MODES_WIDE = EventKind(
    "modes_wide",
    Severity.SERIOUS,
    _(
        "Others may read or change more of the published files than pbxcerts gave them: %(files)s. They are left as they are,"
        " because an access list for the server may need it."
    ),
    cleared=_("Nobody is found any more who may read or change more of the published files than pbxcerts gave them."),
    hint=_("Where that is not meant, take the mode back with chmod."),
)
PRESENTS_OTHER = EventKind(
    "presents_other",
    Severity.CRITICAL,
    _("%(address)s presents another certificate than the active one. Check the reload command of the server."),
    cleared=_("%(address)s presents the active certificate again, presents none, or is not looked at."),
    several=_(
        "At several addresses another certificate than the active one is presented: %(each)s. Check the reload command of the server."
    ),
    each="%(address)s",
)
HEARTBEAT_MISSING = EventKind(
    "heartbeat_missing",
    Severity.CRITICAL,
    _("The heartbeat was last seen on %(last_run)s: nothing is renewed by itself. Is pbxcerts running?"),
    cleared=_("The heartbeat is back."),
    instants=("last_run",),
)
