"""`pbxcerts demo` as a person starts it, with whatever stands in his environment."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.forked import hear_signals
from tests.support.running import MANAGE, wait_for

GREETING = re.compile(r"(http://127\.0\.0\.1:\d+)/ .*?“demo” .*?password (\S+) \(")


class Demonstration:
    """Between `with` and its end; `place` is where directories for a while are made. `changes` are environment variables."""

    def __init__(self, place, *options, **changes):
        self.place, self.log = place / "tmp", place / "demo.log"
        self.place.mkdir()
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PBXCERTS_", "DJANGO_"))}
        self._environment = own | {"TMPDIR": str(self.place), "LANG": "C.UTF-8", **changes}
        self._options = options

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(MANAGE), "demo", *self._options],
                cwd=self.log.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=hear_signals,
            )
        self.address, self.password = wait_for(self._greeting, what="a greeting")[0]
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.end()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _greeting(self):
        assert self.process.poll() is None, self.log.read_text()
        return GREETING.findall(self.log.read_text())

    def end(self, sent=signal.SIGTERM):
        self.process.send_signal(sent)
        return self.process.wait(timeout=90)

    @property
    def directory(self):
        (directory,) = self.place.glob("pbxcerts-demo-*")
        return directory

    def processes(self):
        """All that belong to it and live."""
        root = self.place.parent
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    here = Path(entry, "cwd").readlink()
                    said = Path(entry, "cmdline").read_bytes()
                except OSError:
                    continue
                if str(root).encode() in said or root in {here, *here.parents}:
                    found.append(int(entry.name))
        return found
