"""What anybody may fetch over plain HTTP: the public root certificates, and fingerprints to compare them with."""

from terminals.web.routing import NOT_FOUND, TEXT, Route, TerminalRequest, TerminalResponse
from terminals.web.snapshot import Snapshots

PEM = {"content-type": "application/x-pem-file"}


class PublicRootHandlers:
    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    def routes(self) -> list[Route]:
        return [
            Route("GET", r"/root\.pem", self._pem, "root"),
            Route("GET", r"/root\.sha256", self._fingerprints, "fingerprints"),
        ]

    def _pem(self, _request: TerminalRequest) -> TerminalResponse:
        """The roots of the bundle, the newest first."""
        bundle = self._snapshots.current.bundle
        return TerminalResponse(200, b"".join(pair.root_pem for pair in bundle), PEM) if bundle else NOT_FOUND

    def _fingerprints(self, _request: TerminalRequest) -> TerminalResponse:
        """The SHA-256 of the same roots in the same order, one a line, as telephones and openssl show them."""
        bundle = self._snapshots.current.bundle
        lines = "".join(bytes.fromhex(pair.root_sha256).hex(":").upper() + "\n" for pair in bundle)
        return TerminalResponse(200, lines.encode(), TEXT) if bundle else NOT_FOUND
