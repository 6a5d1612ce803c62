"""A host on which `pbxcerts-agent` keeps the trust file that its telephones name in their configuration."""

import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.telephony.programs import DEADLINE, eventually

ESTABLISHED = "01"  # in /proc/net/tcp
CONFIGURATION = """\
server = "https://localhost:{https}"
proof = "https://localhost:{proof}"
token = "{token}"

[trust]
file = "trust.pem"
bootstrap = "http://localhost:{http}/root.pem"
fingerprints = ["{fingerprint}"]

"""
LISTENING = """\
[sip]
listen = "{address}"
servers = ["127.0.0.1"]
"""
REGISTERED = """\
[registration]
server = "localhost:{server}"
address = "sip:{number}@pbx.test"
password = "{password}"
"""


class AgentHost:
    """What it trusts first it loads over HTTP, and compares with the `fingerprint` that a person has typed.

    A NOTIFY reaches it at `address`, or with a `registration` through the communication server.
    """

    def __init__(self, directory, *, registration=None):
        self.registration = registration
        self.directory = directory
        self.address = f"127.0.0.1:{free_port()}"
        self.trust_file = directory / "trust.pem"
        self.log_file = directory / "agent.log"
        self.process = None
        directory.mkdir()

    def start(self, *, token, fingerprint, https, http, proof):
        configuration = self.directory / "agent.toml"
        configuration.touch(0o600)
        values = {"token": token, "fingerprint": fingerprint, "https": https, "http": http, "proof": proof}
        heard = REGISTERED.format(**self.registration) if self.registration else LISTENING.format(address=self.address)
        configuration.write_text(CONFIGURATION.format(**values) + heard)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "terminals.agent", "run", configuration],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log(self):
        return self.log_file.read_text()

    def wait_for(self, words):
        eventually(lambda: words in self.log(), what=self.log)

    def connections_to(self, port):
        """Our ports of its connections to this port."""
        files = {str(file.readlink()) for file in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {
            int(own.rpartition(":")[2], 16)
            for _, own, other, state, *_, inode in (row[:10] for row in rows)
            if state == ESTABLISHED and int(other.rpartition(":")[2], 16) == port and f"socket:[{inode}]" in files
        }

    def end(self):
        """Tell it to end; its exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process:
            self.process.kill()
            self.process.wait()
