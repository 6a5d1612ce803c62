"""`manage.py up`: everything in one process tree."""

import os
import socket
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from pbxcerts import installation, lifeline, supervision
from pbxcerts.system import setup_token
from pbxcerts.system.models import User


class Command(BaseCommand):
    help = "Installs what is missing and starts everything: the panel and the worker. Ctrl-C ends it."
    # The start of a service is not the time to look for mistakes in the code.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--bind", default="127.0.0.1:8000", metavar="HOST:PORT", help="plain HTTP (default: %(default)s)"
        )
        parser.add_argument(
            "--bind-https", metavar="HOST:PORT", help="HTTPS with the active pair, as soon as there is one"
        )
        parser.add_argument(
            "--plain-http", action="store_true", help="allow plain HTTP for other machines without a declared proxy"
        )
        parser.add_argument("--data", metavar="DIRECTORY", help="the data directory; the same as PBXCERTS_DATA")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            installation.refuse_a_second(settings.DATA)
            plain = installation.listen(
                options["bind"],
                open_to_all=bool(settings.TRUSTED_PROXIES) or settings.PLAIN_HTTP or options["plain_http"],
                at_once=True,
            )
            https = options["bind_https"] and installation.listen(
                options["bind_https"], open_to_all=True, at_once=False
            )
            # Only now: what is refused before leaves nothing behind.
            lock = installation.claim(settings.DATA)
        except installation.InstallationError as error:
            self.stderr.write(str(error))
            sys.exit(error.exit_code)
        preparing = self._prepare(plain)
        # Meanwhile, for every process to share.
        from pbxcerts import cluster, web

        _pid, status = os.waitpid(preparing, 0)
        if code := os.waitstatus_to_exitcode(status):
            sys.exit(abs(code))
        listeners = [listener for listener in (plain, https) if listener]
        self.supervise(partial(web.run, plain, https or None), cluster.run, lock, [each.fileno() for each in listeners])

    def supervise(
        self,
        web: Callable[[], int],
        cluster: Callable[..., int],
        lock: int,
        listeners: list[int],
        patience: supervision.Patience = supervision.Patience(),  # noqa: B008 - frozen
    ) -> None:
        database = connections["default"]
        supervision.Supervisor(
            supervision.Child("web", web, not_its=[lock], patience=patience),
            supervision.Child("worker", cluster, not_its=[lock, *listeners], patience=patience),
            data=settings.DATA,
            sqlite_file=Path(database.settings_dict["NAME"]) if database.vendor == "sqlite" else None,
            patience=patience,
        ).run()

    def _prepare(self, plain: socket.socket) -> int:
        """In a process of its own, so that the one from which all others are forked never has the database open."""
        supervisor = os.getpid()
        if pid := os.fork():
            return pid
        code = 1
        try:
            lifeline.end_with(supervisor)
            installation.prepare()
            self._greet(plain)
            code = 0
        except installation.InstallationError as error:
            self.stderr.write(str(error))
            code = error.exit_code
        except (OSError, DatabaseError) as error:
            self.stderr.write(_("pbxcerts cannot be installed: %(reason)s") % {"reason": error})
        except Exception:  # noqa: BLE001 - the process ends here, with what is known
            traceback.print_exc()
        finally:
            self.stdout.flush()
            os._exit(code)

    def _greet(self, plain: socket.socket) -> None:
        host, port, *_rest = plain.getsockname()
        panel = f"http://[{host}]:{port}/" if plain.family == socket.AF_INET6 else f"http://{host}:{port}/"
        self.stdout.write(_("The panel is at %(address)s (Ctrl-C ends everything).") % {"address": panel})
        if not User.objects.administrators().exists():
            self.stdout.write(
                _("There is no administrator yet. Set a password here; the link is good until the next start:")
            )
            self.stdout.write(f"{panel}setup/#{setup_token.issue()}")
