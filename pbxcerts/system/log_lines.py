"""The lines of the log, without links and tokens: whoever reads the log must not be able to use them (rules log-without-secrets,
json-lines).
"""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

SECRET_IN_A_PATH = re.compile(r'(?<=/)[\w-]{20,}+(?!\.py", line )', re.ASCII)
"""A part of a path as long as what `secrets.token_urlsafe` makes (a personal link, a terminal's own path). No address of ours has
a longer word, and of the modules in a traceback only the folders do.
"""
REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered; "" outside of one. A thread has it where it was given its context."""
ABOUT = ("event", "generation", "terminal")
"""What a line may be about, as `extra` of the call that logs it: the kind of an event message, the number of a generation, that of
a terminal.
"""


def without_secrets(text: str) -> str:
    return SECRET_IN_A_PATH.sub("…", text)


class WithoutSecrets(logging.Formatter):
    """Django writes the path of each request that it refuses, whatever the reason: a method, a suffix, an error of ours. The first
    line of what belongs to a request ends with its id.
    """

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        request = REQUEST.get()
        line = super().formatMessage(record)
        return f"{line} [{request}]" if request else line


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII, whatever is in it: `time` (ISO 8601, UTC), `level`, `logger`, `message`, and where they are
    known `event`, `generation`, `terminal`, `request` and `exception`, which is the whole traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            **_head(datetime.fromtimestamp(record.created, UTC), record.levelname, record.name),
            "message": without_secrets(record.getMessage()),
        }
        line |= {name: _plain(record.__dict__[name]) for name in ABOUT if record.__dict__.get(name) is not None}
        if request := REQUEST.get():
            line["request"] = request
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line)


def for_a_person(sentence: str, *, at: datetime, level: int, logger: str) -> str:
    """A sentence that `up` writes on the terminal, as an object among those of the log; a link in it stays, as it is meant to be
    opened.
    """
    return json.dumps({**_head(at, logging.getLevelName(level), logger), "message": sentence})


def _head(at: datetime, level: str, logger: str) -> dict[str, Any]:
    return {"time": at.isoformat(timespec="milliseconds"), "level": level, "logger": logger}


def _plain(value: Any) -> str | int:
    return value if isinstance(value, int) else without_secrets(str(value))
