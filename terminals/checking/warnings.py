"""What is always said of the check, and of lists that are emptied, while it is true (rules checking, emptied-list): notices for event
messages.
"""

from collections.abc import Iterable, Iterator

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from terminals.checking.models import Checking, CheckingQuerySet
from terminals.models import TerminalType

NAMED_AT_MOST = 5
COUNTED = "%(type)s: %(count)s (%(names)s)"
NAMED = "%(type)s: %(names)s"

CHECKING_NOT_BACK = EventKind(
    "checking_not_back",
    Severity.SERIOUS,
    _(
        "Telephones of the type %(type)s did not come back after pbxcerts had turned their check of certificates on:"
        " %(count)s (%(names)s). It is taken back from them, and no other telephone of the type is told to check until a person"
        " goes on."
    ),
    cleared=_(
        "A person has gone on with the check of certificates of the type %(type)s, or it is no longer turned on, or nothing is"
        " handed out."
    ),
    hint=_(
        "See at one of them whether it can call. A telephone that refuses the server does not fetch the file that takes the check"
        " back: open a bootstrap window for it, so that it comes over plain HTTP, or turn the check off at the telephone. Then go"
        " on at the page of the type, or take the switch back there."
    ),
    several=_(
        "Telephones of several types did not come back after pbxcerts had turned their check of certificates on. It is taken back"
        " from them, and no other telephone of these types is told to check until a person goes on. %(each)s."
    ),
    each=COUNTED,
    cause=_(
        "These telephones were told to check certificates and have not fetched files since: they may refuse pbxcerts or be off."
    ),
    consequence=_("They may be unable to call now. No other telephone of the type is told to check."),
)
CHECKING_WAITS = EventKind(
    "checking_waits",
    Severity.NORMAL,
    _(
        "The first telephone of the type %(type)s checks certificates since pbxcerts told it to, and came back for its files:"
        " %(names)s. Whether it can call only a person can say. No other one is told until then."
    ),
    cleared=_(
        "A person has said of a telephone of the type %(type)s that it can call, or the check is no longer turned on, or nothing is"
        " handed out."
    ),
    hint=_(
        "Call with it, over TLS. Then go on at the page of the type, or take the check back at the page of the telephone."
    ),
    several=_(
        "Of several types the first telephone checks certificates since pbxcerts told it to, and came back for its files. Whether"
        " it can call only a person can say. No other one of these types is told until then. %(each)s."
    ),
    each=NAMED,
    cause=_("The check of certificates is being turned on for a type, and the first telephone has come back."),
    consequence=_("Calls go on. The other telephones of the type check nothing until a person has answered."),
)
EMPTYING_NOT_BACK = EventKind(
    "emptying_not_back",
    Severity.SERIOUS,
    _(
        "Telephones of the type %(type)s did not come back while their list of certificates was emptied: %(count)s (%(names)s). No"
        " other list of the type is emptied, and no other telephone of it is told to check, until a person goes on."
    ),
    cleared=_(
        "The telephones of the type %(type)s whose list was emptied have come back, or a person has gone on, or nothing is handed"
        " out."
    ),
    hint=_(
        "They check no certificates meanwhile, so that they can call. See at one of them whether it is there, asks for its files,"
        " and holds the certificate that is served. One that still checks refuses the communication server: turn the check off at"
        " it, or open a bootstrap window. It goes on by itself where it was."
    ),
    several=_(
        "Telephones of several types did not come back while their list of certificates was emptied. No other list of these types"
        " is emptied, and no other telephone of them is told to check, until a person goes on. %(each)s."
    ),
    each=COUNTED,
    cause=_(
        "These telephones were told to empty their list and have not fetched files since: they are off, or do not reach pbxcerts."
    ),
    consequence=_("One that still checks, and has an empty list, can't call. No other list is emptied."),
)
EMPTYING_WAITS = EventKind(
    "emptying_waits",
    Severity.NORMAL,
    _(
        "The list of certificates of the first telephone of the type %(type)s was emptied, and it took the served one again:"
        " %(names)s. Whether the old ones are gone only a person can see. No other list is emptied until then."
    ),
    cleared=_(
        "A person has seen an emptied list of the type %(type)s, or lists are no longer emptied, or nothing is handed out."
    ),
    hint=_(
        "Look at the telephone under Security > Trusted Certificates: it is to hold the served certificate and none of the older"
        " ones. Then say so at the page of the type. Until then it is told no further certificate."
    ),
    several=_(
        "Of several types the list of certificates of the first telephone was emptied, and it took the served one again. Whether"
        " the old ones are gone only a person can see. No other list of these types is emptied until then. %(each)s."
    ),
    each=NAMED,
    cause=_("The full lists of a type are being emptied, and the first telephone has done it."),
    consequence=_("Calls go on. The other lists stay full, and the next pair has no room in them."),
)


def checking_warnings(types: Iterable[TerminalType]) -> Iterator[Notice]:
    """Of types of which some telephone is told to check: five queries each at most."""
    for one in types:
        rows = Checking.objects.of_type(one.pk)
        emptied = rows.being_emptied()
        lost = rows.in_state(Checking.State.TAKEN_BACK).stopping().filter(why=Checking.Why.NOT_BACK)
        if one.turns_checking_on and (count := lost.count()):
            yield _notice(CHECKING_NOT_BACK, one, lost, count)
        if one.turns_checking_on and waits_for_word(one):
            came_back = rows.in_state(Checking.State.SHOWN)
            yield _notice(CHECKING_WAITS, one, came_back, came_back.count())
        if one.empties_list and (count := emptied.stopping().count()):
            yield _notice(EMPTYING_NOT_BACK, one, emptied.stopping(), count)
        if one.empties_list and not one.emptying_seen and (count := rows.seen_by_nobody().count()):
            yield _notice(EMPTYING_WAITS, one, rows.seen_by_nobody(), count)


def waits_for_word(one: TerminalType) -> bool:
    """Whether a telephone came back, and only a person can say that it can call: its check does not cover what it came for."""
    switch = one.driver.checks.switch
    if switch is None or switch.covers_files:
        return False
    came_back = Checking.objects.of_type(one.pk).in_state(Checking.State.SHOWN).filter(terminal__enabled=True)
    return came_back.exists() and not came_back.filter(gone_on=True).exists()


def _notice(kind: EventKind, one: TerminalType, rows: CheckingQuerySet, count: int) -> Notice:
    """Each number is a message of its own: one more that is lost is told again."""
    params = {"type": one.name, "count": count, "names": first_names(rows)}
    return Notice(kind, subject=str(one.pk), step=str(count), params=params)


def first_names(rows: CheckingQuerySet) -> str:
    """The numbers and names of the first of these telephones, and "…" where there are more."""
    named = rows.order_by("terminal__number").values_list("terminal__number", "terminal__name")[: NAMED_AT_MOST + 1]
    names = [f"{number} {name}".strip() for number, name in named]
    return ", ".join([*names[:NAMED_AT_MOST], "…"] if len(names) > NAMED_AT_MOST else names)
