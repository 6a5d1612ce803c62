"""The command line: `pbxcerts-agent run CONFIG`, `pbxcerts-agent once CONFIG`, `pbxcerts-agent accept CONFIG FINGERPRINT`.

Exit status: 0 done (`run`: told to end), 1 failed and worth another attempt, 2 wrong use or configuration, 3 refused.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Coroutine, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from pbxcerts.system import own_process
from terminals.agent import config as configuration
from terminals.agent.errors import AgentError
from terminals.agent.round import AgentRounds, RoundDone
from terminals.agent.service import error_text, run_agent

logger = logging.getLogger("pbxcerts-agent")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    own_process.begin()
    parser = argparse.ArgumentParser(prog="pbxcerts-agent", description="Keeps a telephone's trust store up to date.")
    parser.add_argument("--version", action="version", version=metadata.version("pbxcerts"))
    parser.add_argument("-v", "--verbose", action="store_true", help="log what went well, too")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, explained in {
        "run": "a round now, every hour, and when a NOTIFY asks for one",
        "once": "one round",
        "accept": "take a root of the trust store for the one that is served, and make a round",
    }.items():
        command = commands.add_parser(name, help=explained)
        command.add_argument("config", type=Path, metavar="CONFIG")
        if name == "accept":
            command.add_argument("fingerprint", metavar="FINGERPRINT", help="SHA-256 in hex")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        config = configuration.load(options.config)
        rounds = AgentRounds(config)
        match options.command:
            case "run":
                _complete(run_agent(config))
            case "once":
                _complete(_tell(rounds.round()))
            case "accept":
                _complete(_tell(rounds.accept(options.fingerprint)))
    except AgentError as error:
        logger.error("%s.", error_text(error))
        _end(error.exit_code)
    except KeyboardInterrupt:
        _end(0 if options.command == "run" else 130)
    _end(0)


async def _tell(round_: Awaitable[RoundDone]) -> None:
    done = await round_
    logger.info("%d roots reported and proved%s.", len(done.trusted), "" if done.changed else ", nothing has changed")


def _complete(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(work)


def _end(status: int) -> NoReturn:
    """End the process at once. Python itself would wait for a thread that is looking up a name."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
