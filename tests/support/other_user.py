"""Running the product as another user than root: who that is, and a Python that this user can read."""

import os
import pwd
import site
import subprocess
import sys
from pathlib import Path

from tests.support.peers import missing

NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ("setpriv", "--reuid", str(NOBODY.pw_uid), "--regid", str(NOBODY.pw_gid), "--clear-groups")


def python_for_everybody(directory):
    """A Python with what this one has installed. Ours may lie where only root can look, as in root's home."""
    if _can_read(os.__file__) and _can_read(sys.executable):
        return sys.executable
    systems = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not _can_read(systems):
        missing("the user nobody cannot read this Python, and the system has none of its version")
    subprocess.run([systems, "-m", "venv", "--without-pip", directory], check=True)
    (packages,) = (Path(directory) / "lib").glob("python3*/site-packages")
    # As it is the one of the tests, its own .pth files (an editable installation) count too.
    (packages / "of-the-tests.pth").write_text(f"import site; site.addsitedir({site.getsitepackages()[0]!r})\n")
    return str(Path(directory) / "bin" / "python")


def _can_read(file):
    # As that user alone: setpriv itself still has the powers of root when it begins the program.
    command = [*AS_NOBODY, "sh", "-c", 'test -r "$1"', "sh", str(file)]
    try:
        return subprocess.run(command, check=False).returncode == 0
    except OSError:
        missing("setpriv is missing")
