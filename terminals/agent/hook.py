"""The command that makes programs load the trust store."""

import asyncio
import contextlib
import os
import signal

from terminals.agent.config import HookConfig
from terminals.agent.errors import HookError


async def run_hook(hook: HookConfig, store: str) -> None:
    """Run it in a session of its own, so that what it started ends with it. Raises HookError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *hook.command,
            stdin=asyncio.subprocess.DEVNULL,
            env=os.environ | {"PBXCERTS_AGENT_STORE": store},
            start_new_session=True,
        )
    except OSError as error:
        raise HookError(f"the hook cannot be run: {error}") from error
    try:
        async with asyncio.timeout(hook.timeout):
            status = await process.wait()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if isinstance(error, TimeoutError):
            raise HookError(f"the hook did not end within {hook.timeout:.0f} s") from None
        raise
    if status:
        raise HookError(f"the hook ended with status {status}")
