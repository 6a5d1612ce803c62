"""`export`: write certificates as the page gives them out, never a private key."""

import base64
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.utils.translation import gettext as _

from certificates import downloads
from certificates.downloads import OFFERED, DownloadFormat, DownloadKind
from certificates.management.orders import pair_numbered, refusals
from certificates.models import Generation
from certificates.pki import formats
from certificates.renewal.orders import refuse_while_undecided
from certificates.renewal.situation import load_situation
from pbxcerts.system.commands import (
    CommandFailed,
    CommandReport,
    NotNow,
    OperatorCommand,
    WrongUse,
    aligned,
    who_goes_on,
)
from pbxcerts.system.models import General


class Command(OperatorCommand):
    help = (
        "Writes certificates to stdout or a file: of the prepared pair during a handover, else of the active one; what a"
        " telephone is to trust (trust, and root in PEM) of all pairs in the trust bundle."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "kind", choices=[kind.value for kind in DownloadKind], help="chain: host, then root; trust: roots and hosts"
        )
        parser.add_argument(
            "--format", choices=[form.value for form in DownloadFormat], default=DownloadFormat.PEM.value
        )
        parser.add_argument("--generation", type=int, metavar="N", help="of this pair, whatever its state")
        parser.add_argument("--output", metavar="FILE", help="written whole or not at all; without it stdout")

    def act(self, general: General, options: dict[str, Any]) -> CommandReport | None:
        kind, form = DownloadKind(options["kind"]), DownloadFormat(options["format"])
        if form not in OFFERED[kind]:
            raise WrongUse(
                _("“%(kind)s” is exported as %(offered)s, not as %(format)s.")
                % {"kind": kind, "offered": _(" or ").join(OFFERED[kind]), "format": form},
                code="value",
            )
        situation = load_situation()
        if options["generation"] is not None:
            pair = pair_numbered(options["generation"])
            file = downloads.of_pair(pair, kind, form, site_name=general.site_name)
        else:
            with refusals():
                refuse_while_undecided(situation)
            to_download = downloads.pair_to_download(situation)
            if to_download is None:
                raise NotNow(_("There is no pair yet. Generate the first one."), code="state")
            pair, file = to_download, downloads.of_situation(situation, kind, form)
        if pair.pending:
            self.stderr.write(
                _("This is of generation %(number)s (%(state)s); the communication server still presents another one.")
                % {"number": pair.number, "state": pair.get_state_display()}
            )
        trusted = (pair,) if options["generation"] is not None else downloads.generations_in(situation, kind, form)
        value = {
            "kind": kind.value,
            "format": form.value,
            "generation": pair.number,
            "state": pair.state,
            "file_name": file.name,
            "root_sha256": pair.root_sha256,
            "host_sha256": pair.host_sha256,
            "roots_sha256": [each.root_sha256 for each in trusted],
        }
        if options["output"] is not None:
            output = Path(options["output"])
            write_whole(output, file.content)
            return CommandReport(_written(output, pair, trusted), value | {"output": str(output)})
        if options["as_json"]:
            return CommandReport("", value | {"content_base64": base64.b64encode(file.content).decode()})
        # Bytes as they are: what writes text would end lines in its own way, and refuse DER.
        stdout = cast("BinaryIO", self.stdout.buffer)
        stdout.write(file.content)
        stdout.flush()
        return None


def _written(output: Path, pair: Generation, trusted: Sequence[Generation]) -> str:
    """What is said once the file is written, with the fingerprint of every root in it, to be compared on a display."""
    if len(trusted) == 1:
        return _(
            "%(file)s is written. SHA-256 of the root certificate: %(root)s, of the host certificate: %(host)s"
        ) % {
            "file": output,
            "root": formats.sha256_fingerprint(pair.root),
            "host": formats.sha256_fingerprint(pair.host),
        }
    said = _("%(file)s is written. SHA-256 of the root certificates in it:") % {"file": output}
    rows = [
        (
            _("Generation %(number)s (%(state)s)") % {"number": each.number, "state": each.get_state_display()},
            formats.sha256_fingerprint(each.root),
        )
        for each in trusted
    ]
    return f"{said}\n{aligned(rows, indent='  ')}"


def write_whole(place: Path, content: bytes) -> None:
    """Write a file beside its place and rename it into its place, so that nobody reads half of it. Raises
    CommandFailed.

    A file that is there is replaced, a link is followed, and a device or a pipe is written into.
    """
    try:
        place = place.resolve()
        if place.exists() and not place.is_file() and not place.is_dir():
            place.write_bytes(content)
            return
        staged = place.with_name(f".{place.name}.{os.getpid()}.new")
        try:
            with staged.open("xb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            staged.rename(place)
        except OSError:
            with suppress(OSError):
                staged.unlink()
            raise
    except OSError as error:
        said = _("%(file)s can't be written: %(reason)s.") % {"file": place, "reason": error.strerror}
        raise CommandFailed(" ".join(filter(None, [said, who_goes_on(error)])), code="file") from error
