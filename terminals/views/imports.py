"""CSV: a file is chosen, its preview shown, and then imported as a whole; and the export."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import logged_in_user, needs
from terminals import mac_words
from terminals.directory.csv import column_heads, csv_files, exports, import_plan, waiting_upload
from terminals.directory.csv.csv_files import Separator, separator_for
from terminals.directory.csv.errors import ImportOvertaken
from terminals.directory.csv.import_plan import ImportEntry, ImportPlan
from terminals.directory.csv.type_names import unknown_types
from terminals.forms.imports import ApplyForm, UploadForm
from terminals.models import TerminalType
from terminals.views.terminals import shows_then_acts

SHOWN = 20
"""Of each kind in a preview: who has more to correct corrects them in the file and looks again."""


@needs(Role.OPERATE)
@shows_then_acts
def upload(request: HttpRequest) -> HttpResponse:
    posted = request.method == "POST"
    form = UploadForm(request.POST, request.FILES) if posted else UploadForm()
    if posted and form.is_valid():
        try:
            waiting_upload.keep(logged_in_user(request), form.cleaned_data["file"], now=timekeeping.machine_time())
        except SealingError as error:
            form.add_error(
                None, _("The file can't be kept, because it can't be encrypted: %(reason)s.") % {"reason": error}
            )
        else:
            return redirect("terminals:import_preview")
    limits = csv_files.OF_A_PAGE
    context = {
        "form": form,
        "columns": list(column_heads.heads().values()),
        "limits": limits,
        "of_a_command": csv_files.OF_A_COMMAND,
    }
    return render(request, "terminals/import.html", context)


@needs(Role.OPERATE)
@shows_then_acts
def preview(request: HttpRequest) -> HttpResponse:
    user = logged_in_user(request)
    try:
        content = waiting_upload.kept(user, now=timekeeping.machine_time())
    except SealingError as error:
        messages.error(request, _("The file can't be decrypted: %(reason)s.") % {"reason": error})
        return redirect("terminals:import")
    if content is None:
        messages.info(request, _("There is no file to import any more. Choose it again."))
        return redirect("terminals:import")
    rows = csv_files.read(content)
    types = list(TerminalType.objects.order_by("name"))
    unknown = unknown_types(rows, types, _chosen(request))
    plan = import_plan.plan_of(rows, taken_for={one.name.lower(): one.taken for one in unknown if one.taken})
    form = ApplyForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and not plan.refused:
        try:
            if form.cleaned_data["basis"] != plan.basis:
                raise ImportOvertaken
            import_plan.carry_out(plan)
        except ImportOvertaken:
            messages.warning(
                request,
                _("Terminals have been changed since this preview. Nothing was imported; this is the new preview."),
            )
            return redirect(request.get_full_path())
        except SealingError as error:
            messages.error(request, _("The passwords can't be encrypted: %(reason)s.") % {"reason": error})
            return redirect("terminals:import_preview")
        waiting_upload.give_up(user)
        messages.success(request, import_sentence(plan))
        return redirect("terminals:terminals")
    columns = [column for column in csv_files.COLUMNS if column in rows[0].cells] if rows else []
    tables = [_refused(plan), _losing_password(plan), _changed(plan, types), _added(plan, types, columns)]
    context = {
        "plan": plan,
        "unknown": unknown,
        "types": types,
        "form": ApplyForm(initial={"basis": plan.basis}),
        "tables": [table for table in tables if table.rows],
        "shown": SHOWN,
    }
    return render(request, "terminals/import_preview.html", context)


@dataclass(frozen=True)
class PreviewTable:
    """The first rows of a kind in a preview; `all` is how many there are."""

    id: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    all: int

    @property
    def labelled_rows(self) -> list[list[tuple[str, str]]]:
        """The cells of each row, with the heads of their columns."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


def _refused(plan: ImportPlan) -> PreviewTable:
    columns = [_("Row"), _("Number"), _("Column"), _("Reason")]
    labels = column_heads.heads()
    rows = [[str(one.row), one.number, labels.get(one.column, ""), str(one.reason)] for one in plan.refused[:SHOWN]]
    return PreviewTable("refused", _("Refused"), columns, rows, len(plan.refused))


def _changed(plan: ImportPlan, types: list[TerminalType]) -> PreviewTable:
    columns = [_("Row"), _("Number"), _("Name"), _("Changed columns")]
    names, labels = _names_of(types), column_heads.heads()

    def difference(entry: ImportEntry, column: str) -> str:
        if column == "sip_password":
            return labels[column]
        return f"{labels[column]}: {_cell(entry.before, column, names)} → {_cell(entry.values, column, names)}"

    rows = [[*_named(one), "; ".join(difference(one, name) for name in one.changed)] for one in plan.changed[:SHOWN]]
    return PreviewTable("changed", _("Changed"), columns, rows, len(plan.changed))


def _losing_password(plan: ImportPlan) -> PreviewTable:
    columns = [_("Row"), _("Number"), _("Name")]
    rows = [_named(one) for one in plan.losing_password[:SHOWN]]
    return PreviewTable(
        "passwords", _("Stored SIP passwords that are deleted"), columns, rows, len(plan.losing_password)
    )


def _added(plan: ImportPlan, types: list[TerminalType], given: list[str]) -> PreviewTable:
    """With every column that the file has."""
    names, labels = _names_of(types), column_heads.heads()
    rows = [[str(one.row), *(_given(one, column, names) for column in given)] for one in plan.added[:SHOWN]]
    heads = [_("Row"), *(labels[column][:1].upper() + labels[column][1:] for column in given)]
    return PreviewTable("added", _("Added"), heads, rows, len(plan.added))


def _names_of(types: list[TerminalType]) -> dict[int, str]:
    return {one.pk: str(one) for one in types}


def _given(entry: ImportEntry, column: str, names: dict[int, str]) -> str:
    if column == "sip_password":
        return _("is stored") if entry.password else ""
    return _cell(entry.values, column, names)


def _cell(values: Mapping[str, Any], column: str, names: dict[int, str]) -> str:
    value = values[column]
    match column:
        case "type":
            return names[value]
        case "mac":
            return mac_words.with_colons(value or "")
        case "enabled":
            return _("yes") if value else _("no")
        case _:
            return str(value or "")


def _chosen(request: HttpRequest) -> dict[str, int | None]:
    """What a person takes unknown names of types for, by the name in lower case; None: for nothing."""
    keys = [int(key) if re.fullmatch("[0-9]{1,9}", key, re.ASCII) else None for key in request.GET.getlist("type")]
    names = [name.lower() for name in request.GET.getlist("unknown")]
    return dict(zip(names, keys, strict=False))


def _named(entry: ImportEntry) -> list[str]:
    return [str(entry.row), entry.number, entry.values["name"]]


@needs(Role.OPERATE)
@require_POST
def give_up(request: HttpRequest) -> HttpResponse:
    waiting_upload.give_up(logged_in_user(request))
    return redirect("terminals:terminals")


@needs(Role.OPERATE)
@require_safe
def template(request: HttpRequest) -> HttpResponse:
    """A file with the heads of all columns, in the reader's language, and with the separator that its spreadsheets expect."""
    heads = column_heads.heads()
    separator = separator_for(get_language() or general_of(request).language)
    columns = [heads[column] for column in csv_files.COLUMNS]
    return csv_attachment("terminals-template.csv", csv_files.write([], columns, separator=separator))


@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """With the separator of the system's language, or with the one that was asked for: `?separator=comma`."""
    asked = request.GET.get("separator", "").upper()
    separator = Separator[asked] if asked in Separator.__members__ else separator_for(general_of(request).language)
    return csv_attachment("terminals.csv", csv_files.write(exports.rows(), separator=separator))


def csv_attachment(name: str, content: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # With a byte order mark, without which spreadsheets read another alphabet.
    return HttpResponse(f"\ufeff{content}", content_type="text/csv; charset=utf-8", headers=headers)


def import_sentence(plan: ImportPlan) -> str:
    """What an import has done, in one sentence."""
    added = ngettext("%(count)s terminal added", "%(count)s terminals added", len(plan.added)) % {
        "count": len(plan.added)
    }
    changed = ngettext("%(count)s changed", "%(count)s changed", len(plan.changed)) % {"count": len(plan.changed)}
    return " ".join(filter(None, [f"{added}, {changed}.", plan.password_sentence]))
