"""How telephones of a type are brought to ask pbxcerts, and who of them came first (`terminals.drivers.configuration.WayIn`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from pbxcerts.system.models import General
from pbxcerts.system.network.one_address import source_of
from terminals.drivers.configuration import WayIn
from terminals.evidence.addresses import Network
from terminals.evidence.fetches import proof_by_address, telephone_networks
from terminals.evidence.ledger import host_of
from terminals.evidence.models import Requester
from terminals.models import Installation, Terminal, TerminalType

LOOKED_AT = 20


@dataclass(frozen=True)
class FirstToCome:
    """The first telephone of a type that asked for its files; `address`: from where. `proved`: whether anything shows that it was the
    telephone (rule proved-fetch): its MAC is easily known.
    """

    terminal: Terminal
    at: datetime
    address: str
    proved: bool


@dataclass(frozen=True)
class WaysIn:
    """`url` is where telephones ask, "" where nobody has said under which name they reach pbxcerts, or HTTPS is off. `without_mac`:
    how many of the type pbxcerts would not recognise when they ask.
    """

    url: str
    ways: Sequence[WayIn]
    first: FirstToCome | None
    without_mac: int


def address_of_files(general: General) -> str:
    """Where telephones ask for their files, without a slash at its end; "" where that is not known."""
    host, https = general.own_host, settings.TERMINALS_HTTPS
    return f"https://{host}:{https.port}" if host and https else ""


def ways_in(kind: TerminalType, general: General) -> WaysIn | None:
    """None where there is no other way than the guide."""
    url = address_of_files(general)
    files = kind.driver.files
    ways = files.ways_in(url) if files is not None else ()
    if not ways:
        return None
    without_mac = Terminal.objects.filter(type=kind, mac=None).count()
    return WaysIn(url, ways, first_to_come(kind), without_mac)


def first_to_come(kind: TerminalType) -> FirstToCome | None:
    """The first that is proved, else the first at all; of very many that came, the first ones are looked at."""
    rows = Requester.objects.filter(terminal__type=kind, first_at__isnull=False).select_related("terminal")
    rows = rows.defer("terminal__notes", "terminal__own_lines", "terminal__sip_password").order_by("first_at")
    networks = telephone_networks()
    known = [
        FirstToCome(row.terminal, row.first_at, row.address, _is_proved(row, networks))
        for row in rows[:LOOKED_AT]
        if row.first_at is not None
    ]
    return next((one for one in known if one.proved), next(iter(known), None))


def _is_proved(row: Requester, networks: Sequence[Network]) -> bool:
    by_address = proof_by_address(row.address, listed=host_of(row.terminal.address), networks=networks)
    if row.accepted_by or row.held_proved or by_address:
        return True
    by_path = Installation.objects.filter(terminal=row.terminal_id, proof=Installation.Proof.PATH)
    return any(source_of(address) == row.source for address in by_path.values_list("address", flat=True))
