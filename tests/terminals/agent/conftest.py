"""An agent with its store and configuration, beside a server with two generations."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates.pki import formats
from terminals.agent import config
from terminals.agent.round import AgentRounds
from tests.support.est_server import TOKEN, EstServer, a_pair_now, a_succession


@pytest.fixture(scope="session")
def old():
    return a_pair_now(7)


@pytest.fixture(scope="session")
def new():
    return a_pair_now(8)


@pytest.fixture(scope="session")
def strange():
    """A pair of somebody else's, for the same names."""
    return a_pair_now(9)


@pytest.fixture
def server(old):
    with EstServer(old, [old]) as server:
        yield server


@pytest.fixture
def proof(old):
    with EstServer(old) as server:
        yield server


@dataclass
class Installed:
    """The agent on a telephone: its directory and configuration."""

    directory: Path
    lines: dict

    @property
    def path(self):
        return self.directory / "agent.toml"

    @property
    def store(self):
        return self.directory / "trust.pem"

    @property
    def command(self):
        return [sys.executable, "-m", "terminals.agent"]

    def write(self, **changes):
        """The configuration file, with top lines or whole tables (`trust`, `sip`, `hook`) changed."""
        self.lines |= changes
        self.path.write_text("\n".join(self.lines.values()))
        self.path.chmod(0o600)
        return self.path

    def load(self):
        return config.load(self.path)

    def trusts(self, *pairs):
        self.store.write_bytes(formats.pem(*(pair.root for pair in pairs)))
        return self

    def remembers(self, number, served, *following):
        """What its last round has written down."""
        words = a_succession(number, served, *following).words()
        self.store.with_name("trust.pem.served").write_text(json.dumps(words))

    def holds(self):
        return self.store.read_text() if self.store.exists() else ""

    def exchange(self):
        return AgentRounds(self.load())

    def round(self):
        return asyncio.run(self.exchange().round())

    def accept(self, fingerprint):
        return asyncio.run(self.exchange().accept(fingerprint))


@pytest.fixture
def agent(tmp_path, server, proof, old):
    """It trusts the old root."""
    directory = tmp_path / "agent"
    directory.mkdir()
    agent = Installed(
        directory,
        {
            "server": f'server = "https://127.0.0.1:{server.port}"',
            "proof": f'proof = "https://127.0.0.1:{proof.port}"',
            "token": f'token = "{TOKEN}"',
            "trust": '[trust]\nfile = "trust.pem"',
        },
    )
    agent.write()
    return agent.trusts(old)
