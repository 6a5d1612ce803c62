"""`backup`: everything of this installation in one encrypted file, while it runs."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from pbxcerts.backup import given_files, making, one_at_a_time, scheduled
from pbxcerts.backup.encryption import Passphrase, Recipients
from pbxcerts.backup.errors import BackupError
from pbxcerts.backup.making import MadeBackup
from pbxcerts.system import age_keys
from pbxcerts.system.commands import CommandFailed, CommandReport, NotNow, OperatorCommand, WrongUse
from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc


class Command(OperatorCommand):
    help = (
        "Makes a backup: database, secrets, store and the names of the variables that are set, in one file of the age format, while"
        " pbxcerts runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file",
            nargs="?",
            metavar="FILE",
            help="the backup; - for standard output; a directory: a file in it that is named by the time",
        )
        parser.add_argument("--passphrase-file", metavar="FILE", help="encrypt with the passphrase in this file")
        parser.add_argument(
            "--recipient",
            action="append",
            metavar="KEY",
            help="encrypt for a public key, as age-keygen prints it; may be given several times",
        )
        parser.add_argument(
            "--keep",
            type=int,
            metavar="N",
            help="in a directory: delete all backups of this installation but the last N",
        )
        parser.add_argument(
            "--scheduled", action="store_true", help="as System / General says; the worker does it by itself"
        )
        parser.add_argument("--data", metavar="DIRECTORY", help="the data directory; the same as PBXCERTS_DATA")

    def act(self, general: General, options: dict[str, Any]) -> CommandReport | None:
        try:
            if options["scheduled"]:
                return self._scheduled(general, options)
            return self._to_file(general, options)
        except BackupError as error:
            raise CommandFailed(str(error), code=error.code) from error

    def _scheduled(self, general: General, options: dict[str, Any]) -> CommandReport:
        if options["file"] or options["passphrase_file"] or options["recipient"] or options["keep"] is not None:
            raise WrongUse(_("With --scheduled all else stands under System / General."), code="usage")
        file, made = scheduled.make(general)
        return _report(str(file), made)

    def _to_file(self, general: General, options: dict[str, Any]) -> CommandReport | None:
        if other_machines.publishes_elsewhere() is not None:
            raise NotNow(_("Another machine publishes: run this command there."), code="elsewhere")
        if not options["file"]:
            raise WrongUse(_("Name the file that the backup is to be, or - for standard output."), code="usage")
        to, keep, now = _key(options), options["keep"], timekeeping.machine_time()
        if keep is not None and keep < 1:
            raise WrongUse(_("--keep needs a number from 1 on."), code="usage")
        if options["file"] == given_files.STANDARD:
            if options["as_json"] or sys.stdout.isatty():
                raise WrongUse(_("Standard output holds the backup itself: redirect it, without --json."), code="usage")
            with one_at_a_time.workplace() as workplace:
                made = making.make(workplace, sys.stdout.buffer, Path("/dev/stdout"), to, now)
            self.stderr.write(_report(given_files.STANDARD, made).text)
            return None
        target = Path(options["file"]).absolute()
        in_directory = target.is_dir()
        if keep is not None and not in_directory:
            raise WrongUse(_("--keep is for a directory of backups."), code="usage")
        if in_directory:
            target /= scheduled.name_of(general, now)
        with one_at_a_time.workplace() as workplace:
            made = making.make_file(workplace, target, to, now)
        deleted = scheduled.delete_all_but(keep, target, general) if keep is not None else []
        return _report(str(target), made, deleted)


def _key(options: dict[str, Any]) -> Passphrase | Recipients:
    keys = options["recipient"] or []
    if bool(keys) == bool(options["passphrase_file"]):
        raise WrongUse(
            _("A backup is always encrypted: give either --passphrase-file FILE or --recipient KEY."), code="usage"
        )
    if not keys:
        return given_files.passphrase(options["passphrase_file"])
    for key in keys:
        if not age_keys.is_recipient(key):
            raise WrongUse(
                _("“%(key)s” is no public key as age-keygen prints it (age1…).") % {"key": _shown(key)}, code="value"
            )
    return Recipients(tuple(keys))


def _shown(key: str) -> str:
    """Whoever mistakes the keys does not read the private one in a log."""
    return f"{key[:8]}…"


def _report(file: str, made: MadeBackup, deleted: list[Path] | None = None) -> CommandReport:
    value: dict[str, Any] = {
        "file": file,
        "size": made.size,
        "sha256": made.sha256,
        "made_at": utc(made.manifest.made_at),
        "holds": made.manifest.holds,
        "deleted": [str(one) for one in deleted or []],
    }
    text = _("Backed up to %(file)s (%(size)s KB, SHA-256 %(sha256)s).") % {
        "file": file,
        "size": -(-made.size // 1024),
        "sha256": made.sha256,
    }
    return CommandReport(text, value)
