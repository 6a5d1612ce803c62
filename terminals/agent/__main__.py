"""The command line: `pbxcerts-agent run CONFIG` and `pbxcerts-agent once CONFIG`.

Exit status: 0 done (`run`: told to end), 1 failed and worth another attempt, 2 wrong use or configuration, 3 refused.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from terminals.agent import config as configuration
from terminals.agent.errors import AgentError
from terminals.agent.round import Exchange
from terminals.agent.service import run, said

logger = logging.getLogger("pbxcerts-agent")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    parser = argparse.ArgumentParser(prog="pbxcerts-agent", description="Keeps a telephone's trust store up to date.")
    parser.add_argument("--version", action="version", version=metadata.version("pbxcerts"))
    parser.add_argument("-v", "--verbose", action="store_true", help="log what went well, too")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, explained in {
        "run": "a round now, every hour, and when a NOTIFY asks for one",
        "once": "one round",
    }.items():
        commands.add_parser(name, help=explained).add_argument("config", type=Path, metavar="CONFIG")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        config = configuration.load(options.config)
        _complete(run(config) if options.command == "run" else _once(config))
    except AgentError as error:
        logger.error("%s.", said(error))
        _end(error.exit_code)
    except KeyboardInterrupt:
        _end(0 if options.command == "run" else 130)
    _end(0)


async def _once(config: configuration.Config) -> None:
    done = await Exchange(config).round()
    logger.info("%d roots reported and proved%s.", len(done.trusted), "" if done.changed else ", nothing has changed")


def _complete(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(work)


def _end(status: int) -> NoReturn:
    """At once: Python would wait for a thread that looks a name up for as long as the resolver takes."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
