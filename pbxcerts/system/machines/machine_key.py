"""The key of this machine: which row of `Heartbeat` is ours, and which queue (rule machines). Free of Django, as the settings
read it.

A random one in a file of the data directory, made by the first `up`, with a hash of the operating system's own id beside it:
where that is another, the file has come here with a copy of the directory, and the copy is a machine of its own. It is in no backup.
"""

import hashlib
import json
import re
import secrets
from pathlib import Path

from pbxcerts.system import files

FILE = Path("run") / "machine.json"
MACHINE_ID = Path("/etc/machine-id")
"""machine-id(5): it is not to be shown to others as it is."""
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


def read(data: Path) -> str:
    """The key. Where there is none yet, one that this process alone knows: reading makes no file."""
    try:
        values = json.loads((data / FILE).read_text())
        if values["system"] == _system() and _KEY.fullmatch(values["key"]):
            return str(values["key"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return secrets.token_hex(16)


def queue_of(key: str) -> str:
    """The queue of one machine's worker: nobody else takes what is asked for there, or empties it."""
    return f"pbxcerts-{key}"


def keep(data: Path, key: str) -> None:
    """Write down the key of this machine, in the place of another's. Raises OSError."""
    if read(data) != key:
        (data / FILE).unlink(missing_ok=True)
        files.write_secret(data / FILE, json.dumps({"key": key, "system": _system()}))


def _system() -> str:
    try:
        found = MACHINE_ID.read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(b"pbxcerts machine " + found).hexdigest()[:32]
