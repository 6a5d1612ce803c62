"""What a fetch proves: whether it was the terminal who took its trust file (rules proved-fetch, proved-by-answer, unproved).

A fetch that its path, its address or its network proves counts at once. What only a NOTIFY's answer can prove is judged whenever
half of it is stored: by the web process after a fetch, by the worker after the answer. Each has committed its own half before it
reads the other's, so one of them sees both (rule any-order).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q

from pbxcerts.system.network.one_address import source_of
from terminals.batches import Statement, execute, in_batches, is_one_of, one_writer, updates
from terminals.checking.models import ANOTHER_TIME, ONCE_MORE_AFTER, Checking
from terminals.drivers.base import Reaction
from terminals.drivers.registry import COUNTING_FROM_RESTART, IN_TURN_METHODS, driver_of
from terminals.evidence.addresses import NETWORKS_AT_MOST, Network, family_of, is_in, read_networks, same_address
from terminals.evidence.facts import Fetched, FetchedTrust
from terminals.evidence.ledger import (
    ListedTerminal,
    confirmations,
    contact,
    differs,
    missing_rows,
    newest_of,
    of_listed,
)
from terminals.evidence.models import Requester
from terminals.evidence.requesters import NO_LONGER_NOW, SPAN, Known, known_requesters, remembered, rename_files
from terminals.models import DeliverySettings, Installation, InstallationQuerySet, Terminal
from terminals.states import DeliveryState

Evidence = Installation.Evidence
Proof = Installation.Proof

DOUBTFUL_AGAIN_AFTER = timedelta(hours=20)
"""A telephone that heard a NOTIFY, and whose fetch was not proved all the same, restarts at most once a night for it."""


class TooManyNetworks(Exception):
    """There are as many networks of telephones as can be named; nothing was changed."""


def fetched(seen: Sequence[Fetched]) -> None:
    """Remember who asked; confirm the installations whose fetch is proved, and mark the others."""
    ours, listed = of_listed(seen)
    known = known_requesters(one.terminal for one in ours)
    judged_by = Judge(listed, known, telephone_networks() if ours else ())
    asked = remembered(ours, known, in_turn=_in_turn(ours), is_own=judged_by.is_own)
    restarts = RestartsToCome.of(one.terminal for one in ours)
    proved: list[tuple[FetchedTrust, Proof]] = []
    unproved: list[FetchedTrust] = []
    back: list[Fetched] = []
    doubtful: dict[int, list[datetime]] = {}
    for one in ours:
        proof = judged_by.proof_of(one)
        if proof is None:
            doubtful.setdefault(one.terminal, []).append(one.at)
        if proof is not None or not restarts.concern(one.terminal):
            back.append(one)
        if isinstance(one, FetchedTrust) and one not in asked.refused:
            if proof is None:
                unproved.append(one)
            else:
                proved.append((one, proof))
    statements = [
        *asked.statements,
        *contact(newest_of(ours)),
        *_back(back),
        *_confirmed(proved, listed, restarts),
        *_taken_before_a_restart(proved, listed, restarts),
        *_unproved(unproved, listed, restarts),
    ]
    with one_writer():
        execute(statements)
        rename_files(asked.renamed)
        restarts.ask_once_more()
        for batch in in_batches(asked.gone):
            Requester.objects.filter(pk__in=batch).delete()
    judge(doubtful, seen_at=doubtful)


def _in_turn(seen: Sequence[Fetched]) -> dict[int, int | None]:
    """Which of these terminals take their trust anchors in turn (rule anchors-in-turn), and how many they can hold."""
    alone = sorted({one.terminal for one in seen if len(_of(one)) == 1})
    rows = [
        Terminal.objects.filter(pk__in=batch).of_methods(IN_TURN_METHODS).order_by().values_list("pk", "type__method")
        for batch in in_batches(alone)
    ]
    return {key: driver_of(method).capabilities.holds for key, method in chain.from_iterable(rows)}


def _of(one: Fetched) -> frozenset[int]:
    return one.generations if isinstance(one, FetchedTrust) else one.named


@dataclass(frozen=True)
class Judge:
    """What shows by itself that a fetch was the terminal's own."""

    listed: Mapping[int, ListedTerminal]
    known: Known
    networks: tuple[Network, ...]

    def is_own(self, one: Fetched) -> bool:
        return one.by_secret_path or self.proof_by(one.terminal, one.address) is not None

    def proof_of(self, one: Fetched) -> Proof | None:
        if isinstance(one, FetchedTrust) and one.by_secret_path:
            return Proof.PATH
        return self.proof_by(one.terminal, one.address)

    def proof_by(self, terminal: int, address: str) -> Proof | None:
        """What its address alone proves."""
        row = self.known.get(terminal, {}).get(source_of(address))
        if row is not None and row.accepted_by and not is_nobodys(address):
            return Proof.ACCEPTED
        return proof_by_address(address, listed=self.listed[terminal].host, networks=self.networks)


def proof_by_address(address: str, *, listed: str, networks: Sequence[Network]) -> Proof | None:
    """What shows that an address is the terminal's own, `listed` being the one in the list; None where nothing does."""
    if is_nobodys(address):
        return None
    if same_address(listed, address):
        return Proof.RECORD
    return Proof.NETWORK if is_in(address, networks) else None


def telephone_networks() -> tuple[Network, ...]:
    return read_networks(DeliverySettings.load().telephone_networks)


def is_nobodys(address: str) -> bool:
    """Whether this address says nothing about who asked: it is that of a proxy that did not say for whom, or whoever asks may
    claim to be a proxy (rule proved-fetch).
    """
    proxies = settings.TRUSTED_PROXIES
    return "*" in proxies or is_in(address, read_networks(proxies))


# -- what is written of a fetch ----------------------------------------------------------------------------------------


def _back(seen: Sequence[Fetched]) -> list[Statement]:
    """A terminal that has answered a NOTIFY and comes for a file is *fetched*: it is back. Of one that has not answered nobody
    knows who came, so it stays what it is.
    """
    rows = [
        {
            "terminal": one.terminal,
            "fetched_at": one.at,
            "fetched_file": one.file[:128],
            "user_agent": one.user_agent[:200],
            "address": one.address[:64],
            "state": DeliveryState.FETCHED,
        }
        for one in newest_of(seen)
    ]
    return updates(Installation, rows, match=["terminal"], where=is_one_of("state", [DeliveryState.HEARD]))


@dataclass(frozen=True)
class RestartsToCome:
    """Terminals that check, and for which counts from the next restart on what they take (rule shown-restart).

    `asked`: of each the generations for which a NOTIFY has asked it to restart that it did not leave unheard, and when. `took`: when a
    terminal has provably taken a generation that does not count yet, the last time. `apart`: how long it leaves at least between two
    times that it asks by itself.
    """

    asked: Mapping[int, Sequence[tuple[int, datetime]]]
    took: Mapping[tuple[int, int], datetime]
    apart: Mapping[int, timedelta]

    @classmethod
    def of(cls, terminals: Iterable[int]) -> "RestartsToCome":
        """One query, and two more where there are any."""
        asked: dict[int, list[tuple[int, datetime]]] = {}
        took: dict[tuple[int, int], datetime] = {}
        apart: dict[int, timedelta] = {}
        for batch in in_batches(sorted(set(terminals)) if COUNTING_FROM_RESTART else []):
            they = Terminal.objects.filter(pk__in=batch).of_methods(COUNTING_FROM_RESTART).order_by()
            told_to = Checking.objects.that_check().filter(terminal=OuterRef("pk"), method=OuterRef("type__method"))
            # Whoever was told before an older copy was put back, and is forgotten.
            may_check = Q(type__may_check=True, type__turns_checking_on=True, checking=None)
            they_check = they.filter(Q(type__checks_by_itself=True) | may_check | Exists(told_to))
            for terminal, method, event in they_check.values_list("pk", "type__method", "type__event"):
                driver = driver_of(method)
                apart[terminal] = driver.capabilities.restarts_within
                if driver.capabilities.restarts_by in driver.event(event):
                    asked[terminal] = []
        for batch in in_batches(sorted(apart)):
            rows = Installation.objects.filter(terminal__in=batch).order_by()
            for terminal, number, at in rows.taken_before_a_restart().values_list(
                "terminal", "generation", "fetched_at"
            ):
                if at is not None:
                    took[terminal, number] = at
            heard = rows.filter(Q(reaction=Reaction.HEARD) | Q(state=DeliveryState.ASKED))
            for terminal, number, at in heard.values_list("terminal", "generation", "notified_at"):
                if at is not None and terminal in asked:
                    asked[terminal].append((number, at))
        return cls(asked, took, apart)

    def concern(self, terminal: int) -> bool:
        return terminal in self.apart

    def counts(self, terminal: int, generation: int, at: datetime) -> bool:
        """Whether what it takes then counts: it took the same a little before, and has heard in between that it is to restart."""
        if not self.concern(terminal):
            return True
        before = self.took.get((terminal, generation))
        if before is None or not before + ANOTHER_TIME <= at < before + self.apart[terminal]:
            return False
        return any(number >= generation and before <= when <= at for number, when in self.asked.get(terminal, ()))

    def took_lately(self, terminal: int, generation: int, at: datetime) -> bool:
        """Whether it may soon be shown that it has restarted since; no stranger who fetches meanwhile changes that."""
        before = self.took.get((terminal, generation))
        return before is not None and at < before + self.apart[terminal]

    def ask_once_more(self) -> None:
        """Those that have heard it, and have taken it since, which may have been the time at which they ask by themselves."""
        for batch in in_batches(sorted(self.asked)):
            rows = Installation.objects.filter(terminal__in=batch).taken_before_a_restart()
            since = rows.filter(reaction=Reaction.HEARD, fetched_at__gte=F("notified_at"))
            since.in_state(DeliveryState.HEARD, DeliveryState.FETCHED, DeliveryState.FAILED).update(
                state=DeliveryState.WAITING, next_at=F("fetched_at") + ONCE_MORE_AFTER, failure="", failed_at=None
            )


def restarted_or_not(terminals: Collection[int]) -> None:
    """These have answered, and what they took before the answer was written down says as little as what they take after it."""
    if terminals:
        RestartsToCome.of(terminals).ask_once_more()


def _taken_before_a_restart(
    proved: Sequence[tuple[FetchedTrust, Proof]], listed: Mapping[int, ListedTerminal], restarts: RestartsToCome
) -> list[Statement]:
    """It is known who took it, and that it does not count yet: it is asked in its turn."""
    rows = {
        (one.terminal, number): {
            **_told(one, listed),
            "generation": number,
            "evidence": Evidence.FETCHED.value,
            "proof": proof.value,
        }
        for one, proof in proved
        for number in sorted(one.generations)
        if not restarts.counts(one.terminal, number, one.at)
    }
    missing, _states = missing_rows(rows)
    match, is_new = ["generation", "terminal"], "t.confirmed_at IS NULL"
    waits = [{**row, "state": DeliveryState.WAITING} for row in rows.values()]
    was_unproved = f"{is_new} AND {is_one_of('state', [DeliveryState.UNPROVED])}"
    return [
        *missing,
        *updates(Installation, waits, match=match, where=was_unproved),
        *updates(Installation, [*rows.values()], match=match, where=is_new),
    ]


def _confirmed(
    proved: Sequence[tuple[FetchedTrust, Proof]], listed: Mapping[int, ListedTerminal], restarts: RestartsToCome
) -> list[Statement]:
    rows = [
        {
            **_told(one, listed),
            "generation": number,
            "confirmed_at": one.at,
            "evidence": Evidence.FETCHED.value,
            "proof": proof.value,
            "doubt_until": None,
        }
        for one, proof in proved
        for number in sorted(one.generations)
        if restarts.counts(one.terminal, number, one.at)
    ]
    return confirmations(rows)


def _unproved(
    unproved: Sequence[FetchedTrust], listed: Mapping[int, ListedTerminal], restarts: RestartsToCome
) -> list[Statement]:
    """A fetch that nothing proves changes whose turn it is for nobody (rule unproved)."""
    newest = {
        (one.terminal, number): one
        for one in unproved
        for number in sorted(one.generations)
        if not restarts.took_lately(one.terminal, number, one.at)
    }
    missing, _states = missing_rows(newest)
    rows = [
        {
            **_told(one, listed),
            "generation": number,
            "evidence": Evidence.UNPROVED.value,
            "state": DeliveryState.UNPROVED,
        }
        for (_terminal, number), one in newest.items()
    ]
    match = ["generation", "terminal"]
    nothing_better = f"t.confirmed_at IS NULL AND t.evidence <> '{Evidence.REPORTED.value}'"
    # Who has heard is not restarted once more at once, only because somebody fetched.
    failed = [
        {**row, "failure": "", "failed_at": None, "next_at": row["fetched_at"] + DOUBTFUL_AGAIN_AFTER, "postponed": 1}
        for row in rows
    ]
    was_failed = f"{nothing_better} AND {is_one_of('state', [DeliveryState.FAILED])}"
    at_rest = is_one_of("state", [DeliveryState.WAITING, DeliveryState.ABSENT, DeliveryState.UNPROVED])
    stays = is_one_of("state", [DeliveryState.ASKED, DeliveryState.HEARD, DeliveryState.FETCHED, DeliveryState.FULL])
    marks = [{name: value for name, value in row.items() if name != "state"} for row in rows]
    return [
        *missing,
        *updates(Installation, failed, match=match, where=was_failed),
        *updates(Installation, rows, match=match, where=f"{nothing_better} AND {at_rest}"),
        *updates(Installation, marks, match=match, where=f"{nothing_better} AND {stays}"),
    ]


def _told(one: FetchedTrust, listed: Mapping[int, ListedTerminal]) -> dict[str, Any]:
    return {
        "terminal": one.terminal,
        "fetched_at": one.at,
        "fetched_file": one.file[:128],
        "user_agent": one.user_agent[:200],
        "address": one.address[:64],
        "address_differs": differs(one, listed[one.terminal]),
    }


# -- what a NOTIFY's answer proves -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Notified:
    """The last NOTIFY to a terminal. `at` is by the machine's clock, `asked_at` by the best one."""

    installation: int
    at: datetime
    asked_at: datetime
    answered: bool

    def spans(self, moment: datetime) -> bool:
        return self.at <= moment <= self.at + SPAN


def judge(terminals: Collection[int], *, seen_at: Mapping[int, Sequence[datetime]] | None = None) -> None:
    """Judge by their last NOTIFY who has come for the files of these terminals (rule proved-by-answer).

    `seen_at`: when somebody was seen who gives reason to; a terminal that nobody came for within the span is left alone.
    """
    for some in in_batches(sorted(terminals)):
        notified = {
            terminal: last
            for terminal, last in _last_notified(some).items()
            if last.answered and (seen_at is None or any(map(last.spans, seen_at[terminal])))
        }
        if notified:
            _judge_by_answer(notified, known_requesters(notified))


def _last_notified(terminals: Collection[int]) -> dict[int, _Notified]:
    rows = Installation.objects.filter(terminal__in=terminals, notified_at__isnull=False).order_by("notified_at", "pk")
    found = {}
    for terminal, key, at, asked_at, reaction in rows.values_list(
        "terminal", "pk", "notified_at", "asked_at", "reaction"
    ):
        if at is not None:
            found[terminal] = _Notified(key, at, asked_at or at, answered=reaction == Reaction.HEARD)
    return found


def _judge_by_answer(notified: Mapping[int, _Notified], known: Known) -> None:
    came = {terminal: _came_after(last, known.get(terminal, {})) for terminal, last in notified.items()}
    contested = {terminal for terminal, rows in came.items() if _are_several(rows)}
    proved = {
        (terminal, number): rows
        for terminal, rows in came.items()
        if rows and terminal not in contested and not any(is_nobodys(row.address) for row in rows)
        # Where it has an address of either family, a stranger may be one of the two: both must have taken the file.
        for number in set.intersection(*(set(row.took) for row in rows))
    }
    restarts = RestartsToCome.of(terminal for terminal, _number in proved)
    confirmed = [
        {
            "terminal": terminal,
            "generation": number,
            "confirmed_at": max(row.last_at for row in rows),
            "evidence": Evidence.FETCHED.value,
            "proof": Proof.ANSWER.value,
            "doubt_until": notified[terminal].asked_at + SPAN,
            "address": rows[0].address,
        }
        for (terminal, number), rows in proved.items()
        # A stranger who comes alone while a call puts the restart off would be taken for it.
        if not restarts.concern(terminal)
    ]
    by_answer = Installation.objects.filter(terminal__in=notified, proof=Proof.ANSWER).trusted()
    taken_back = [
        key
        for key, terminal, number, until in by_answer.values_list("pk", "terminal", "generation", "doubt_until")
        if until == notified[terminal].asked_at + SPAN and (terminal, number) not in proved
    ]
    back = [last.installation for terminal, last in notified.items() if came[terminal]]
    execute(confirmations(confirmed))
    with one_writer():
        heard = Installation.objects.filter(pk__in=back).in_state(DeliveryState.HEARD)
        heard.update(state=DeliveryState.FETCHED)
        _take_back(taken_back)
        _doubt({terminal: notified[terminal] for terminal in contested})


def _came_after(last: _Notified, requesters: Mapping[str, Requester]) -> list[Requester]:
    """Who has asked since this NOTIFY. One who asked after its span too may have asked within it."""
    return [row for row in requesters.values() if last.at <= row.last_at <= last.at + NO_LONGER_NOW]


def _are_several(rows: Sequence[Requester]) -> bool:
    """Whether more than one address of a family has asked, or one of which nobody knows what it is."""
    families = [family_of(row.source) for row in rows]
    return 0 in families or len(set(families)) < len(families)


_LATER = {"next_at": F("asked_at") + DOUBTFUL_AGAIN_AFTER, "postponed": F("postponed") + 1}


def _take_back(keys: Sequence[int]) -> None:
    """What one address had proved by being the only one, until another one came."""
    if keys:
        rows = Installation.objects.filter(pk__in=keys, proof=Proof.ANSWER)
        nothing = {"evidence": Evidence.UNPROVED, "proof": "", "doubt_until": None, "confirmed_at": None}
        rows.in_state(DeliveryState.CONFIRMED).update(state=DeliveryState.UNPROVED, **nothing, **_LATER)
        # One that is asked anew already stays so.
        rows.update(**nothing)


def _doubt(contested: Mapping[int, _Notified]) -> None:
    """Say of whom more than one address has come; they are no longer waited for, and asked another night."""
    if contested:
        asked = Installation.objects.filter(pk__in=[last.installation for last in contested.values()])
        asked.filter(several_addresses=False).update(several_addresses=True)
        doubtful = Installation.objects.filter(terminal__in=contested).unproved()
        doubtful.in_state(DeliveryState.HEARD, DeliveryState.FETCHED).update(state=DeliveryState.UNPROVED, **_LATER)


def never_failed(rows: InstallationQuerySet, *, now: datetime) -> None:
    """Whoever has fetched unproved is *unproved* where it would be waiting, absent or failed (rule unproved)."""
    unproved = rows.unproved()
    unproved.in_state(DeliveryState.WAITING, DeliveryState.ABSENT).update(state=DeliveryState.UNPROVED)
    unproved.in_state(DeliveryState.FAILED).update(
        state=DeliveryState.UNPROVED,
        next_at=now + DOUBTFUL_AGAIN_AFTER,
        postponed=F("postponed") + 1,
        failure="",
        failed_at=None,
    )


# -- what counts later -------------------------------------------------------------------------------------------------


def prove_again(unproved: InstallationQuerySet) -> int:
    """Confirm those of these that an address proves now which proved nothing when it fetched: it stands in the list, in a
    network of the telephones, or a person has accepted it. Returns how many.
    """
    waiting: dict[int, set[int]] = {}
    for terminal, number in unproved.unproved().values_list("terminal", "generation"):
        waiting.setdefault(terminal, set()).add(number)
    networks = telephone_networks() if waiting else ()
    confirmed = 0
    for batch in in_batches(sorted(waiting)):
        known = known_requesters(batch)
        rows = Terminal.objects.filter(pk__in=batch).order_by().values_list("pk", "address", "replaced_at")
        listed = {key: ListedTerminal(address, replaced_at) for key, address, replaced_at in rows}
        judged_by, restarts = Judge(listed, known, networks), RestartsToCome.of(listed)
        proved = [
            {
                "terminal": terminal,
                "generation": number,
                "confirmed_at": row.last_at,
                "evidence": Evidence.FETCHED.value,
                "proof": proof.value,
                "doubt_until": None,
                "address": row.address,
                "confirmed_by": row.accepted_by if proof is Proof.ACCEPTED else "",
            }
            for terminal in listed
            for row in known.get(terminal, {}).values()
            if (proof := judged_by.proof_by(terminal, row.address)) is not None
            for number in waiting[terminal].intersection(row.took)
            if restarts.counts(terminal, number, row.last_at)
        ]
        execute(confirmations(proved))
        confirmed += len({(row["terminal"], row["generation"]) for row in proved})
    return confirmed


def accept(terminal: int, source: str, *, by: str) -> bool:
    """A person says that what asks from there is this terminal, now and later. Returns whether it had asked from there."""
    accepted = Requester.objects.filter(terminal=terminal, source=source).update(accepted_by=by[:150])
    prove_again(Installation.objects.filter(terminal=terminal))
    return bool(accepted)


@one_writer()
def no_longer_accept(terminal: int, source: str) -> bool:
    """Take back that it was accepted, and what that alone has confirmed. Returns whether it was."""
    accepted = Requester.objects.filter(terminal=terminal, source=source).exclude(accepted_by="")
    rows = Installation.objects.filter(terminal=terminal, proof=Proof.ACCEPTED).trusted()
    proved = [key for key, address in rows.values_list("pk", "address") if source_of(address) == source]
    if not accepted.update(accepted_by=""):
        return False
    rows = Installation.objects.filter(pk__in=proved)
    rows.take_back()
    rows.update(state=DeliveryState.UNPROVED, evidence=Evidence.UNPROVED)
    return True


def name_network(network: str) -> bool:
    """An administrator says that this network is the telephones' own; returns whether that is new. The next round proves what was
    fetched from there. Raises SettingsOvertaken or TooManyNetworks.
    """
    row = DeliverySettings.load()
    if network in row.telephone_networks:
        return False
    if len(row.telephone_networks) >= NETWORKS_AT_MOST:
        raise TooManyNetworks
    networks = {"telephone_networks": [*row.telephone_networks, network]}
    return bool(DeliverySettings.store(networks, expected_version=row.version))
