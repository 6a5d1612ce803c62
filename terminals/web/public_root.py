"""What anybody may fetch over plain HTTP: the public root certificates, and fingerprints to compare them with."""

from __future__ import annotations

from terminals.web.listener import NOT_FOUND, TEXT, Request, Response, Route
from terminals.web.snapshot import Snapshots

PEM = {"content-type": "application/x-pem-file"}


class PublicRoot:
    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    def routes(self) -> list[Route]:
        return [
            Route("GET", r"/root\.pem", self._pem),
            Route("GET", r"/root\.sha256", self._fingerprints),
        ]

    def _pem(self, _request: Request) -> Response:
        """The roots of the bundle, the newest first."""
        bundle = self._snapshots.current.bundle
        return Response(200, b"".join(pair.root_pem for pair in bundle), PEM) if bundle else NOT_FOUND

    def _fingerprints(self, _request: Request) -> Response:
        """Their SHA-256, one a line, in the same order, as telephones and openssl show it."""
        bundle = self._snapshots.current.bundle
        lines = "".join(bytes.fromhex(pair.root_sha256).hex(":").upper() + "\n" for pair in bundle)
        return Response(200, lines.encode(), TEXT) if bundle else NOT_FOUND
