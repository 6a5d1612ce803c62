"""Which listener answers what: one URL table each, and a panel's URL in none of them (rule listener-tables)."""

import enum
from collections.abc import Callable, Iterable

from terminals.evidence.queue import EvidenceQueue
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.est import EstHandlers
from terminals.web.provisioning import ProvisioningHandlers
from terminals.web.public_root import PublicRootHandlers
from terminals.web.refusals import RefusalCounter
from terminals.web.routing import CountRequest, Route, TerminalsApp
from terminals.web.snapshot import Snapshots


class ListenerName(enum.StrEnum):
    HTTPS = "https"
    HTTP = "http"
    PROOF = "proof"


def applications(
    snapshots: Snapshots,
    evidence: EvidenceQueue,
    acknowledgements: Acknowledgements,
    refusals: RefusalCounter,
    give_way: Callable[[], None],
    requests: CountRequest | None = None,
    *,
    https_port: int | None,
    http_port: int | None,
) -> dict[ListenerName, TerminalsApp]:
    """The ports are those under which terminals reach the two listeners; None where one is off."""
    provisioning = ProvisioningHandlers(snapshots, https_port=https_port, http_port=http_port)
    est = EstHandlers(lambda: snapshots.current, evidence)
    tables: dict[ListenerName, Iterable[Route]] = {
        ListenerName.HTTPS: [*provisioning.routes_over_https(), *est.routes],
        ListenerName.HTTP: [*provisioning.routes_over_http(), *PublicRootHandlers(snapshots).routes()],
        ListenerName.PROOF: est.proof_routes,
    }
    return {
        name: TerminalsApp(
            name,
            "http" if name is ListenerName.HTTP else "https",
            routes,
            acknowledgements=acknowledgements,
            refusals=refusals,
            give_way=give_way,
            requests=requests,
            # At the proof listener nothing is fetched: what a terminal trusts stays true.
            rests=(lambda: False) if name is ListenerName.PROOF else (lambda: snapshots.current.rests),
        )
        for name, routes in tables.items()
    }
