"""What is known against the next pair at the telephones that there are, before it is made (rule preflight)."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import KeyTypes
from certificates.pki import formats
from certificates.pki.expected import PairOctets, octets_of_pair
from certificates.pki.keys import KeyType
from certificates.renewal.handover import DoubtAbout, PairDoubt
from certificates.renewal.orders import is_at_once
from certificates.renewal.situation import Situation
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from terminals.drivers import doubts as makers
from terminals.drivers.base import AnchorsCome
from terminals.drivers.doubts import Doubt, PairFacts, TelephoneKind
from terminals.drivers.registry import BY_HAND_METHODS, IN_TURN_METHODS
from terminals.evidence.models import Requester
from terminals.evidence.requesters import held_in_turn
from terminals.models import Installation, Terminal, TerminalType
from terminals.tally.models import InstallationTally
from terminals.trust_file import next_size

NAMED_AT_MOST = 5
TOLD_BEFORE = timedelta(days=7)

PAIR_IN_DOUBT = EventKind(
    "pair_in_doubt",
    Severity.SERIOUS,
    gettext_lazy(
        "The pair that is generated on %(at)s can cost telephones their calls or settings, as their manufacturers' documents have"
        " it: %(names)s. It is generated all the same."
    ),
    cleared=gettext_lazy(
        "Nothing serious is known any more against a pair that would be generated within seven days, or none is."
    ),
    hint=gettext_lazy("The page “Generate certificates” says why and what to do."),
    cause=gettext_lazy(
        "The settings of the next pair (key type, addresses, handover) do not suit telephones that are in the list."
    ),
    consequence=gettext_lazy(
        "Calls go on until that pair is served; from then on these telephones may refuse the communication server."
    ),
    instants=("at",),
)


def doubts_of(situation: Situation) -> tuple[PairDoubt, ...]:
    """Against a pair made by these settings. Five queries at most, whatever the number of terminals."""
    pair = _facts(situation)
    terminals = Terminal.objects.enabled().order_by().values_list("type", "firmware").annotate(count=Count("pk"))
    rows = list(terminals)
    if not rows:
        return ()
    types = TerminalType.objects.defer("guide_de", "guide_en", "own_lines").in_bulk({row[0] for row in rows})
    # Somebody may have deleted one meanwhile.
    listed = [(types[type_id], firmware, count) for type_id, firmware, count in rows if type_id in types]
    kinds: dict[tuple[str, Doubt], Counter[str]] = {}
    for kind, count in _kinds(listed):
        for doubt in makers.doubts(pair, kind):
            kinds.setdefault((kind.name, doubt), Counter())[kind.firmware] += count
    found = [_in_words(name, doubt, firmwares) for (name, doubt), firmwares in kinds.items()]
    found += _too_large(situation, listed, hands_over=pair.hands_over)
    return tuple(sorted(found, key=lambda doubt: (not doubt.serious, doubt.about, doubt.telephones)))


def warnings(situation: Situation) -> Iterator[Notice]:
    """Before an automatic generation, which nobody is asked about."""
    at, active = situation.next_at, situation.active
    if at is None or active is None or at - situation.clock.best > TOLD_BEFORE:
        return
    if serious := [doubt for doubt in doubts_of(situation) if doubt.serious]:
        names = _first(f"{doubt.telephones} ({doubt.count})" for doubt in serious)
        params = {"at": at.isoformat(), "names": names}
        yield Notice(PAIR_IN_DOUBT, subject=str(active.number), params=params)


def _facts(situation: Situation) -> PairFacts:
    return PairFacts(
        on_curve=situation.settings.key_type == KeyTypes.P256,
        names_address=bool(situation.general.identity.addresses),
        hands_over=not is_at_once(situation),
    )


def _kinds(listed: Iterable[tuple[TerminalType, str, int]]) -> Iterator[tuple[TelephoneKind, int]]:
    """Each kind of telephone, and how many there are of it."""
    full = _full({type_.pk: type_ for type_, _firmware, _count in listed}.values())
    for type_, firmware, count in listed:
        is_full = full[type_.pk, firmware]
        if count > is_full:
            yield _kind(type_, firmware), count - is_full
        if is_full:
            yield _kind(type_, firmware, is_full=True), is_full


def _too_large(
    situation: Situation, listed: Iterable[tuple[TerminalType, str, int]], *, hands_over: bool
) -> Iterator[PairDoubt]:
    """Types whose trust file would have more bytes than they take: nobody could give it to them (rule trust-file). What is to blame are
    the names where the same keys with those of the active pair would do.
    """
    active, general = situation.active, situation.general
    if active is None or not general.identity:
        return
    key_type = KeyType(situation.settings.key_type)
    of_same_names = PairOctets(*(formats.octets_with(one, key_type) for one in (active.root, active.host)))
    following = octets_of_pair(
        general.identity,
        key_type,
        addresses_as_dns=situation.settings.addresses_as_dns,
        organisation=general.site_name,
    )
    counts: Counter[TerminalType] = Counter()
    for type_, _firmware, count in listed:
        counts[type_] += count
    for type_, count in counts.items():
        limit = type_.largest_file
        if limit is None:
            continue
        size = next_size(type_, active, following, hands_over=hands_over)
        if size > limit:
            by_names = next_size(type_, active, of_same_names, hands_over=hands_over) <= limit
            yield PairDoubt(
                about=DoubtAbout.NAMES if by_names else DoubtAbout.KEY,
                serious=True,
                telephones=str(type_),
                count=count,
                what=_(
                    "With such keys and names the file that these telephones are to trust would have about %(size)s bytes; they"
                    " take %(limit)s. They would not get it, and can't call after the switch."
                )
                % {"size": size, "limit": limit},
                remedy=_(
                    "Choose a key type with smaller certificates (EC P-256 has the smallest), let the type have root certificates"
                    " alone if it gets host certificates, or correct the limit of the type if its telephones take more."
                ),
                source=type_.source or _("“largest file” of the terminal type"),
            )


def _kind(type_: TerminalType, firmware: str = "", *, is_full: bool = False) -> TelephoneKind:
    return TelephoneKind(
        name=str(type_),
        method=type_.method,
        maker=type_.manufacturer,
        model=type_.model,
        firmware=firmware,
        event=type_.event if type_.method in BY_HAND_METHODS else "",
        holds_only_one=type_.holds_only_one,
        is_full=is_full,
    )


def _full(types: Iterable[TerminalType]) -> Counter[tuple[int, str]]:
    """How many terminals of a type and firmware have taken as many of our roots as they have room for. What stands in numbered
    places makes room by itself (rule places-of-anchors), and who takes them in turn may have begun anew since (rule full-list).
    """
    room = {}
    for type_ in types:
        maker = makers.maker_of(_kind(type_))
        makes_room = type_.driver.capabilities.come is AnchorsCome.INLINE
        if maker is not None and maker.ROOM is not None and not makes_room:
            room[type_.pk] = maker.ROOM
    # Fewer generations than there is room for can't fill it: then nobody has to be looked at.
    trusted = InstallationTally.objects.filter(type__in=room, trusted=True, count__gt=0).of_enabled_terminals()
    generations = trusted.order_by().values_list("type").annotate(taken=Count("generation", distinct=True))
    can_be_full = [type_id for type_id, taken in generations if taken >= room[type_id]]
    if not can_be_full:
        return Counter()
    taken = (
        Installation.objects.trusted()
        .of_enabled_terminals()
        .filter(terminal__type__in=can_be_full)
        .order_by()
        .values_list("terminal__type", "terminal__firmware", "terminal")
        .annotate(roots=Count("generation__root_sha256", distinct=True))
        .filter(roots__gte=min(room.values()))
    )
    in_turn = Requester.objects.filter(terminal__type__in=can_be_full, terminal__type__method__in=IN_TURN_METHODS)
    held = held_in_turn(in_turn.filter(change__gt=0).only("terminal", "holds", "change", "held_proved").order_by())
    found: Counter[tuple[int, str]] = Counter()
    for type_id, firmware, terminal, roots in taken:
        found[type_id, firmware] += (len(held[terminal]) if terminal in held else roots) >= room[type_id]
    return found


def _in_words(name: str, doubt: Doubt, firmwares: Counter[str]) -> PairDoubt:
    known = sorted(firmware for firmware in firmwares if firmware)
    telephones = name
    if known:
        telephones = _("%(type)s, firmware %(firmware)s") % {"type": name, "firmware": _first(known)}
    return PairDoubt(
        about=DoubtAbout(doubt.about.value),
        serious=doubt.serious,
        telephones=telephones,
        count=firmwares.total(),
        what=_(doubt.what),
        remedy=_(doubt.remedy),
        source=doubt.source,
    )


def _first(names: Iterable[str]) -> str:
    """The first of them, and "…" where there are more."""
    some = list(dict.fromkeys(names))
    return ", ".join([*some[:NAMED_AT_MOST], "…"] if len(some) > NAMED_AT_MOST else some)
