"""How telephones of a type are brought to ask pbxcerts, and who of them came first (`terminals.drivers.configuration.WayIn`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from pbxcerts.system.models import General
from terminals.drivers.configuration import WayIn
from terminals.models import Requester, Terminal, TerminalType
from terminals.web.snapshot import own_host


@dataclass(frozen=True)
class FirstToCome:
    """The first telephone of a type that asked for its files; `address`: from where."""

    terminal: Terminal
    at: datetime
    address: str


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
    host, https = own_host(general), settings.TERMINALS_HTTPS
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
    rows = Requester.objects.filter(terminal__type=kind, first_at__isnull=False).select_related("terminal")
    row = rows.defer("terminal__notes", "terminal__own_lines", "terminal__sip_password").order_by("first_at").first()
    return FirstToCome(row.terminal, row.first_at, row.address) if row is not None and row.first_at else None
