"""Who asked for terminals' files, for the pages: each address, who shares it, and what a person can accept (rule unproved)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from pbxcerts.system.network.endpoint import bracketed
from terminals.evidence.addresses import is_in, network_around, read_networks, same_address
from terminals.evidence.fetches import is_nobodys
from terminals.evidence.ledger import host_of
from terminals.evidence.models import Requester
from terminals.models import DeliverySettings, Terminal

NAMED_AT_MOST = 5


@dataclass(frozen=True)
class WhoAsked:
    """One address that asked for a terminal's files. `sharing`: how many other terminals' files were asked for from there;
    `sharers` are the first of them. `owners`: other terminals that have this address in the list. `network`: what an
    administrator may name as a network of telephones, "" where the address is in one already, or names nobody.
    """

    requester: Requester
    sharing: int
    sharers: tuple[str, ...]
    owners: tuple[str, ...]
    network: str
    is_in_list: bool
    is_nobodys: bool

    @property
    def unnamed(self) -> int:
        return self.sharing - len(self.sharers)

    @property
    def is_known(self) -> bool:
        """Whether what asks from there is the terminal by all that is known: there is nothing to accept."""
        return self.is_in_list or bool(self.requester.accepted_by) or not (self.network or self.is_nobodys)

    @property
    def can_be_accepted(self) -> bool:
        return not self.is_known and not self.is_nobodys


def who_asked(terminals: Collection[Terminal]) -> Mapping[int, list[WhoAsked]]:
    """By terminal, the last one first. A few queries, whatever their number; for a page, so of some of the terminals."""
    rows = list(Requester.objects.filter(terminal__in=terminals))
    listed = {terminal.pk: host_of(terminal.address) for terminal in terminals}
    networks = read_networks(DeliverySettings.load().telephone_networks) if rows else ()
    sharing, sharers = _sharing({row.source for row in rows})
    owners = _owners({row.address for row in rows})
    found: dict[int, list[WhoAsked]] = defaultdict(list)
    for row in rows:
        others = [name for key, name in sharers[row.source] if key != row.terminal_id]
        nobody = is_nobodys(row.address)
        found[row.terminal_id].append(
            WhoAsked(
                requester=row,
                sharing=sharing[row.source] - 1,
                sharers=tuple(others[:NAMED_AT_MOST]),
                owners=tuple(name for key, name in owners[row.address] if key != row.terminal_id)[:NAMED_AT_MOST],
                network="" if nobody or is_in(row.address, networks) else network_around(row.address),
                is_in_list=same_address(listed[row.terminal_id], row.address),
                is_nobodys=nobody,
            )
        )
    return found


_Named = Mapping[str, list[tuple[int, str]]]


def _sharing(sources: Collection[str]) -> tuple[Counter[str], _Named]:
    """How many terminals' files were asked for from each, and where they are few, which."""
    counts = Requester.objects.filter(source__in=sources).order_by().values_list("source").annotate(count=Count("pk"))
    counted = Counter(dict(counts))
    few = [source for source, count in counted.items() if 1 < count <= NAMED_AT_MOST + 1]
    named: dict[str, list[tuple[int, str]]] = defaultdict(list)
    rows = Requester.objects.filter(source__in=few).order_by("terminal__number").select_related("terminal")
    for row in rows.defer("terminal__notes", "terminal__own_lines"):
        named[row.source].append((row.terminal_id, str(row.terminal)))
    return counted, named


def _owners(addresses: Collection[str]) -> _Named:
    """Who has these addresses in the list, with or without a port."""
    named: dict[str, list[tuple[int, str]]] = defaultdict(list)
    wanted = Q()
    for address in addresses:
        wanted |= Q(address=address) | Q(address__startswith=f"{bracketed(address)}:")
    if not wanted:
        return named
    for terminal in Terminal.objects.filter(wanted).only("number", "name", "address")[: NAMED_AT_MOST * len(addresses)]:
        named[host_of(terminal.address)].append((terminal.pk, str(terminal)))
    return named
