"""Which listener answers what: one URL table each, and a panel's URL in none of them (DESIGN 4)."""

from __future__ import annotations

import enum

from terminals.evidence import Evidence
from terminals.web.listener import TerminalsApp
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
    refusals: Refusals,
    *,
    https_port: int | None,
    http_port: int | None,
) -> dict[Name, TerminalsApp]:
    """The ports are those under which terminals reach the two listeners; None where one is off."""
    mitel = Mitel(snapshots, https_port=https_port, http_port=http_port)
    tables = {
        Name.HTTPS: mitel.routes_over_https(),
        Name.HTTP: [*PublicRoot(snapshots).routes(), *mitel.routes_over_http()],
        Name.PROOF: [],
    }
    return {
        name: TerminalsApp(name, "http" if name is Name.HTTP else "https", routes, evidence=evidence, refusals=refusals)
        for name, routes in tables.items()
    }
