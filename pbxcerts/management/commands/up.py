"""`manage.py up`: everything in one process tree."""

import logging
import os
import signal
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connections
from django.template.loader import get_template
from django.urls import reverse
from django.utils.translation import gettext as _

from pbxcerts import __version__
from pbxcerts.processes import lifeline, startup, supervision
from pbxcerts.processes.service_manager import ServiceManager
from pbxcerts.system import log_lines
from pbxcerts.system.database.database_faults import in_its_words, why_no_database
from pbxcerts.system.models import User
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users import setup_token

HUNG_UP = 128 + signal.SIGTERM
"""The exit status after SIGHUP. Whoever sends that (a terminal that is closed, a log rotation) has not told the service to end,
and with this status a service manager starts it again; a process that SIGHUP itself ends is left alone (systemd.service(5), rule
orderly-end).
"""


BIND = "127.0.0.1:8000"

logger = logging.getLogger("pbxcerts.up")


def add_options(parser: ArgumentParser) -> None:
    """Those that a unit takes over too."""
    parser.add_argument("--bind", default=BIND, metavar="HOST:PORT", help="plain HTTP (default: %(default)s)")
    parser.add_argument("--bind-https", metavar="HOST:PORT", help="HTTPS with the active pair, as soon as there is one")
    parser.add_argument(
        "--plain-http", action="store_true", help="allow plain HTTP for other machines without a declared proxy"
    )
    parser.add_argument(
        "--only",
        choices=("web", "worker"),
        help="start one of both here, the other on other machines (with PostgreSQL; README, Several machines)",
    )
    parser.add_argument("--data", metavar="DIRECTORY", help="the data directory; the same as PBXCERTS_DATA")


class Command(BaseCommand):
    help = "Installs what is missing and starts everything: the panel and the worker. Ctrl-C ends it."
    # The start of a service is not the time to look for mistakes in the code.
    requires_system_checks = []

    def get_version(self) -> str:
        return __version__

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.manager = ServiceManager.taken_from(os.environ)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # Until all has been started; then the supervisor waits for it.
            signal.signal(signal.SIGHUP, lambda _signal, _frame: os._exit(HUNG_UP))
        try:
            startup.refuse_a_second(settings.DATA)
            only = options["only"]
            if only and connections["default"].vendor == "sqlite":
                raise startup.ApartError(
                    _("With SQLite web process and worker belong on one machine: --only needs PBXCERTS_DATABASE.")
                )
            plain, https = (None, None) if only == "worker" else self._listen(options)
            # Only now: what is refused before leaves nothing behind.
            lock = startup.lock_data_directory(settings.DATA)
        except startup.StartupError as error:
            self.stderr.write(_line(str(error), logging.ERROR))
            sys.exit(error.exit_code)
        preparing = self._prepare(plain, works=only != "web")
        # Meanwhile.
        load_for_all(serves=plain is not None)
        from pbxcerts.processes import web, worker

        _pid, status = os.waitpid(preparing, 0)
        if code := os.waitstatus_to_exitcode(status):
            sys.exit(abs(code))
        listeners = [listener for listener in (plain, https) if listener]
        panel = partial(web.run, plain, https) if plain else None
        self.supervise(panel, worker.run if only != "web" else None, lock, [each.fileno() for each in listeners])

    def _listen(self, options: dict[str, Any]) -> tuple[socket.socket, socket.socket | None]:
        """Raises StartupError."""
        plain = startup.listen(
            startup.listen_address(options["bind"]),
            open_to_all=bool(settings.TRUSTED_PROXIES) or settings.PLAIN_HTTP or options["plain_http"],
            at_once=True,
        )
        if not options["bind_https"]:
            return plain, None
        return plain, startup.listen(startup.listen_address(options["bind_https"]), open_to_all=True, at_once=False)

    def supervise(
        self,
        web: Callable[[Callable[[], None]], int] | None,
        worker: Callable[..., int] | None,
        lock: int,
        listeners: list[int],
        patience: supervision.Patience = supervision.Patience(),  # noqa: B008 - frozen
    ) -> None:
        database = connections["default"]
        not_its = [lock, *listeners]
        ended_by = supervision.Supervisor(
            web and supervision.ChildProcess("web", web, not_its=[lock], patience=patience),
            worker and supervision.ChildProcess("worker", worker, not_its=not_its, patience=patience),
            machine=settings.MACHINE,
            data=settings.DATA,
            sqlite_file=Path(database.settings_dict["NAME"]) if database.vendor == "sqlite" else None,
            patience=patience,
            manager=self.manager,
        ).run()
        if ended_by == signal.SIGHUP:
            sys.exit(HUNG_UP)

    def _prepare(self, plain: socket.socket | None, *, works: bool) -> int:
        """In a process of its own, so that the one from which all others are forked never has the database open."""
        supervisor = os.getpid()
        if pid := os.fork():
            return pid
        code = 1
        try:
            lifeline.end_with(supervisor)
            startup.prepare(works=works, serves=plain is not None)
            code = 0
            # Nobody may be there to read it, or the disk that it is written to is full.
            with suppress(OSError):
                self._greet(plain)
                self.stdout.flush()
        except startup.StartupError as error:
            self.stderr.write(_line(str(error), logging.ERROR))
            code = error.exit_code
        except (DatabaseError, InterfaceError) as error:
            why = why_no_database(error) or _cannot_start(in_its_words(error))
            self.stderr.write(_line(why, logging.ERROR))
        except (OSError, SealingError) as error:
            self.stderr.write(_line(_cannot_start(str(error)), logging.ERROR))
        except Exception:
            logger.exception("pbxcerts cannot start.")
        finally:
            os._exit(code)

    def _greet(self, plain: socket.socket | None) -> None:
        if plain is None:
            self.stdout.write(_line(_("The worker runs; the panel is on another machine (Ctrl-C ends everything).")))
            return
        host, port, *_rest = plain.getsockname()
        panel = f"http://{Endpoint(host, port)}{settings.URL_PATH}/"
        self.stdout.write(_line(_("The panel is at %(address)s (Ctrl-C ends everything).") % {"address": panel}))
        if not User.objects.administrators().exists():
            self.stdout.write(
                _line(_("There is no administrator yet. Set a password here; the link is good until the next start:"))
            )
            self.stdout.write(_line(f"{panel}setup/#{setup_token.issue()}"))


def load_for_all(*, serves: bool) -> None:
    """Load what the processes need before they are forked. What one of them loads later, it has for itself, and with it a copy of
    each page that is touched meanwhile (rule process-tree).
    """
    # What is found by its name, by the first query, page and heartbeat.
    by_name = [
        "django.db.models.sql.compiler",
        "django.core.cache.backends.locmem",
        *([] if settings.BROKER else ["pbxcerts.processes.database_queue"]),
        settings.TERMINALS.rpartition(".")[0],
    ]
    for module in ["pbxcerts.processes.web", "pbxcerts.processes.worker", *by_name]:
        import_module(module)
    for model in apps.get_models():
        # Put together once, at the first query that follows a relation, and of all models.
        model._meta.get_fields()
    if serves:
        # The patterns of all addresses, and what templates load.
        reverse(settings.LOGIN_URL)
        get_template("registration/login.html")


def _cannot_start(reason: str) -> str:
    return _("pbxcerts cannot start: %(reason)s") % {"reason": reason}


def _line(sentence: str, level: int = logging.INFO) -> str:
    """A sentence for whoever starts it, as the log has its lines (rule json-lines)."""
    if settings.LOG != "json":
        return sentence
    return log_lines.for_a_person(sentence, at=timekeeping.machine_time(), level=level, logger=logger.name)
