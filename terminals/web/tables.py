"""Which listener answers what: one URL table each, and a panel's URL in none of them (DESIGN 4)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

from terminals.evidence import Evidence
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.est import Est
from terminals.web.listener import Route, TerminalsApp
from terminals.web.mitel import Mitel
from terminals.web.public_root import PublicRoot
from terminals.web.refusals import Refusals
from terminals.web.snapshot import Snapshots


class Name(enum.StrEnum):
    HTTPS = "https"
    HTTP = "http"
    PROOF = "proof"


def applications(
    snapshots: Snapshots,
    evidence: Evidence,
    acknowledgements: Acknowledgements,
    refusals: Refusals,
    give_way: Callable[[], None],
    *,
    https_port: int | None,
    http_port: int | None,
) -> dict[Name, TerminalsApp]:
    """The ports are those under which terminals reach the two listeners; None where one is off."""
    mitel = Mitel(snapshots, https_port=https_port, http_port=http_port)
    est = Est(lambda: snapshots.current, evidence)
    tables: dict[Name, Iterable[Route]] = {
        Name.HTTPS: [*mitel.routes_over_https(), *est.routes],
        Name.HTTP: [*mitel.routes_over_http(), *PublicRoot(snapshots).routes()],
        Name.PROOF: est.proof_routes,
    }
    return {
        name: TerminalsApp(
            name,
            "http" if name is Name.HTTP else "https",
            routes,
            acknowledgements=acknowledgements,
            refusals=refusals,
            give_way=give_way,
        )
        for name, routes in tables.items()
    }
