"""`terminals`: import and export as CSV, the list, and tokens for those that have none."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from certificates.renewal.situation import Situation
from pbxcerts.system import own_process
from pbxcerts.system.commands import (
    CommandFailed,
    CommandReport,
    NotNow,
    OperatorCommand,
    WrongUse,
    aligned,
    local,
)
from pbxcerts.system.models import General
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc
from terminals.directory import device_tokens
from terminals.directory.csv import csv_files, exports, import_plan
from terminals.directory.csv.csv_files import EXPORTED, Separator, separator_for
from terminals.directory.csv.errors import ImportFileError, ImportOvertaken
from terminals.directory.csv.import_plan import ImportPlan
from terminals.directory.listing import TerminalLine, TerminalListing
from terminals.models import TerminalType

REFUSALS_SHOWN = 50


class Command(OperatorCommand):
    help = "Imports terminals from a CSV file, all of them or none, exports them, lists them, or makes missing device tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True, metavar="import|export|list|tokens")
        importing = actions.add_parser("import", help="add and change terminals from a CSV file")
        importing.add_argument("file", metavar="FILE", help="“-” for standard input")
        importing.add_argument("--dry-run", action="store_true", help="only say what it would do")
        exporting = actions.add_parser(
            "export", help="write all terminals as CSV to standard output, without credentials"
        )
        exporting.add_argument(
            "--separator",
            choices=[one.name.lower() for one in Separator],
            help="between the cells; by itself what spreadsheets of the system language expect",
        )
        listing = actions.add_parser("list", help="show all terminals and what they trust")
        tokens = actions.add_parser(
            "tokens", help="make a token for every IP system phone that has none, and write them as CSV, this once"
        )
        for one in (importing, exporting, listing, tokens):
            # Behind the action too, where one types it; a value that stands before it is not lost.
            one.add_argument("--json", action="store_true", dest="json_behind", help="one JSON object on stdout")

    def act(self, general: General, options: dict[str, Any]) -> CommandReport | None:
        options["as_json"] = options["as_json"] or options.get("json_behind", False)
        match options["action"]:
            case "import":
                return import_file(options["file"], dry_run=options["dry_run"])
            case "export":
                asked = options["separator"]
                separator = Separator[asked.upper()] if asked else separator_for(general.language)
                rows = list(exports.rows())
                return self._written(rows, "terminals", EXPORTED, separator, as_json=options["as_json"])
            case "tokens":
                rows = [asdict(one) for one in device_tokens.issue_missing()]
                separator = separator_for(general.language)
                return self._written(rows, "tokens", device_tokens.COLUMNS, separator, as_json=options["as_json"])
            case _:
                return listed(Situation.load(timekeeping.current_clock(general=general)))

    def _written(
        self, rows: list[dict[str, str]], name: str, columns: Sequence[str], separator: Separator, *, as_json: bool
    ) -> CommandReport | None:
        if as_json:
            return CommandReport("", {name: rows})
        own_process.write_utf_8()
        # As it is: what writes a report would add a line.
        self.stdout.write(csv_files.write(rows, columns, separator), ending="")
        return None


def import_file(name: str, *, dry_run: bool) -> CommandReport:
    """Raises CommandUnsuccessful; then nothing was imported."""
    try:
        plan = import_plan.plan_of(csv_files.read(_content(name), csv_files.OF_A_COMMAND))
    except ImportFileError as error:
        raise WrongUse(str(error), code="file") from error
    value = {
        "added": [entry.number for entry in plan.added],
        "changed": [{"number": entry.number, "columns": list(entry.changed)} for entry in plan.changed],
        "unchanged": plan.unchanged,
        "passwords_deleted": [entry.number for entry in plan.losing_password],
        "refused": [asdict(refusal) for refusal in plan.refused],
        "dry_run": dry_run,
    }
    if plan.refused:
        raise WrongUse(_refused(plan), code="value", value=value)
    if not dry_run:
        try:
            import_plan.carry_out(plan)
        except ImportOvertaken as error:
            raise NotNow(
                _("Somebody else has changed terminals at this moment. Nothing was imported: try again."),
                code="overtaken",
            ) from error
        except SealingError as error:
            raise CommandFailed(
                _("The passwords can't be encrypted: %(reason)s.") % {"reason": error}, code="key_list"
            ) from error
    counts = {"added": len(plan.added), "changed": len(plan.changed), "unchanged": plan.unchanged}
    said = (
        _("Would add %(added)s, change %(changed)s and leave %(unchanged)s as they are.")
        if dry_run
        else _("Added %(added)s, changed %(changed)s, left %(unchanged)s as they are.")
    )
    return CommandReport("\n".join(filter(None, [said % counts, plan.password_sentence])), value)


def _content(name: str) -> bytes:
    """One byte more than is allowed says that it is too large, whatever its real size."""
    if name == "-":
        return sys.stdin.buffer.read(csv_files.OF_A_COMMAND.bytes + 1)
    with Path(name).open("rb") as file:
        return file.read(csv_files.OF_A_COMMAND.bytes + 1)


def _refused(plan: ImportPlan) -> str:
    lines = [
        _("Row %(row)s, %(column)s: %(reason)s") % {"row": one.row, "column": one.column or "-", "reason": one.reason}
        for one in plan.refused[:REFUSALS_SHOWN]
    ]
    if more := len(plan.refused) - len(lines):
        lines.append(_("… and %(count)s more.") % {"count": more})
    return "\n".join([*lines, _("Nothing was imported.")])


def listed(situation: Situation) -> CommandReport:
    listing = TerminalListing(situation, tuple(TerminalType.objects.all()))
    lines = listing.lines(list(listing.terminals()))
    heads = (_("Number"), _("Name"), _("Type"), _("MAC"), _("Address"), _("State"), _("Trusts"), _("Last contact"))
    rows = [_columns(line) for line in lines]
    text = aligned([heads, *rows]) if rows else _("No terminals are known yet.")
    return CommandReport(text, {"generation": listing.target, "terminals": [_value(line) for line in lines]})


def _columns(line: TerminalLine) -> tuple[str, ...]:
    one = line.terminal
    trusts = ",".join(str(row.generation_id) for row in line.trusts)
    cells = (
        one.number,
        one.name,
        str(line.type),
        one.mac,
        one.address,
        line.state_label,
        trusts,
        local(one.last_contact),
    )
    return tuple(cell or "-" for cell in cells)


def _value(line: TerminalLine) -> dict[str, Any]:
    one = line.terminal
    return {
        "number": one.number,
        "name": one.name,
        "type": line.type.name,
        "method": line.type.method,
        "mac": one.mac,
        "address": one.address,
        "firmware": one.firmware,
        "enabled": one.enabled,
        "state": line.state,
        "unproved_address": line.unproved_address,
        "trusts": [
            {
                "generation": row.generation_id,
                "since": utc(row.confirmed_at),
                "evidence": row.evidence,
                "proof": row.proof or None,
            }
            for row in line.trusts
        ],
        "last_contact": utc(one.last_contact),
        "next_attempt": utc(line.next_attempt),
    }
