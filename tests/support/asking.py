"""Telephones that ask the listeners' own handlers, without a socket: what they fetch is recorded as the web process does."""

from dataclasses import dataclass, field

from terminals.evidence import recording
from terminals.web.provisioning import ProvisioningHandlers
from terminals.web.routing import NOT_FOUND, TerminalRequest, TerminalResponse
from terminals.web.snapshot import Snapshots, read_snapshot
from tests.support.generations import World

HOST = "pbx.example.com:8443"


@dataclass
class Listeners:
    """Time is the world's. `again`: whether each fact is written down twice, as after a crash; `host`: the server that they ask."""

    world: World
    snapshots: Snapshots = field(default_factory=Snapshots)
    again: bool = False
    host: str = HOST

    def __post_init__(self) -> None:
        handlers = ProvisioningHandlers(self.snapshots, https_port=8443, http_port=8080, now=lambda: self.world.now)
        self._tables = {"https": handlers.routes_over_https(), "http": handlers.routes_over_http()}
        self.look()

    def look(self) -> None:
        """Read the database's copy anew, as a second later."""
        self.snapshots.current = read_snapshot(self.snapshots.current)

    def get(self, path: str, agent: str = "", client: str = "192.0.2.99", scheme: str = "https") -> TerminalResponse:
        """As one who asks for this file alone."""
        self.look()
        return self.get_next(path, agent, client, scheme)

    def get_next(self, path: str, agent: str, client: str, scheme: str = "https") -> TerminalResponse:
        """As one who asks for several at once: it is answered from what was read before the first."""
        for route in self._tables[scheme]:
            if found := route.matches(path):
                asked = TerminalRequest(
                    "GET",
                    path,
                    {"user-agent": agent, "host": self.host},
                    found.groupdict(default=""),
                    client=client,
                    scheme=scheme,
                )
                answer = route.handler(asked)
                for _time in range(1 + self.again):
                    recording.write_facts(answer.evidence)
                return answer
        return NOT_FOUND
