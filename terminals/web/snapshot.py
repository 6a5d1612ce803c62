"""What the listeners answer from: a copy of the database's rows in memory (rule from-memory).

It is read anew when the database says that something was committed, and every half minute, because time changes what is in
the bundle.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, close_old_connections, connection, connections

from certificates.communication_server.errors import CommunicationServerError
from certificates.models import Generation
from certificates.pki import formats
from certificates.pki.succession import Succession
from certificates.renewal.ranks import MadePair, made_pairs, ranks
from certificates.renewal.situation import Situation
from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import General
from pbxcerts.system.outage import Outage
from pbxcerts.system.sealing import SealedText, SealingError
from pbxcerts.system.time import timekeeping
from terminals.checking.models import Saying, newest_change, newest_name, renamed_files, sayings
from terminals.drivers.base import AnchorsCome, DeliveryDriver
from terminals.drivers.registry import IN_TURN_METHODS, driver_of
from terminals.evidence.addresses import Network, read_networks
from terminals.evidence.fetches import proof_by_address
from terminals.evidence.ledger import host_of
from terminals.evidence.models import Requester
from terminals.evidence.requesters import is_full
from terminals.models import DeliverySettings, Terminal, TerminalType, Transports
from terminals.places_of_anchors import places_of
from terminals.tally.models import ListChanges
from terminals.trust_file import NoTrustFile, TrustFile, generations_of, trust_files
from terminals.web.models import BootstrapWindow

LOOKED_EVERY = 1.0
PAUSE_PER_READING = 20
"""While phones fetch, each look finds something new; with a long list no more than a twentieth of the time goes into reading it."""
LONGEST_PAUSE = 5.0
READ_ANEW_EVERY = 30.0
OLD_VERSIONS_OF = 12
"""How many generations back an older version of a trust file may reach."""

logger = logging.getLogger("pbxcerts.web")


class SnapshotTerminal(NamedTuple):
    """A row of the list. `mac` is twelve upper-case hex digits; `address` as it was entered."""

    key: int
    number: str
    mac: str | None
    type: int
    path_secret: str
    token_sha256: str
    address: str
    own_lines: str

    def trust_part(self, since: str = "") -> str:
        """The random part of the name of its trust file. It tells nothing about the path to its configuration. `since`: when it was
        renamed (rules emptied-list, renamed-files), "" where it never was.
        """
        return _part(f"trust file{since}", self.path_secret)

    def proving_part(self, since: str = "") -> str:
        """The other random part, which only the configuration under its secret path names (rule proved-fetch)."""
        return _part(f"proving trust file{since}", self.path_secret)


@lru_cache(maxsize=65_536)
def _part(of: str, path_secret: str) -> str:
    """Kept, because every phone that restarts needs it twice: for its configuration and for its trust file."""
    return hashlib.sha256(f"{of}:{path_secret}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class SnapshotType:
    """`files` is what terminals of this type are to trust: one file, or one for each trust anchor, that of the served pair first;
    none where there is nothing yet.
    """

    method: str
    model: str
    own_lines: str
    files: tuple[TrustFile, ...] = ()
    turns_checking_on: bool = False
    empties_list: bool = False

    @cached_property
    def driver(self) -> DeliveryDriver:
        return driver_of(self.method)

    @cached_property
    def by_version(self) -> dict[str, TrustFile]:
        return {file.version: file for file in self.files}

    @cached_property
    def generations(self) -> frozenset[int]:
        """Whose trust anchors they are, all together."""
        return frozenset(chain.from_iterable(file.generations for file in self.files))


@dataclass(frozen=True)
class SnapshotPair:
    """The certificates of one generation. `root_sha256` in lower case without colons."""

    number: int
    root_pem: bytes
    host_pem: bytes
    root_sha256: str


@dataclass(frozen=True)
class SnapshotWindow:
    """A bootstrap window. `terminals` are keys; it counts for all where `all_terminals` is set."""

    key: int
    opened_at: datetime
    closes_at: datetime
    all_terminals: bool
    terminals: frozenset[int]

    def is_open_for(self, terminal: int, now: datetime) -> bool:
        return self.opened_at <= now < self.closes_at and (self.all_terminals or terminal in self.terminals)


@dataclass(frozen=True)
class SnapshotSuccession:
    """What is said of the pairs now, and what their keys have signed, the newest pair first (rule signed-succession)."""

    now: Succession
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnchorPlaces:
    """Where telephones that hold so many trust anchors in numbered places keep each (rule places-of-anchors)."""

    of: Mapping[int, int]
    emptied: tuple[int, ...]


@dataclass(frozen=True)
class TakenInTurn:
    """The generations whose trust anchors each address has taken in a terminal's name, in this order, since it began anew; and the
    number of the last change that is known (rule anchors-in-turn).
    """

    by: Mapping[tuple[int, str], tuple[int, ...]] = field(default_factory=dict)
    change: int = 0


@dataclass(frozen=True)
class SnapshotChecking:
    """What the files of telephones say of the check, by their keys, None: nothing (rule checking). `change`: the newest that is known."""

    of: Mapping[int, Saying | None] = field(default_factory=dict)
    change: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class SnapshotNames:
    """What stands in the names of the trust files of telephones, by their keys, since they were renamed (rule renamed-files). `newest`:
    the last that is known.
    """

    of: Mapping[int, str] = field(default_factory=dict)
    newest: tuple[int, datetime | None] = (0, None)


@dataclass(frozen=True)
class Snapshot:
    """`bundle`: the pairs that terminals are to trust, the newest first; `active`: the number of the one that is served.

    `older`: further pairs that a trust file may still name, by number; none of them is withdrawn. `own_host`: the name or
    address under which terminals reach pbxcerts, "" where none is known. `proxy`: where phones talk SIP over TLS, ("", 0)
    where pbxcerts is not told. `rests`: nothing is handed out, because the server may present what the database does not know
    (rule what-is-served-stays), or this machine may not work (rule same-secrets). `list_changes`: how often the list had changed when
    its terminals were read. `pairs`: all that ever were made. `networks`: the telephones' own.
    """

    bundle: tuple[SnapshotPair, ...] = ()
    active: int | None = None
    succession: SnapshotSuccession | None = None
    older: Mapping[int, SnapshotPair] = field(default_factory=dict)
    own_host: str = ""
    proxy: tuple[str, int] = ("", 0)
    types: Mapping[int, SnapshotType] = field(default_factory=dict)
    terminals: tuple[SnapshotTerminal, ...] = ()
    windows: tuple[SnapshotWindow, ...] = ()
    rests: bool = False
    list_changes: int | None = None
    pairs: tuple[MadePair, ...] = ()
    taken_in_turn: TakenInTurn = field(default_factory=TakenInTurn)
    checking: SnapshotChecking = field(default_factory=SnapshotChecking)
    names: SnapshotNames = field(default_factory=SnapshotNames)
    networks: tuple[Network, ...] = ()
    _trust: dict[str, bytes | None] = field(default_factory=dict, repr=False, compare=False)
    _places: dict[int, AnchorPlaces] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def by_mac(self) -> dict[str, SnapshotTerminal]:
        return {one.mac: one for one in self.terminals if one.mac}

    @cached_property
    def by_path_secret(self) -> dict[str, SnapshotTerminal]:
        return {one.path_secret: one for one in self.terminals}

    @cached_property
    def by_token(self) -> dict[str, SnapshotTerminal]:
        """By the SHA-256 of its token (`terminals.directory.device_tokens.token_hash`)."""
        return {one.token_sha256: one for one in self.terminals if one.token_sha256}

    def type_of(self, terminal: SnapshotTerminal) -> SnapshotType:
        return self.types[terminal.type]

    def window_for(self, terminal: SnapshotTerminal, now: datetime) -> SnapshotWindow | None:
        for window in self.windows:
            if window.is_open_for(terminal.key, now):
                return window
        return None

    def named_file(self, terminal: SnapshotTerminal, source: str) -> TrustFile | None:
        """The trust file that the configuration names to a terminal that asks from there; None where there is none."""
        known_type = self.types[terminal.type]
        files = known_type.files
        if not files or known_type.driver.capabilities.come is not AnchorsCome.IN_TURN:
            return files[0] if files else None
        taken = self.taken_in_turn.by.get((terminal.key, source), ())
        said = self.saying(terminal)
        if said is not None and said.names_from is not None:
            # The next one comes when it is sure that there is room (rule emptied-list).
            were_served = {pair.number for pair in self.pairs if pair.was_served}
            files = tuple(file for file in files if file.generations[0] in were_served) or files
        return next_in_turn(files, taken, known_type.driver.capabilities.holds)

    def saying(self, terminal: SnapshotTerminal) -> Saying | None:
        """What its file says of the check, in the words of its method."""
        said = self.checking.of.get(terminal.key)
        return said if said is not None and said.method == self.type_of(terminal).method else None

    def is_own_address(self, terminal: SnapshotTerminal, address: str) -> bool:
        """Whether an address shows by itself that the terminal asks from there; one that a person accepted is not meant."""
        return proof_by_address(address, listed=host_of(terminal.address), networks=self.networks) is not None

    def places(self, count: int) -> AnchorPlaces:
        """Of the pairs of the bundle, where there are so many places."""
        if count not in self._places:
            every = places_of(self.pairs, count)
            of = {pair.number: every[pair.number] for pair in self.bundle}
            # What is in a place is the last pair that came there; nobody knows it where that was one that an older copy forgot.
            rank = ranks(self.pairs)
            oldest = max(rank.values(), default=0) - count
            lies = {every[pair.number]: pair for pair in sorted(self.pairs)}
            withdrawn = {place for place, pair in lies.items() if pair.withdrawn and rank[pair.number] > oldest}
            emptied = sorted(withdrawn.difference(of.values()))
            self._places[count] = AnchorPlaces(of, tuple(emptied))
        return self._places[count]

    def trust_content(self, terminal_type: SnapshotType, version: str) -> bytes | None:
        """The trust file of this version, in force or older; None where it is not given out (rule versioned-file)."""
        if (current := terminal_type.by_version.get(version)) is not None:
            return current.content
        if self.active not in generations_of(version):
            return None
        if version not in self._trust and len(self._trust) < 1000:
            self._trust[version] = self._rebuilt(version)
        return self._trust.get(version)

    def _rebuilt(self, version: str) -> bytes | None:
        """Put an older trust file together again from its certificates, which never change; the hash proves it."""
        numbers, _dot, digest = version.partition(".")
        pairs = [self.older.get(int(number)) for number in numbers.split("-")]
        known = [pair for pair in pairs if pair is not None]
        if len(known) != len(pairs):
            return None
        both = b"".join(chain.from_iterable((pair.root_pem, pair.host_pem) for pair in known))
        roots = b"".join(pair.root_pem for pair in known)
        hosts = b"".join(pair.host_pem for pair in known)
        as_der = [formats.der(formats.load_pem(pem)) for pem in (roots, hosts) if len(known) == 1]
        for content in (both, roots, hosts, *as_der):
            if hashlib.sha256(content).hexdigest()[:8] == digest:
                return content
        return None


def next_in_turn(files: Sequence[TrustFile], taken: Sequence[int], most: int | None = None) -> TrustFile:
    """The first that was not taken yet; where all were, or there is room for no more than those, the one that was taken last, so that
    its URL stays (rules anchors-in-turn, full-list).
    """
    if not taken:
        return files[0]
    by_generation = {file.generations[0]: file for file in files}
    last = next((by_generation[number] for number in reversed(taken) if number in by_generation), None)
    left = next((file for file in files if file.generations[0] not in taken), None)
    if left is None or (last is not None and is_full(taken, most)):
        left = last
    return left or files[0]


_BY = ("by_mac", "by_path_secret", "by_token")


def read_snapshot(before: Snapshot | None = None) -> Snapshot:
    """From the database, in a thread. A few queries, whatever the number of terminals. Where the list is as it was `before`, its
    terminals are not read anew: of a hundred thousand that takes a second, and phones wait meanwhile.
    """
    now = timekeeping.current_clock()
    situation = Situation.load(now)
    general = situation.general
    pairs = {
        number: SnapshotPair(number, root.encode(), host.encode(), sha256)
        for number, root, host, sha256 in Generation.objects.made()
        .filter(withdrawn_at=None)
        .order_by("-number")
        .values_list("number", "root_pem", "host_pem", "root_sha256")[:OLD_VERSIONS_OF]
    }
    bundle = tuple(
        SnapshotPair(one.number, one.root_pem.encode(), one.host_pem.encode(), one.root_sha256)
        for one in situation.in_bundle
    )
    # Before the rows: what changes in between is read once more the next time.
    changes = ListChanges.objects.values_list("count", flat=True).first()
    same = before if before is not None and changes is not None and before.list_changes == changes else None
    terminals = same.terminals if same is not None else _terminals()
    delivery = DeliverySettings.load()
    types = {one.pk: _type(situation, one) for one in TerminalType.objects.all()}
    snapshot = Snapshot(
        bundle=bundle,
        active=situation.active.number if situation.active else None,
        succession=_succession(situation),
        older=pairs,
        own_host=general.own_host,
        proxy=_proxy(delivery, general),
        types=types,
        pairs=made_pairs(),
        taken_in_turn=_taken_in_turn(same.taken_in_turn if same is not None else TakenInTurn()),
        checking=_checking(before.checking if before is not None else None, types.values()),
        names=_names(before.names if before is not None else SnapshotNames(), types.values()),
        networks=read_networks(delivery.telephone_networks),
        terminals=terminals,
        windows=_windows(),
        rests=situation.standing.rests or bool(other_machines.refuses_us()),
        # Lines that no key decrypts now may be read with the next list of keys.
        list_changes=None if any(_is_lost(one.own_lines) for one in terminals) else changes,
    )
    if same is not None:
        vars(snapshot).update({name: vars(same)[name] for name in _BY if name in vars(same)})
    return snapshot


def _is_lost(lines: str) -> bool:
    return isinstance(lines, SealedText) and lines.is_lost


def _terminals() -> tuple[SnapshotTerminal, ...]:
    rows = Terminal.objects.order_by().values_list(
        "pk", "number", "mac", "type_id", "path_secret", "token_sha256", "address", "own_lines"
    )
    return tuple(SnapshotTerminal(*row) for row in rows)


def _succession(situation: Situation) -> SnapshotSuccession | None:
    """None before the first pair is served. A pair that has ended proves nothing any more."""
    if situation.succession is None:
        return None
    signed = Generation.objects.exclude(succession="").filter(end__gt=situation.clock.best).order_by("-number")
    newest = signed.values_list("succession", flat=True)[:OLD_VERSIONS_OF]
    return SnapshotSuccession(situation.succession, tuple(newest))


def _proxy(delivery: DeliverySettings, general: General) -> tuple[str, int]:
    """The outbound proxy, if phones can verify it: by a name or address that is in the host certificate."""
    server = general.server_identity
    named = delivery.proxy_host in {*server.dns_names, *map(str, server.addresses)}
    over_tls = named and delivery.proxy_transport == Transports.TLS
    return (delivery.proxy_host, delivery.proxy_port) if over_tls else ("", 0)


def _type(situation: Situation, row: TerminalType) -> SnapshotType:
    try:
        files = trust_files(situation, row)
    except NoTrustFile:
        files = ()
    return SnapshotType(row.method, row.model, row.own_lines, files, row.turns_checking_on, row.empties_list)


def _checking(before: SnapshotChecking | None, types: Iterable[SnapshotType]) -> SnapshotChecking:
    """No query where no type turns the check on and none was told. Where nothing has changed the rows are not read anew."""
    if before is not None and before.change == (0, 0) and not any(one.turns_checking_on for one in types):
        return before
    change = newest_change()
    return before if before is not None and before.change == change else SnapshotChecking(sayings(), change)


def _names(before: SnapshotNames, types: Iterable[SnapshotType]) -> SnapshotNames:
    """No query where no telephone is told one trust anchor after the other."""
    if not any(one.driver.capabilities.come is AnchorsCome.IN_TURN for one in types):
        return before
    newest = newest_name()
    return before if before.newest == newest else SnapshotNames(renamed_files(), newest)


def _taken_in_turn(before: TakenInTurn) -> TakenInTurn:
    """Only what has changed since then is read. What was forgotten meanwhile, of another telephone, changes the list too."""
    rows = Requester.objects.filter(change__gt=before.change, terminal__type__method__in=IN_TURN_METHODS).order_by()
    changed = [*rows.values_list("terminal", "source", "holds", "change")]
    if not changed:
        return before
    by = {(terminal, source): tuple(holds) for terminal, source, holds, _change in changed}
    return TakenInTurn({**before.by, **by}, max(change for *_row, change in changed))


def _windows() -> tuple[SnapshotWindow, ...]:
    rows = BootstrapWindow.objects.filter(closes_at__gt=timekeeping.machine_time()).prefetch_related("terminals")
    return tuple(
        SnapshotWindow(
            row.pk,
            row.opened_at,
            row.closes_at,
            row.all_terminals,
            frozenset(terminal.pk for terminal in row.terminals.all()),
        )
        for row in rows
    )


def commits() -> str:
    """Changes with every commit of another connection; costs microseconds."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA data_version")
        else:
            # The transactions in progress are a part of it: one that ends changes it.
            cursor.execute("SELECT pg_current_snapshot()::text")
        return str(cursor.fetchone()[0])


class Snapshots:
    """`current` is the newest snapshot. `run` is a task in the event loop; the reading is done in a thread of its own.
    `with_other_pairs` is called in it before one with other pairs counts, so that what the listeners present is there.
    """

    def __init__(self, with_other_pairs: Callable[[], None] = lambda: None) -> None:
        self._with_other_pairs = with_other_pairs
        self._pairs: tuple[int | None, ...] = ()
        self.current = Snapshot()
        self.ready = asyncio.Event()
        self._seen = ""
        self._read_at = 0.0
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._outage = Outage(logger, "The terminals' files are read from the database again.")

    async def run(self, ending: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not ending.is_set():
                began = loop.time()
                anew = began - self._read_at >= READ_ANEW_EVERY
                newer = await loop.run_in_executor(self._thread, self._newer, anew)
                if newer is not None:
                    self.current = newer
                    self._read_at = loop.time()
                    self.ready.set()
                try:
                    pause = max(LOOKED_EVERY, min(PAUSE_PER_READING * (loop.time() - began), LONGEST_PAUSE))
                    await asyncio.wait_for(ending.wait(), pause)
                except TimeoutError:
                    continue
        finally:
            self._thread.submit(connections.close_all)
            self._thread.shutdown(wait=False)

    def _newer(self, anew: bool) -> Snapshot | None:  # noqa: FBT001 - positional for the executor
        """Read a newer snapshot, in the thread. None if there is none, or while the database cannot be read."""
        close_old_connections()
        try:
            seen = commits()
            if seen == self._seen and not anew:
                self._outage.is_over()
                return None
            snapshot = read_snapshot(self.current)
            # Built here, not at the first request in the event loop.
            _ = snapshot.by_mac, snapshot.by_path_secret, snapshot.by_token
            pairs = (snapshot.active, *(pair.number for pair in snapshot.bundle))
            if pairs != self._pairs or anew:
                self._with_other_pairs()
                self._pairs = pairs
            self._seen = seen
        except (DatabaseError, InterfaceError, CommunicationServerError, SealingError) as error:
            self._outage.goes_on(error, "The terminals' files are answered from what was read before: %s")
            return None
        self._outage.is_over()
        return snapshot
