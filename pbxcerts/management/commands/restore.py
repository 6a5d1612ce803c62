"""`restore`: the way back from a backup, on this machine or another."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pbxcerts import env
from pbxcerts.backup import given_files, restoring
from pbxcerts.backup.encryption import Identities, Passphrase
from pbxcerts.backup.errors import BackupError, LivesElsewhere
from pbxcerts.backup.restoring import Plan
from pbxcerts.processes.startup import StartupError
from pbxcerts.system.commands import CommandFailed, CommandReport, NotNow, ReportingCommand, WrongUse
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc


class Command(ReportingCommand):
    help = "Restores a backup into the data directory, while pbxcerts is stopped. Everything is verified before anything is touched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", help="the backup; - for standard input")
        key = parser.add_mutually_exclusive_group(required=True)
        key.add_argument("--passphrase-file", metavar="FILE", help="the file with the passphrase")
        key.add_argument("--identity", metavar="FILE", help="the file with the private key, as age-keygen writes it")
        parser.add_argument(
            "--replace", action="store_true", help="also where an installation is there, which is put aside"
        )
        parser.add_argument(
            "--others-ended",
            action="store_true",
            help="also where another machine worked on the PostgreSQL database within five minutes: it has been ended since",
        )
        parser.add_argument("--data", metavar="DIRECTORY", help="the data directory; the same as PBXCERTS_DATA")

    def report(self, options: dict[str, Any]) -> CommandReport:
        def confirm(plan: Plan) -> None:
            if plan.lives_elsewhere and not options["others_ended"]:
                raise NotNow(
                    _(
                        "On %(machines)s pbxcerts has worked on this database within the last five minutes. End it there; then restore with"
                        " --others-ended, or five minutes later. Nothing has been changed."
                    )
                    % {"machines": ", ".join(plan.lives_elsewhere)},
                    code="lives_elsewhere",
                    value={"plan": _value(plan)},
                )
            if plan.existing is not None and not options["replace"]:
                self._ask(plan, from_terminal=options["file"] != given_files.STANDARD)

        translation.activate(restoring.language())
        try:
            with given_files.opened(options["file"]) as backup:
                # The machine's clock: with another database nothing is known of another one.
                done = restoring.restore(backup, _key(options), timekeeping.machine_time(), confirm=confirm)
        except LivesElsewhere as error:
            raise NotNow(str(error), code=error.code) from error
        except BackupError as error:
            raise CommandFailed(str(error), code=error.code) from error
        except StartupError as error:
            raise CommandFailed(str(error), code="running") from error
        return _report(done.plan, done.other_variables)

    def _ask(self, plan: Plan, *, from_terminal: bool) -> None:
        """Raises NotNow unless the person at the terminal says yes."""
        question = what_is_lost(plan)
        if from_terminal and sys.stdin.isatty() and sys.stderr.isatty():
            word = _("yes")
            self.stderr.write(question)
            self.stderr.write(_("To do it, type “%(word)s”: ") % {"word": word}, ending="")
            self.stderr.flush()
            if sys.stdin.readline().strip().lower() == word:
                return
            raise NotNow(_("Nothing has been changed."), code="confirmation")
        raise NotNow(
            question + " " + _("Nothing has been changed; with --replace it is done."),
            code="confirmation",
            value={"plan": _value(plan)},
        )


def _key(options: dict[str, Any]) -> Passphrase | Identities:
    name = options["passphrase_file"] or options["identity"]
    if name == given_files.STANDARD and options["file"] == given_files.STANDARD:
        raise WrongUse(_("Standard input can't be both the backup and its key."), code="usage")
    return given_files.passphrase(name) if options["passphrase_file"] else given_files.identities(name)


def what_is_lost(plan: Plan) -> str:
    existing, backup = plan.existing, plan.manifest
    if existing is None:
        return ""
    said = [
        _(
            "The installation in %(directory)s (%(holds)s) is replaced by the backup of %(made_at)s (%(of)s%(holds_backup)s)."
        )
        % {
            "directory": settings.DATA,
            "holds": _holds(existing.holds),
            "made_at": _instant(backup.made_at),
            "of": f"{backup.site}, " if backup.site else "",
            "holds_backup": _holds(backup.holds),
        },
    ]
    if existing.installation not in {None, backup.installation}:
        said.append(_("It is the backup of ANOTHER installation."))
    if existing.last_run is not None:
        said.append(_("The installation last ran on %(at)s.") % {"at": _instant(existing.last_run)})
    said.append(
        _("All that has happened since the backup is lost: settings, users, terminals, confirmations, event messages.")
    )
    said.append(
        _("What is replaced is kept in %(aside)s. The files of the communication server stay as they are.")
        % {"aside": plan.aside}
        if not plan.puts_store_back
        else _("What is replaced is kept in %(aside)s.") % {"aside": plan.aside}
    )
    return " ".join(said)


def _holds(holds: dict[str, int] | None) -> str:
    if holds is None:
        return _("it can't be read")
    return ", ".join(
        [
            ngettext("%(count)s generation", "%(count)s generations", holds.get("generations", 0))
            % {"count": holds.get("generations", 0)},
            ngettext("%(count)s terminal", "%(count)s terminals", holds.get("terminals", 0))
            % {"count": holds.get("terminals", 0)},
            ngettext("%(count)s user", "%(count)s users", holds.get("users", 0)) % {"count": holds.get("users", 0)},
        ]
    )


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _report(plan: Plan, other_variables: dict[str, str | None]) -> CommandReport:
    said = [
        _("Restored into %(directory)s: the backup of %(made_at)s (%(holds)s).")
        % {"directory": settings.DATA, "made_at": _instant(plan.manifest.made_at), "holds": _holds(plan.manifest.holds)}
    ]
    if plan.existing is not None:
        said.append(
            _("What was there before is in %(aside)s, with its secrets: delete it when you no longer need it.")
            % {"aside": plan.aside}
        )
    if plan.puts_store_back:
        said.append(_("The files of the communication server were put back to %(store)s.") % {"store": settings.STORE})
    else:
        said.append(
            _(
                "The files of the communication server in %(store)s stay as they are; the page says how they stand to the backup."
            )
            % {"store": settings.STORE}
        )
    if other_variables:
        said.append(_("Set differently where the backup was made:"))
        said += [
            f"  {env.PREFIX}{name}={value}" if value is not None else f"  {env.PREFIX}{name} " + _("(a secret)")
            for name, value in other_variables.items()
        ]
    said.append(_("Start pbxcerts now. Everybody logs in again."))
    value = {"restored": _value(plan), "other_variables": {f"{env.PREFIX}{n}": v for n, v in other_variables.items()}}
    return CommandReport("\n".join(said), value)


def _value(plan: Plan) -> dict[str, Any]:
    manifest, existing = plan.manifest, plan.existing
    return {
        "backup": {
            "made_at": utc(manifest.made_at),
            "version": manifest.version,
            "installation": manifest.installation,
            "holds": manifest.holds,
        },
        "existing": existing
        and {
            "installation": existing.installation,
            "last_run": utc(existing.last_run),
            "holds": existing.holds,
        },
        "lives_elsewhere": plan.lives_elsewhere,
        "store": "put back" if plan.puts_store_back else "kept",
        "aside": str(plan.aside) if existing is not None else None,
    }
