"""`manage.py up`: everything in one process tree."""

import os
import signal
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from pbxcerts import installation, supervision
from pbxcerts.system import setup_token
from pbxcerts.system.models import User


class Command(BaseCommand):
    help = "Installs what is missing and starts everything: the panel and the worker. Ctrl-C ends it."
    # The start of a service is not the time to look for mistakes in the code.
    requires_system_checks = []
    supervisor = ["-P", "-m", "pbxcerts.supervision"]

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
            lock = installation.claim(settings.DATA)
            plain = installation.listen(
                options["bind"],
                open_to_all=bool(settings.TRUSTED_PROXIES) or settings.PLAIN_HTTP or options["plain_http"],
                at_once=True,
            )
            https = options["bind_https"] and installation.listen(
                options["bind_https"], open_to_all=True, at_once=False
            )
            installation.prepare()
        except installation.InstallationError as error:
            self.stderr.write(str(error))
            sys.exit(error.exit_code)
        except (OSError, DatabaseError) as error:
            self.stderr.write(_("pbxcerts cannot be installed: %(reason)s") % {"reason": error})
            sys.exit(1)
        self._greet(plain)
        self._become_the_supervisor(lock, plain, https)

    def _greet(self, plain: socket.socket) -> None:
        host, port, *_rest = plain.getsockname()
        panel = f"http://[{host}]:{port}/" if plain.family == socket.AF_INET6 else f"http://{host}:{port}/"
        self.stdout.write(_("The panel is at %(address)s (Ctrl-C ends everything).") % {"address": panel})
        if not User.objects.administrators().exists():
            self.stdout.write(
                _("There is no administrator yet. Set a password here; the link is good until the next start:")
            )
            self.stdout.write(f"{panel}setup/#{setup_token.issue()}")

    def _become_the_supervisor(self, lock: int, plain: socket.socket, https: socket.socket | None) -> None:
        database = connections["default"]
        plan = supervision.Plan(
            data=str(settings.DATA),
            sqlite_file=str(database.settings_dict["NAME"]) if database.vendor == "sqlite" else None,
            lock=lock,
            plain=plain.fileno(),
            https=https.fileno() if https else None,
        )
        connections.close_all()
        for descriptor in (plan.lock, plan.plain, plan.https):
            if descriptor is not None:
                os.set_inheritable(descriptor, True)  # noqa: FBT003 - takes no keywords
        self.stdout.flush()
        # The processes find this package wherever `up` was started, and nothing that happens to lie there.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")]))
        # A signal that comes meanwhile waits for the one who can end everything in order.
        signal.pthread_sigmask(signal.SIG_BLOCK, supervision.WATCHED)
        os.execv(sys.executable, [sys.executable, *self.supervisor, plan.to_json()])  # noqa: S606 - no shell is wanted
