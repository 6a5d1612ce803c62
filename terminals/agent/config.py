"""The configuration file, in TOML. README "Agent" explains it."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pbxcerts.system.network.endpoint import Endpoint, EndpointError, bracketed
from terminals.agent import schedule
from terminals.agent.errors import AgentConfigError
from terminals.agent.text_file import read_text_file

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{20,200}", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST_HOOK = 600
_HOST = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])"
# RFC 3261 section 25.1; it stands in what is sent as it is, so nothing that could end a line or a bracket is in it.
_ADDRESS_OF_RECORD = re.compile(
    rf"(?P<scheme>sips?):(?P<number>[\w.!~*'()&=+$,;?/%-]+)@(?P<domain>{_HOST}(?::\d{{1,5}})?)", re.ASCII
)
SIPS_PORT = 5061


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Where a URL leads to."""

    secure: bool
    endpoint: Endpoint
    path: str


@dataclass(frozen=True, slots=True)
class FirstTrust:
    """What is trusted while the store holds nothing valid: a file, or what a URL over HTTP has with these SHA-256."""

    file: Path | None = None
    source: ServerUrl | None = None
    fingerprints: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SipConfig:
    """Where NOTIFYs are heard, over UDP and TCP, and who may send them."""

    listen: Endpoint
    servers: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class RegistrationConfig:
    """Where a NOTIFY comes over a lasting connection: the communication server, over TLS.

    `address`: of record, "sip:NUMBER@DOMAIN"; `user` and `password` answer its challenges. `expires` in seconds.
    """

    server: Endpoint
    address: str
    number: str
    registrar: str
    user: str
    password: str | None = field(default=None, repr=False)
    expires: int = 3600


@dataclass(frozen=True, slots=True)
class HookConfig:
    """Run when the trust store has changed: an argument list, no shell."""

    command: tuple[str, ...]
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class AgentConfig:
    server: ServerUrl
    proof: ServerUrl
    token: str = field(repr=False)
    store: Path
    store_is_directory: bool = False
    first_trust: FirstTrust = FirstTrust()
    sip: SipConfig | None = None
    registration: RegistrationConfig | None = None
    hook: HookConfig | None = None
    firmware: str = ""
    every: float = schedule.EVERY


def load(path: Path) -> AgentConfig:
    """Read a configuration file; relative paths in it start from its directory. Raises AgentConfigError with a
    sentence.
    """
    try:
        values = tomllib.loads(read_text_file(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AgentConfigError(f"{path}: {error}") from error
    try:
        return _Reader(path, values).config()
    except AgentConfigError as error:
        raise AgentConfigError(f"{path}: {error}") from error


class _Table:
    """A table of the file. A name in it that nobody takes is an error."""

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self._values = dict(values)
        self._where = where

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = None, *, required: bool = False) -> Any:
        value = self._values.pop(name, None)
        if value is None:
            if required:
                raise AgentConfigError(f"{self._where}{name} is missing")
            return default
        # In Python true is a number.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise AgentConfigError(f"{self._where}{name} has the wrong type")
        return value

    def texts(self, name: str, *, required: bool = False) -> list[str]:
        value = self.take(name, list, [], required=required)
        if not all(isinstance(one, str) and one for one in value) or (required and not value):
            raise AgentConfigError(f"{self._where}{name} is not a list of texts")
        return list(value)

    def table(self, name: str) -> _Table | None:
        value = self.take(name, dict)
        return None if value is None else _Table(value, f"{name}.")

    def finish(self) -> None:
        if self._values:
            raise AgentConfigError(f"unknown: {', '.join(self._where + name for name in sorted(self._values))}")


class _Reader:
    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self._path = path
        self._top = _Table(values)

    def config(self) -> AgentConfig:
        top = self._top
        trust = top.table("trust")
        if trust is None:
            raise AgentConfigError("the table [trust] is missing")
        store, is_directory = self._store(trust)
        config = AgentConfig(
            server=parse_server_url(top.take("server", str, required=True), "server"),
            proof=parse_server_url(top.take("proof", str, required=True), "proof"),
            token=self._token(),
            store=store,
            store_is_directory=is_directory,
            first_trust=self._first_trust(trust),
            sip=self._sip(top.table("sip")),
            registration=self._registration(top.table("registration")),
            hook=self._hook(top.table("hook")),
            firmware=top.take("firmware", str, f"pbxcerts-agent {metadata.version('pbxcerts')}")[:64],
            every=float(top.take("every", (int, float), schedule.EVERY)),
        )
        if not 60 <= config.every <= 86_400:
            raise AgentConfigError("every is not between 60 and 86400 seconds")
        top.finish()
        return config

    def _path_of(self, text: str) -> Path:
        return self._path.absolute().parent / text

    def _token(self) -> str:
        # Whoever reads the token can confirm in the terminal's name what it does not trust.
        token = self._secret(self._top, "token")
        if token is None:
            raise AgentConfigError("either token or token_file is needed")
        if not _TOKEN.fullmatch(token):
            raise AgentConfigError("the token is not one that the server has issued")
        return token

    def _secret(self, table: _Table, name: str) -> str | None:
        """A secret from the configuration file or the one that `NAME_file` names, which nobody else may read."""
        secret, file = table.take(name, str), table.take(f"{name}_file", str)
        if secret is not None and file is not None:
            raise AgentConfigError(f"either {name} or {name}_file is needed")
        if secret is None and file is None:
            return None
        path = self._path if file is None else self._path_of(file)
        try:
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise AgentConfigError(f"{path} holds the {name} and can be read by others: give it mode 0600")
            return str(secret) if file is None else read_text_file(path).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AgentConfigError(f"the {name} cannot be read: {error}") from error

    def _store(self, trust: _Table) -> tuple[Path, bool]:
        file, directory = trust.take("file", str), trust.take("directory", str)
        if (file is None) == (directory is None):
            raise AgentConfigError("either trust.file or trust.directory is needed")
        path = self._path_of(file or directory)
        if path.exists() and path.is_dir() != bool(directory):
            raise AgentConfigError(f"{path} is {'a' if path.is_dir() else 'no'} directory")
        return path, bool(directory)

    def _first_trust(self, trust: _Table) -> FirstTrust:
        file, source = trust.take("initial", str), trust.take("bootstrap", str)
        wanted = frozenset(one.replace(":", "").lower() for one in trust.texts("fingerprints"))
        trust.finish()
        if not all(_FINGERPRINT.fullmatch(one) for one in wanted):
            raise AgentConfigError("trust.fingerprints are SHA-256 in hex")
        if bool(source) != bool(wanted):
            raise AgentConfigError("trust.bootstrap and trust.fingerprints belong together")
        return FirstTrust(
            file=self._path_of(file) if file else None,
            source=parse_server_url(source, "trust.bootstrap", secure=False) if source else None,
            fingerprints=wanted,
        )

    def _sip(self, sip: _Table | None) -> SipConfig | None:
        if sip is None:
            return None
        listen = sip.take("listen", str, required=True)
        try:
            endpoint = Endpoint.parse(listen, least_port=0)
            ipaddress.ip_address(endpoint.host)
            servers = tuple(ipaddress.ip_network(text, strict=False) for text in sip.texts("servers", required=True))
        except ValueError as error:
            raise AgentConfigError(f"sip: {error}") from error
        sip.finish()
        return SipConfig(endpoint, servers)

    def _registration(self, table: _Table | None) -> RegistrationConfig | None:
        if table is None:
            return None
        address = _ADDRESS_OF_RECORD.fullmatch(table.take("address", str, required=True))
        if address is None:
            raise AgentConfigError("registration.address is not sip:NUMBER@DOMAIN")
        registration = RegistrationConfig(
            server=_registration_server(table.take("server", str, required=True)),
            address=address[0],
            number=address["number"],
            registrar=f"{address['scheme']}:{address['domain']}",
            user=table.take("user", str, address["number"]),
            password=self._secret(table, "password"),
            expires=table.take("expires", int, 3600),
        )
        if not (registration.user.isprintable() and registration.user):
            raise AgentConfigError("registration.user is empty or has characters that no name has")
        if not 60 <= registration.expires <= 86_400:
            raise AgentConfigError("registration.expires is not between 60 and 86400 seconds")
        table.finish()
        return registration

    def _hook(self, hook: _Table | None) -> HookConfig | None:
        if hook is None:
            return None
        command = tuple(hook.texts("command", required=True))
        timeout = float(hook.take("timeout", (int, float), 30))
        if not 1 <= timeout <= _LONGEST_HOOK:
            raise AgentConfigError(f"hook.timeout is not between 1 and {_LONGEST_HOOK} seconds")
        hook.finish()
        return HookConfig(command, timeout)


def _registration_server(text: str) -> Endpoint:
    """HOST[:PORT]. Raises AgentConfigError."""
    with contextlib.suppress(EndpointError):
        endpoint = Endpoint.parse(text, default_port=SIPS_PORT)
        if re.fullmatch(_HOST, bracketed(endpoint.host), re.ASCII):
            return endpoint
    raise AgentConfigError("registration.server is not HOST[:PORT]")


def parse_server_url(url: str, name: str, *, secure: bool = True) -> ServerUrl:
    """A URL over HTTPS, or over HTTP where `secure` is false. Raises AgentConfigError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AgentConfigError(f"{name}: {error}") from error
    scheme = "https" if secure else "http"
    if parts.scheme != scheme or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise AgentConfigError(f"{name} is not {scheme}://HOST[:PORT][/PATH]")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise AgentConfigError(f"{name} has characters that no URL has")
    return ServerUrl(secure, Endpoint(parts.hostname, port or (443 if secure else 80)), parts.path.rstrip("/"))
