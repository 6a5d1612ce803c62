"""Programs of Debian 13 on this machine, from the tree that `.ci/debian13` unpacks.

Each runs in a mount namespace of its own in which the tree's /usr stands in place of this machine's; all else (files,
network, process id) is as the test sees it. The namespace ends with the process.
"""

import subprocess
from functools import cache
from pathlib import Path

from tests.support.peers import missing, require_program

TREE = Path(__file__).resolve().parents[2] / ".cache" / "debian13"

ENTER = '{ test -z "$2" || mount --bind "$2" /etc/hosts; } && mount --bind "$1" /usr && shift 2 && exec "$@"'


def require_debian13():
    if not (TREE / "stamp").is_file():
        missing("Debian 13 is not unpacked: run .ci/debian13")
    require_program("unshare")
    if refusal := _refusal():
        missing(f"the programs of Debian 13 do not run here: {refusal}")


def command(program, *arguments, user="", group="", hosts=""):
    """The command line that runs a program of Debian 13 as `user` and `group`, with `hosts` as its /etc/hosts.

    The program ends with the thread that started it, however that ends.
    """
    credentials = ["--reuid", user, "--regid", group, "--clear-groups"] if user else []
    return [
        *["unshare", "--mount", "sh", "-c", ENTER, "sh", str(TREE / "usr"), str(hosts)],
        *["setpriv", *credentials, "--pdeathsig", "TERM", program, *map(str, arguments)],
    ]


@cache
def _refusal():
    done = subprocess.run(command("kamailio", "-v"), capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"
