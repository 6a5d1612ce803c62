"""`rekey`: seal every secret with the first key of the key list, so that the others can go."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from pbxcerts.system import sealing
from pbxcerts.system.commands import CommandFailed, CommandReport, OperatorCommand
from pbxcerts.system.models import General
from pbxcerts.system.sealing import SealingError


class Command(OperatorCommand):
    help = "Seals every secret in the database with the first key of the key list, all or none."
    # It leaves rows, no files.

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        try:
            done = sealing.seal_anew()
        except SealingError as error:
            raise CommandFailed(
                _("The secrets can't be sealed anew: %(error)s.") % {"error": error}, code="key_list"
            ) from error
        value = {"anew": done.anew, "as_before": done.as_before, "lost": done.lost}
        said = _(
            "Secrets sealed anew with the first key in %(file)s: %(anew)s; sealed with it before: %(as_before)s."
        ) % {
            "anew": done.anew,
            "as_before": done.as_before,
            "file": settings.KEY_FILE,
        }
        if done.lost:
            raise CommandFailed(
                said
                + " "
                + _("No key of the list reads these, which were left as they are (%(count)s): %(which)s.")
                % {"count": len(done.lost), "which": ", ".join(done.lost)},
                code="key_lost",
                value=value,
            )
        return CommandReport(
            said
            + " "
            + _(
                "The database needs no other key any more. Older backups of it still do: keep the other keys with them."
            ),
            value,
        )
