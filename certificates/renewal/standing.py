"""Whose is the store? How the database stands to what it finds there (rules store-mark, what-is-served-stays)."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import Max

from certificates.communication_server import found
from certificates.communication_server.errors import NoMark, StoreError
from certificates.communication_server.mark import StoreMark
from certificates.communication_server.store import Store
from certificates.models import Generation, Switch, Transition
from certificates.renewal.ranks import made_pairs, ranks
from pbxcerts.system import sealing
from pbxcerts.system.run_files import OtherMachine
from pbxcerts.system.sealing import SealingError

State = Generation.State


class StoreStanding(enum.StrEnum):
    SAME = "same"
    """It shows what this database has published, now or earlier."""
    EMPTY = "empty"
    """Nothing has been published there: a new machine, or a disk in memory."""
    OLDER = "older"
    """This installation has published what this database does not know: the database is a copy of before."""
    FOREIGN = "foreign"
    """Another installation writes it, or nobody knows who."""
    UNREADABLE = "unreadable"
    """What says who writes it can't be read, and what is served is not known either."""

    @property
    def rests(self) -> bool:
        """Whether nothing is published, switched or handed out until the matter is decided."""
        return self in {StoreStanding.OLDER, StoreStanding.FOREIGN, StoreStanding.UNREADABLE}


@dataclass(frozen=True)
class Change:
    """The newest change of state in the history of this database; 0 and "" where there is none yet."""

    number: int = 0
    at: str = ""

    @classmethod
    def newest(cls) -> Change:
        return cls.of(Transition.objects.order_by("-pk").values_list("pk", "at").first())

    @classmethod
    def of(cls, row: tuple[int | None, datetime | str | None] | None) -> Change:
        """From a row of a query. SQLite keeps instants as text without a zone, and as UTC."""
        if row is None or row[0] is None or row[1] is None:
            return cls()
        at = datetime.fromisoformat(row[1]) if isinstance(row[1], str) else row[1]
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return cls(row[0], at.isoformat())


@dataclass(frozen=True)
class StoreReading:
    """What the store says of itself. It is read before the database, which commits first: so what is read of the database
    later knows every mark that it has written itself.

    `told`: how the machine that publishes has found its store to stand, where it is another one than this: here is no store
    (rule one-publishes).
    """

    store: Store
    mark: StoreMark | None = None
    unreadable: bool = False
    unreachable: bool = False
    told: StoreStanding | None = None

    @classmethod
    def elsewhere(cls, store: Store, publisher: OtherMachine) -> StoreReading:
        """Of the store of another machine, as that has told. Before it has, nothing is known against what the database says."""
        try:
            mark = StoreMark.read(publisher.store_mark.encode()) if publisher.store_mark else None
            return cls(store, mark, told=StoreStanding(publisher.store_standing or StoreStanding.SAME))
        except (NoMark, ValueError):
            # A newer version has told it.
            return cls(store, told=StoreStanding.SAME)

    @classmethod
    def of(cls, store: Store) -> StoreReading:
        try:
            return cls(store, store.mark())
        except NoMark:
            return cls(store, unreadable=True)
        except StoreError:
            # Publishing fails too, and says why; what this is about can't be asked now.
            return cls(store, unreachable=True)

    def standing(self, installation: str, newest: Change) -> StoreStanding:
        """Costs no query while nothing has changed since the mark was written."""
        if self.unreachable:
            return StoreStanding.SAME
        if self.mark is None:
            return self.told or self._without_mark()
        if self.mark.installation != installation:
            return StoreStanding.FOREIGN
        marked = Change(self.mark.change, self.mark.changed_at)
        if marked in {newest, Change()}:
            return StoreStanding.SAME
        known = Change.of(Transition.objects.filter(pk=marked.number).values_list("pk", "at").first())
        return StoreStanding.SAME if marked == known else StoreStanding.OLDER

    @property
    def served(self) -> int | None:
        """The number of the generation that is served."""
        if self.told is None:
            return self.store.current
        number = (self.mark.links.get("current", "") if self.mark else "").removeprefix("generations/")
        return int(number) if number.isdecimal() else None

    def is_marked(self, installation: str, newest: Change) -> bool:
        """Whether the mark says how things stand now."""
        mark = self.mark
        return mark is not None and (mark.installation, mark.change, mark.changed_at) == (
            installation,
            newest.number,
            newest.at,
        )

    def _without_mark(self) -> StoreStanding:
        """Judge by what is served: versions that knew no mark have left none, and a person may have deleted it."""
        unknown = StoreStanding.UNREADABLE if self.unreadable else StoreStanding.FOREIGN
        host = self.store.found_host("current")
        if host is not None:
            state = _state_of(found.sha256(host))
            if state is None:
                return unknown
            # Not yet switched to by this database: a later copy of it was.
            ahead = state in Generation.PENDING and not Switch.objects.running().exists()
            return StoreStanding.OLDER if ahead else StoreStanding.SAME
        with_key = self.store.directories_with_key()
        if not with_key:
            return unknown if self.store.holds("current/host.key") else StoreStanding.EMPTY
        hosts = [self.store.found_host(name) for name in with_key]
        known = all(host is not None and _state_of(found.sha256(host)) is not None for host in hosts)
        return StoreStanding.SAME if known else unknown


def _state_of(host_sha256: str) -> State | None:
    """The state of the pair with this host certificate; None where the database has none."""
    state = Generation.objects.filter(host_sha256=host_sha256).values_list("state", flat=True).first()
    return State(state) if state is not None else None


def new_mark(
    installation: str, reading: StoreReading, now: datetime, pairs: frozenset[str], handed_out: Mapping[str, int]
) -> StoreMark:
    """What the store is to say from now on. What it said before of numbers and withdrawn pairs stays true, also where this
    database does not know of it. `pairs`: the SHA-256 of the host certificates of the pairs that are served or wait;
    `handed_out`: the numbers of all that telephones are given, by the same.
    """
    before, newest, rank = reading.mark, Change.newest(), ranks(made_pairs())
    highest = Generation.objects.aggregate(highest=Max("number"))["highest"] or 0
    withdrawn = Generation.objects.exclude(withdrawn_at=None)
    ended = set(withdrawn.filter(end__lte=now).values_list("host_sha256", flat=True))
    lasting = {*(before.withdrawn if before else ()), *withdrawn.values_list("host_sha256", flat=True)} - ended
    mark = StoreMark(
        installation=installation,
        change=newest.number,
        changed_at=newest.at,
        highest=max(highest, before.highest if before else 0, reading.store.highest_number()),
        withdrawn=tuple(sorted(lasting)),
        ranks={host_sha256: rank[number] for host_sha256, number in handed_out.items() if number in rank},
    )
    if before is not None and replace(before, proof="", links={}) == mark and proved_pairs(before) == pairs:
        return before
    return replace(mark, proof=_proof(mark, pairs))


def _proof(mark: StoreMark, pairs: frozenset[str]) -> str:
    """Sealed with the key list, so that nobody who can only write into the store has a pair of his own adopted; "" where the
    list can't be read: then a person decides.
    """
    try:
        return sealing.seal(
            json.dumps([mark.installation, mark.change, mark.changed_at, *sorted(pairs)]).encode()
        ).decode()
    except SealingError:
        return ""


def proved_pairs(mark: StoreMark) -> frozenset[str]:
    """The pairs that this installation has put into the store with this mark; none where that is not proved."""
    try:
        installation, change, changed_at, *pairs = json.loads(sealing.unseal(mark.proof.encode()))
    except (SealingError, ValueError):
        return frozenset()
    genuine = (installation, change, changed_at) == (mark.installation, mark.change, mark.changed_at)
    return frozenset(pairs) if genuine else frozenset()
