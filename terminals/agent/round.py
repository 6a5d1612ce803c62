"""One round of the exchange: what a NOTIFY asks for and every hour brings (rule agent-round).

1. over a connection that a root secures which is trusted already, `/succession`: whether the server is current
2. `/cacerts` over the same connection
3. the store holds what is handed out, the hook makes programs load it
4. over the same connection, if the server kept it, the report: which roots are trusted now
5. over a second connection, to the proof listener, the proof: the certificate prepared for the switch is trusted
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from terminals.agent import anchors, succession
from terminals.agent.config import AgentConfig
from terminals.agent.errors import (
    AgentConfigError,
    AgentError,
    BundleRefused,
    NotWelcome,
    ServerSuperseded,
    ServerUnreached,
    ServerUntrusted,
    TrustStoreError,
)
from terminals.agent.hook import run_hook
from terminals.agent.https import HttpsConnection, HttpsResponse, connected
from terminals.agent.store import TrustStore
from terminals.agent.succession import KnownSuccession, ToldSuccession

SUCCESSION = "/succession"
CACERTS = "/.well-known/est/cacerts"
REPORT = "/report"
PROOF = "/proof"

logger = logging.getLogger("pbxcerts-agent")


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round that went well. `trusted`: the fingerprints of the roots in the store."""

    changed: bool
    trusted: frozenset[str]


class AgentRounds:
    """Rounds with one server. It remembers the ETag of the answer that the store holds."""

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._store = TrustStore(config.store, is_directory=config.store_is_directory)
        self._tag: tuple[frozenset[str], str] | None = None

    async def round(self) -> RoundDone:
        """Raises AgentError; what the store holds then is what it held, or what the server handed out."""
        with self._store.locked():
            return await self._round()

    async def accept(self, fingerprint: str) -> RoundDone:
        """Take a root that the store holds for the one that is served, because a person says so, and make a round
        (rule agent-accept). Raises AgentError.
        """
        wanted = fingerprint.replace(":", "").lower()
        if not succession.FINGERPRINT.fullmatch(wanted):
            raise AgentConfigError("the fingerprint is not a SHA-256 in hex")
        with self._store.locked():
            if wanted not in anchors.fingerprints(self._store.trusted()):
                raise TrustStoreError(
                    f"the trust store does not hold {wanted}; to begin anew, remove {self._store.path} and give the"
                    " agent its first trust again (trust.initial, or trust.bootstrap and trust.fingerprints)"
                )
            self._store.write_succession(KnownSuccession(self._store.last_number(), wanted))
            return await self._round()

    async def _round(self) -> RoundDone:
        changed, held = await self._held()
        known = self._store.succession(held)
        async with connected(self._config.server, held) as connection:
            told = await self._succession(connection)
            served = self._securing(connection, held)
            if known and anchors.fingerprint(served) not in known.current:
                self._require_proof(served, known, told, held)
            taken = await self._fetch(connection, held, served)
            found = self._found(served, told, taken)
            self._store.write_succession(found)
            changed = self._keep(taken) or changed
            current = [one for one in taken if anchors.fingerprint(one) in found.current]
            await self._run_hook()
            if connection.is_open:
                await self._report(connection, taken)
            else:
                # A server does not wait as long as a hook may take.
                async with connected(self._config.server, current) as another:
                    await self._report(another, taken)
            await self._prove(current)
        return RoundDone(changed, anchors.fingerprints(taken))

    def _securing(self, connection: HttpsConnection, held: Sequence[x509.Certificate]) -> x509.Certificate:
        """The root that secures the connection."""
        found = anchors.issuer_of(connection.certificate, held)
        if found is None:
            raise ServerUntrusted("the server's certificate is not signed by a trusted root itself")
        return found

    def _require_proof(
        self,
        served: x509.Certificate,
        known: KnownSuccession,
        told: ToldSuccession | None,
        held: Sequence[x509.Certificate],
    ) -> None:
        """Raises ServerSuperseded unless the pair that was served last proves that an older one is again."""
        before = [one for one in anchors.valid(held, datetime.now(UTC)) if anchors.fingerprint(one) == known.served]
        signatures = told.signatures if told else ()
        if not any(succession.is_proved(served, by=one, after=known.number, signatures=signatures) for one in before):
            sha256 = anchors.fingerprint(served)
            raise ServerSuperseded(
                f"the server presents a certificate of the root {sha256}, which is older than the one served last, and"
                " nothing proves that it is served again; nothing is taken from it. If the page of this terminal names"
                f" that root, accept it: pbxcerts-agent accept CONFIG {sha256}"
            )

    def _found(
        self, served: x509.Certificate, told: ToldSuccession | None, taken: Sequence[x509.Certificate]
    ) -> KnownSuccession:
        """What this round found out over a current connection (rules agent-current, succession)."""
        if told is None:
            return succession.by_dates(served, taken, self._store.last_number())
        sha256 = anchors.fingerprint(served)
        if told.now.served != sha256:
            raise ServerUnreached("the server presents another pair than it says; it has just changed")
        return told.now

    async def _held(self) -> tuple[bool, list[x509.Certificate]]:
        """Whether the first trust was taken just now, and the anchors that are trusted."""
        now = datetime.now(UTC)
        try:
            held = self._store.trusted()
        except TrustStoreError as error:
            if not self._has_first_trust:
                raise
            logger.warning("%s", error)
            held = []
        if anchors.valid(held, now) or not self._has_first_trust:
            if not held:
                raise TrustStoreError(
                    "the trust store holds nothing that can be trusted: the configuration needs trust.initial or"
                    " trust.fingerprints"
                )
            return False, held
        first = anchors.valid(await self._first_trust(), now)
        if not first:
            raise BundleRefused("the first certificates to trust have ended, or this machine's clock is ahead")
        logger.info("First trust.")
        self._store.forget_succession()
        return self._keep(first), first

    @property
    def _has_first_trust(self) -> bool:
        first = self._config.first_trust
        return bool(first.file or first.source)

    async def _first_trust(self) -> list[x509.Certificate]:
        """From the file, else from the URL those with the compared fingerprints (rule agent-first-trust)."""
        first = self._config.first_trust
        if first.file:
            try:
                return anchors.first_anchors(first.file.read_bytes())
            except OSError as error:
                raise TrustStoreError(f"the first certificates to trust cannot be read: {error}") from error
            except BundleRefused as error:
                error.add_note(f"in {first.file}")
                raise
        assert first.source is not None  # noqa: S101 - the configuration has one of the two
        async with connected(first.source) as connection:
            answer = await connection.request("GET", "")
        _expect(answer, 200)
        offered = anchors.read_certificates(answer.body)
        found = [one for one in offered if anchors.fingerprint(one) in first.fingerprints]
        if not found:
            raise BundleRefused("no certificate at trust.bootstrap has one of trust.fingerprints")
        for certificate in found:
            if flaw := anchors.flaw_of_root(certificate):
                raise BundleRefused(f"the first certificate to trust {flaw}")
        return found

    async def _succession(self, connection: HttpsConnection) -> ToldSuccession | None:
        """None where the server is of a version that does not tell it."""
        answer = await connection.request("GET", SUCCESSION)
        if answer.status == 404:
            return None
        _expect(answer, 200)
        return succession.read_told(answer.body)

    async def _fetch(
        self, connection: HttpsConnection, held: Sequence[x509.Certificate], served: x509.Certificate
    ) -> Sequence[x509.Certificate]:
        known = self._tag[1] if self._tag and self._tag[0] == anchors.fingerprints(held) else None
        headers = [("If-None-Match", known)] if known else []
        answer = await connection.request("GET", CACERTS, headers=headers)
        if answer.status == 304 and known:
            return held
        _expect(answer, 200)
        taken = anchors.next_trust_anchors(served, anchors.read_certificates(answer.body), datetime.now(UTC))
        tag = answer.headers.get("ETag")
        self._tag = (anchors.fingerprints(taken), tag) if tag else None
        return taken

    def _keep(self, taken: Sequence[x509.Certificate]) -> bool:
        changed = self._store.replace(taken)
        if changed:
            for one in taken:
                logger.info("Trusted: %s until %s", anchors.fingerprint(one), f"{one.not_valid_after_utc:%Y-%m-%d}")
        return changed

    async def _run_hook(self) -> None:
        """Before the report: what no program has loaded is not trusted yet."""
        if not self._store.hook_is_due:
            return
        if self._config.hook:
            await run_hook(self._config.hook, os.fspath(self._store.path))
        self._store.hook_has_run()

    async def _report(self, connection: HttpsConnection, taken: Sequence[x509.Certificate]) -> None:
        report = {"trusted": sorted(anchors.fingerprints(taken)), "firmware": self._config.firmware}
        headers = [*self._authorization, ("Content-Type", "application/json")]
        _expect(await connection.request("POST", REPORT, headers=headers, body=json.dumps(report).encode()), 200, 204)

    async def _prove(self, current: Sequence[x509.Certificate]) -> None:
        try:
            async with connected(self._config.proof, current) as connection:
                _expect(await connection.request("POST", PROOF, headers=self._authorization), 200, 204)
        except AgentError as error:
            error.add_note("at the proof listener")
            raise

    @property
    def _authorization(self) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self._config.token}")]


def _expect(answer: HttpsResponse, *statuses: int) -> None:
    """Raises for any other status: ServerUnreached if a later attempt may succeed, else NotWelcome."""
    if answer.status in statuses:
        return
    if answer.status == 401:
        raise NotWelcome("the server does not know the token, or it was revoked")
    if answer.status >= 500 or answer.status in (408, 425, 429):
        raise ServerUnreached(f"the server answered {answer.status}: {answer.text()}")
    raise NotWelcome(f"the server answered {answer.status}: {answer.text()}")
