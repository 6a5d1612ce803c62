"""Text files that a person has written: the configuration and the secrets that it names."""

import codecs
from pathlib import Path

from terminals.agent.errors import AgentConfigError


def read_text_file(path: Path) -> str:
    """A file as editors leave it, with a byte order mark or without. Raises AgentConfigError, OSError and
    UnicodeDecodeError.
    """
    octets = path.read_bytes()
    # Without a mark: of a text in ASCII every second octet is NUL.
    unmarked = b"\0" in octets and any(octets[::2]) != any(octets[1::2])
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or unmarked:
        raise AgentConfigError(f"{path} is in UTF-16: save it as UTF-8")
    return octets.decode("utf-8-sig")
