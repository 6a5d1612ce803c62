"""CSV: a file is chosen, its preview shown, and then imported as a whole; and the export."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from certificates.host_keys import HostKeyError
from pbxcerts.system.access import needs, person
from pbxcerts.system.models import Role
from terminals import csv_files, imports
from terminals.forms.imports import ApplyForm, UploadForm
from terminals.imports import Entry, Overtaken, Plan
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
            imports.keep(person(request), form.cleaned_data["file"], now=timezone.now())
        except HostKeyError as error:
            form.add_error(
                None, _("The file can't be kept, because it can't be encrypted: %(reason)s.") % {"reason": error}
            )
        else:
            return redirect("terminals:import_preview")
    limits = {"lines": csv_files.MOST_LINES, "megabytes": csv_files.MOST_BYTES // 1_000_000}
    context = {"form": form, "columns": csv_files.COLUMNS, "limits": limits}
    return render(request, "terminals/import.html", context)


@needs(Role.OPERATE)
@shows_then_acts
def preview(request: HttpRequest) -> HttpResponse:
    user = person(request)
    try:
        content = imports.kept(user, now=timezone.now())
    except HostKeyError as error:
        messages.error(request, _("The file can't be decrypted: %(reason)s.") % {"reason": error})
        return redirect("terminals:import")
    if content is None:
        messages.info(request, _("There is no file to import any more. Choose it again."))
        return redirect("terminals:import")
    plan = imports.plan_of(csv_files.read(content))
    form = ApplyForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and not plan.refused:
        try:
            if form.cleaned_data["basis"] != plan.basis:
                raise Overtaken
            imports.carry_out(plan)
        except Overtaken:
            messages.warning(
                request,
                _("Terminals have been changed since this preview. Nothing was imported; this is the new preview."),
            )
            return redirect("terminals:import_preview")
        except HostKeyError as error:
            messages.error(request, _("The passwords can't be encrypted: %(reason)s.") % {"reason": error})
            return redirect("terminals:import_preview")
        imports.give_up(user)
        messages.success(request, said(plan))
        return redirect("terminals:terminals")
    tables = [_refused(plan), _changed(plan), _added(plan)]
    context = {
        "plan": plan,
        "form": ApplyForm(initial={"basis": plan.basis}),
        "tables": [table for table in tables if table.rows],
        "shown": SHOWN,
    }
    return render(request, "terminals/import_preview.html", context)


@dataclass(frozen=True)
class Table:
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


def _refused(plan: Plan) -> Table:
    columns = [_("Row"), _("Number"), _("Column"), _("Reason")]
    rows = [[str(one.row), one.number, one.column, str(one.reason)] for one in plan.refused[:SHOWN]]
    return Table("refused", _("Refused"), columns, rows, len(plan.refused))


def _changed(plan: Plan) -> Table:
    columns = [_("Row"), _("Number"), _("Name"), _("Changed columns")]
    rows = [[*_named(one), ", ".join(one.changed)] for one in plan.changed[:SHOWN]]
    return Table("changed", _("Changed"), columns, rows, len(plan.changed))


def _added(plan: Plan) -> Table:
    columns = [_("Row"), _("Number"), _("Name"), _("Type"), _("MAC"), _("Address")]
    types = {one.pk: str(one) for one in TerminalType.objects.only("name")}
    rows = [
        [*_named(one), types[one.values["type"]], one.values["mac"] or "", one.values["address"]]
        for one in plan.added[:SHOWN]
    ]
    return Table("added", _("Added"), columns, rows, len(plan.added))


def _named(entry: Entry) -> list[str]:
    return [str(entry.row), entry.number, entry.values["name"]]


@needs(Role.OPERATE)
@require_POST
def give_up(request: HttpRequest) -> HttpResponse:
    imports.give_up(person(request))
    return redirect("terminals:terminals")


@require_safe
def export(_request: HttpRequest) -> HttpResponse:
    return csv_attachment("terminals.csv", csv_files.write(imports.exported()))


def csv_attachment(name: str, content: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # With a byte order mark, without which spreadsheets read another alphabet.
    return HttpResponse(f"\ufeff{content}", content_type="text/csv; charset=utf-8", headers=headers)


def said(plan: Plan) -> str:
    """What an import has done, in one sentence."""
    added = ngettext("%(count)s terminal added", "%(count)s terminals added", len(plan.added)) % {
        "count": len(plan.added)
    }
    changed = ngettext("%(count)s changed", "%(count)s changed", len(plan.changed)) % {"count": len(plan.changed)}
    return f"{added}, {changed}."
