"""A host on which `pbxcerts-agent` keeps the trust file that its telephones name in their configuration."""

import subprocess
import sys

from tests.support.product import ROOT
from tests.support.telephony.programs import eventually, free_port

CONFIGURATION = """\
server = "https://localhost:{https}"
proof = "https://localhost:{proof}"
token = "{token}"

[trust]
file = "trust.pem"
bootstrap = "http://localhost:{http}/root.pem"
fingerprints = ["{fingerprint}"]

[sip]
listen = "{address}"
servers = ["127.0.0.1"]
"""


class AgentHost:
    """What it trusts first it loads over HTTP, and compares with the `fingerprint` that a person has typed."""

    def __init__(self, directory):
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
        configuration.write_text(CONFIGURATION.format(address=self.address, **values))
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

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process:
            self.process.kill()
            self.process.wait()
