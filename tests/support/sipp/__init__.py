"""SIPp as a telephone: each scenario beside this file takes one NOTIFY."""

import subprocess
import tempfile
from pathlib import Path

from terminals.sip.notify import Hop, Transport
from tests.support.peers import require_program
from tests.support.ports import free_port
from tests.support.telephony.programs import eventually

SCENARIOS = Path(__file__).parent
MESSAGES = "messages.log"
TRANSPORTS = {Transport.UDP: "u1", Transport.TCP: "t1"}


class Sipp:
    """Plays a scenario once, from `with` to its end."""

    def __init__(self, scenario, transport=Transport.UDP):
        self.scenario = SCENARIOS / f"{scenario}.xml"
        self.transport = Transport(transport)
        self.port = free_port()

    def __enter__(self):
        sipp = require_program("sipp")
        self.directory = tempfile.TemporaryDirectory(prefix="pbxcerts-sipp-")
        self.process = subprocess.Popen(
            [
                *[sipp, "-sf", self.scenario, "-i", "127.0.0.1", "-p", str(self.port)],
                *["-t", TRANSPORTS[self.transport], "-m", "1", "-nostdin", "-trace_err", "-timeout", "50s"],
                *["-trace_msg", "-message_file", MESSAGES],
            ],
            cwd=self.directory.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        eventually(self._listens, what=lambda: f"SIPp does not listen on port {self.port}")
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.communicate()
        self.directory.cleanup()

    @property
    def hop(self):
        return Hop("127.0.0.1", self.port, self.transport)

    @property
    def target(self):
        return f"sip:201@127.0.0.1:{self.port}"

    def finish(self):
        """Its own verdict, once the scenario is over: the exit status and what it found wrong."""
        output, _ = self.process.communicate(timeout=60)
        errors = "".join(log.read_text() for log in Path(self.directory.name).glob("*errors*.log"))
        return self.process.returncode, errors or ("" if self.process.returncode == 0 else output)

    def requests(self):
        """How many it has received, each repetition counted."""
        return (Path(self.directory.name) / MESSAGES).read_text().count("\nNOTIFY sip:")

    def _listens(self):
        assert self.process.poll() is None, self.process.stdout.read()
        # A port on which something listens, in the kernel's own table; a probe would be an event of the scenario.
        table = Path("/proc/net/udp" if self.transport is Transport.UDP else "/proc/net/tcp").read_text()
        return f":{self.port:04X} " in table
