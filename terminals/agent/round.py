"""One round of the exchange: what a NOTIFY asks for and every hour brings.

1. `/cacerts` over a connection that a root secures which is trusted already
2. the store holds what is handed out, the hook makes programs load it
3. over the same connection, if the server kept it, the report: which roots are trusted now
4. over a second connection, to the proof listener, the proof: the certificate prepared for the switch is trusted

Each round does all four, whatever became of the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from terminals.agent import anchors
from terminals.agent.config import Config, Hook
from terminals.agent.errors import AgentError, BundleRefused, HookError, NotWelcome, StoreError, Unreached
from terminals.agent.https import Answer, Connection, connected
from terminals.agent.store import TrustStore

CACERTS = "/.well-known/est/cacerts"
REPORT = "/report"
PROOF = "/proof"

logger = logging.getLogger("pbxcerts-agent")


@dataclass(frozen=True, slots=True)
class Done:
    """A round that went well. `trusted`: the fingerprints of the roots in the store."""

    changed: bool
    trusted: frozenset[str]


class Exchange:
    """Rounds with one server. It remembers the ETag of the answer that the store holds."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = TrustStore(config.store, is_directory=config.store_is_directory)
        self._tag: tuple[frozenset[str], str] | None = None

    async def round(self) -> Done:
        """Raises AgentError; what the store holds then is what it held, or what the server handed out."""
        with self._store.locked():
            changed, held = await self._held()
            async with connected(self._config.server, held) as connection:
                taken = await self._fetch(connection, held)
                changed = self._keep(taken) or changed
                await self._run_hook()
                if connection.is_open:
                    await self._report(connection, taken)
                else:
                    # A server does not wait as long as a hook may take.
                    async with connected(self._config.server, taken) as another:
                        await self._report(another, taken)
                await self._prove(taken)
        return Done(changed, anchors.fingerprints(taken))

    async def _held(self) -> tuple[bool, list[x509.Certificate]]:
        """Whether the first trust was taken just now, and what is trusted."""
        now = datetime.now(UTC)
        try:
            held = self._store.load()
        except StoreError as error:
            if not self._has_first_trust:
                raise
            logger.warning("%s", error)
            held = []
        if anchors.valid(held, now) or not self._has_first_trust:
            if not held:
                raise StoreError("nothing is trusted yet: the configuration needs trust.initial or trust.fingerprints")
            return False, held
        first = anchors.valid(await self._first_trust(), now)
        if not first:
            raise BundleRefused("the first certificates to trust have ended, or this machine's clock is ahead")
        logger.info("First trust.")
        return self._keep(first), first

    @property
    def _has_first_trust(self) -> bool:
        first = self._config.first_trust
        return bool(first.file or first.source)

    async def _first_trust(self) -> list[x509.Certificate]:
        """From the file, else from the URL those whose fingerprints an administrator has compared."""
        first = self._config.first_trust
        if first.file:
            try:
                found = anchors.read_any(first.file.read_bytes())
            except OSError as error:
                raise StoreError(f"the first certificates to trust cannot be read: {error}") from error
        else:
            assert first.source is not None  # noqa: S101 - the configuration has one of the two
            async with connected(first.source) as connection:
                answer = await connection.request("GET", "")
            _expect(answer, 200)
            found = [one for one in anchors.read_any(answer.body) if anchors.fingerprint(one) in first.fingerprints]
            if not found:
                raise BundleRefused("no certificate at trust.bootstrap has one of trust.fingerprints")
        for certificate in found:
            if flaw := anchors.flaw_of_root(certificate):
                raise BundleRefused(f"the first certificate to trust {flaw}")
        return found

    async def _fetch(self, connection: Connection, held: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
        known = self._tag[1] if self._tag and self._tag[0] == anchors.fingerprints(held) else None
        headers = [("If-None-Match", known)] if known else []
        answer = await connection.request("GET", CACERTS, headers=headers)
        if answer.status == 304 and known:
            return held
        _expect(answer, 200)
        taken = anchors.next_anchors(held, anchors.read_cacerts(answer.body), datetime.now(UTC))
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
            await _run(self._config.hook, os.fspath(self._store.path))
        self._store.hook_has_run()

    async def _report(self, connection: Connection, taken: Sequence[x509.Certificate]) -> None:
        report = {"trusted": sorted(anchors.fingerprints(taken)), "firmware": self._config.firmware}
        headers = [*self._authorization, ("Content-Type", "application/json")]
        _expect(await connection.request("POST", REPORT, headers=headers, body=json.dumps(report).encode()), 200, 204)

    async def _prove(self, taken: Sequence[x509.Certificate]) -> None:
        try:
            async with connected(self._config.proof, taken) as connection:
                _expect(await connection.request("POST", PROOF, headers=self._authorization), 200, 204)
        except AgentError as error:
            error.add_note("at the proof listener")
            raise

    @property
    def _authorization(self) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self._config.token}")]


def _expect(answer: Answer, *statuses: int) -> None:
    """Raises Unreached for what may be otherwise later, NotWelcome for the rest."""
    if answer.status in statuses:
        return
    if answer.status == 401:
        raise NotWelcome("the server does not know the token, or it was revoked")
    if answer.status >= 500 or answer.status in (408, 425, 429):
        raise Unreached(f"the server answered {answer.status}: {answer.text()}")
    raise NotWelcome(f"the server answered {answer.status}: {answer.text()}")


async def _run(hook: Hook, store: str) -> None:
    """A command in a session of its own, so that what it started ends with it. Raises HookError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *hook.command,
            stdin=asyncio.subprocess.DEVNULL,
            env=os.environ | {"PBXCERTS_AGENT_STORE": store},
            start_new_session=True,
        )
    except OSError as error:
        raise HookError(f"the hook cannot be run: {error}") from error
    try:
        async with asyncio.timeout(hook.timeout):
            status = await process.wait()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if isinstance(error, TimeoutError):
            raise HookError(f"the hook did not end within {hook.timeout:.0f} s") from None
        raise
    if status:
        raise HookError(f"the hook ended with status {status}")
