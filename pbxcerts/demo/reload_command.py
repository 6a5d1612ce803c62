"""The reload command of the demonstration's communication server: a signal to its process, as a real one has it."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    os.kill(int(Path(sys.argv[1]).read_text()), signal.SIGHUP)
