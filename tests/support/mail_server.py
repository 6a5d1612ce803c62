"""A mail server in small: real SMTP on loopback, with TLS and a log-in, that behaves as badly as a test wants."""

import asyncio
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography.hazmat.primitives.serialization import Encoding

from certificates.pki.identity import Identity
from tests.support.x509 import a_pair


def a_certificate(directory: Path, *, names=("localhost",), **changes) -> tuple[Path, Path, Path]:
    """Files: root, certificate with its root, key; valid from yesterday on."""
    now = datetime.now(UTC)
    pair = a_pair(
        identity=Identity(names, (ip_address("127.0.0.1"),)),
        made_at=now,
        not_before=now - timedelta(days=1),
        end=now + timedelta(days=30),
        **changes,
    )
    root, chain, key = directory / "ca.pem", directory / "mail.pem", directory / "mail.key"
    root_pem = pair.root.public_bytes(Encoding.PEM)
    root.write_bytes(root_pem)
    chain.write_bytes(pair.host.public_bytes(Encoding.PEM) + root_pem)
    key.write_bytes(pair.host_key.reveal())
    return root, chain, key


class MailServer:
    """`accounts`: user and password, each a text. `refuses`: recipients. `drops`: "greeting" or "data": it closes then, without
    an answer. `late`: seconds before it answers to a message. `says`: its answer to a message instead of 250.
    """

    def __init__(self, certificate, key, *, encryption="starttls", accounts=None):
        self.accounts = accounts or {}
        self.refuses: set[str] = set()
        self.drops = ""
        self.late = 0.0
        self.says = ""
        self.received = []
        self.envelopes = []
        self.logins = []
        self._transports = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        options = {"authenticator": self._authenticate, "auth_require_tls": encryption == "starttls"}
        if encryption == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        if self.accounts and encryption == "starttls":
            options["auth_required"] = True
        outer = self

        class Server(SMTP):
            def connection_made(self, transport):
                super().connection_made(transport)
                outer._transports.append(transport)
                if outer.drops == "greeting":
                    transport.close()

        self._factory = lambda: Server(self, **options)
        self._context = context if encryption == "tls" else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail server")
        self.port = None

    def __enter__(self):
        self._thread.start()
        self._server = self._do(self._loop.create_server(self._factory, "127.0.0.1", self.port or 0, ssl=self._context))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_error):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(self._wrapped(work), self._loop).result(10)

    async def _wrapped(self, work):
        return await work

    async def _end(self):
        self._server.close()
        # Those that talk, and those that wait for a handshake.
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        # Whoever is in the middle of a goodbye would outlive the loop.
        for transport in self._transports:
            transport.abort()
        await asyncio.sleep(0)

    def _authenticate(self, _server, _session, _envelope, mechanism, data):
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        self.logins.append((mechanism, user, password))
        return AuthResult(success=self.accounts.get(user) == password, handled=False)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.refuses:
            return "550 5.1.1 nobody of that name here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        if self.drops == "data":
            # It has taken it, and nobody is told.
            self.received.append(message)
            server.transport.abort()
            return "250 OK"
        if self.late:
            await asyncio.sleep(self.late)
        if self.says:
            return self.says
        self.received.append(message)
        self.envelopes.append(envelope)
        return "250 OK"
