"""Snom desk telephones."""

from terminals.drivers.base import gettext_noop
from terminals.drivers.doubts import About, Doubt, PairFacts, TelephoneKind

NAMES = ("snom",)
ROOM = None

CHECKS_NAMES_FROM = (10,)
ACTION_FROM = (10, 1, 180)

WANTS_ADDRESS = Doubt(
    About.NAMES,
    serious=False,
    what=gettext_noop(
        "From firmware 10 on they check the name of the communication server unless told otherwise. One that reaches the server by"
        " its IP address refuses it then, because no address stands in the host certificate."
    ),
    remedy=gettext_noop(
        "Enter the address in System / General, let the telephones reach the communication server by a name, or set"
        " check_fqdn_against_server_cert to off."
    ),
    source="Snom service hub: host_name_validation_flags; RFC 5922",
)
NOTIFY_MAY_RESET = Doubt(
    About.NOTIFY,
    serious=True,
    what=gettext_noop(
        "From firmware 10.1.180 on, checksync_action says what a notification does, whatever its event string is: a factory reset"
        " too, if somebody has set it so."
    ),
    remedy=gettext_noop(
        "See what checksync_action is at the telephones and set it to sync, or leave the event string of the type empty."
    ),
    source="Snom service hub: checksync_action",
)


def doubts(pair: PairFacts, kind: TelephoneKind) -> tuple[Doubt, ...]:
    """What holds from a firmware on may hold where none is known."""
    if kind.is_called(r"m\d\d\d|c[56]20"):
        return ()  # DECT: nothing of it is documented for these
    found = []
    if not pair.names_address and _may_be_from(kind, CHECKS_NAMES_FROM):
        found.append(WANTS_ADDRESS)
    if kind.event and _may_be_from(kind, ACTION_FROM):
        found.append(NOTIFY_MAY_RESET)
    return tuple(found)


def _may_be_from(kind: TelephoneKind, first: tuple[int, ...]) -> bool:
    return not kind.version or kind.version >= first
