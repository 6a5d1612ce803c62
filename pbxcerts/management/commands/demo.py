"""`pbxcerts demo`: a product among simulated telephones, to be looked at (rule demonstration)."""

import os
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import translation
from django.utils.translation import gettext as _

from pbxcerts import __version__
from pbxcerts.demo import installation, quickening
from pbxcerts.demo.stage import LOOPBACK, USER, Stage
from pbxcerts.processes import lifeline, startup
from pbxcerts.system.own_process import callers_core_limit

MOST_TERMINALS = 1000
LOOKS_EVERY = 2.0
ENDS_WITHIN = 85
"""Seconds; `up` takes 80 at most (rule orderly-end)."""


def _terminals(text: str) -> int:
    least = len(installation.KINDS)
    if not (text.isdecimal() and least <= int(text) <= MOST_TERMINALS):
        raise ArgumentTypeError(f"a number from {least} to {MOST_TERMINALS}")
    return int(text)


class Command(BaseCommand):
    help = (
        "Starts a demonstration: a product of its own among simulated telephones. Ctrl-C ends it, and nothing is left."
    )
    requires_system_checks = []

    def get_version(self) -> str:
        return __version__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--terminals", type=_terminals, default=60, metavar="N", help="how many (default: 60)")
        parser.add_argument("--keep", metavar="DIRECTORY", help="an empty one, in which all is left at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEMO is None:
            raise CommandError("A demonstration begins with the command “pbxcerts demo”, before any setting is read.")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _end)
        language = "de" if os.environ.get("LANG", "").startswith("de") else "en"
        stage = Stage.read(settings.DEMO)
        with translation.override(language), _Players(stage) as players:
            startup.prepare()
            installation.furnish(stage, number=options["terminals"], language=language)
            players.start("-m", "pbxcerts.demo.communication_server", str(stage.directory))
            players.start("-m", "pbxcerts.demo.telephones", str(stage.directory))
            while not (stage.server_pid.exists() and stage.telephones_pid.exists()):
                players.still_play()
                time.sleep(0.05)
            installation.make_first_pair(stage)
            connections.close_all()
            players.start("-m", "pbxcerts", "up", "--bind", f"{LOOPBACK}:{stage.panel}", quiet=True)
            while not _is_open(stage.panel):
                players.still_play()
                time.sleep(0.1)
            self._greet(stage)
            while True:
                players.still_play()
                quickening.quicken()
                time.sleep(LOOKS_EVERY)

    def _greet(self, stage: Stage) -> None:
        address = f"http://{LOOPBACK}:{stage.panel}/"
        lines = [
            _("Demonstration: nothing here is real."),
            _("Open %(address)s and log in as “%(user)s” with the password %(password)s (Ctrl-C ends everything).")
            % {"address": address, "user": USER, "password": stage.password},
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=5).close()
    except OSError:
        return False
    return True


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


class _Players:
    """The processes that belong to a demonstration; they end with it, whatever ends it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "_Players":
        return self

    def __exit__(self, *_failure: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in reversed(self._running):
            process.terminate()
        for process in reversed(self._running):
            try:
                process.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, *arguments: str, quiet: bool = False) -> None:
        product, demonstration = Path(__file__).resolve().parents[3], os.getpid()
        with callers_core_limit():
            self._running.append(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    cwd=self._stage.directory,
                    env=os.environ | {"PYTHONPATH": os.fspath(product)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if quiet else None,
                    start_new_session=True,
                    preexec_fn=lambda: lifeline.end_with(demonstration),
                )
            )

    def still_play(self) -> None:
        """Raises CommandError where one has ended."""
        for process in self._running:
            if process.poll() is not None:
                command = " ".join(map(str, process.args[1:]))  # type: ignore[index]
                raise CommandError(f"The demonstration has lost a part of it: {command} (status {process.returncode})")
