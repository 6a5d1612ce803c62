"""Import of terminals from a CSV file: what would be added, changed and refused, and then all of it or nothing. Between the two
the file stays in `terminals.directory.csv.waiting_upload`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pbxcerts.system import sealing
from pbxcerts.system.pages.invisible import shown
from terminals.answer_target import AnswerTarget, NotifyServer
from terminals.batches import execute, in_batches, one_writer, updates
from terminals.directory import changes
from terminals.directory.csv.csv_files import COLUMNS, EXPORTED, CsvRow
from terminals.directory.csv.errors import ImportOvertaken, RowsRefused
from terminals.directory.csv.exports import cells
from terminals.directory.row_form import RowForm
from terminals.mac_words import with_colons
from terminals.models import Terminal, TerminalType

NEW = dict.fromkeys(COLUMNS, "") | {"transport": "udp", "enabled": "true"}


@dataclass(frozen=True)
class RowRefusal:
    """`column` is empty where the reason concerns the whole row."""

    row: int
    number: str
    column: str
    reason: str


@dataclass(frozen=True)
class ImportEntry:
    """A terminal as it will be. `key`: its row, None for a new one; `changed`: the columns that differ from what is stored,
    which is `before`.
    `password_goes`: its stored password is deleted, because the answer made with it would go elsewhere (rule kept-password).
    """

    row: int
    values: Mapping[str, Any]
    password: str = ""
    key: int | None = None
    changed: tuple[str, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    password_goes: bool = False

    @property
    def number(self) -> str:
        return str(self.values["number"])


@dataclass
class ImportPlan:
    """`basis` stands for all terminals and types as they were read: as long as it is the same, so is the plan of a file."""

    basis: str
    added: list[ImportEntry] = field(default_factory=list)
    changed: list[ImportEntry] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RowRefusal] = field(default_factory=list)

    @property
    def losing_password(self) -> list[ImportEntry]:
        return [entry for entry in self.changed if entry.password_goes]

    @property
    def password_sentence(self) -> str:
        """How many stored passwords the import deletes; "" where it deletes none."""
        count = len(self.losing_password)
        if not count:
            return ""
        said = ngettext(
            "%(count)s stored SIP password is deleted, because the answer made with it would go elsewhere.",
            "%(count)s stored SIP passwords are deleted, because the answers made with them would go elsewhere.",
            count,
        )
        return said % {"count": count}

    @property
    def refused_rows(self) -> int:
        return len({refusal.row for refusal in self.refused})


# -- what a file would do ----------------------------------------------------------------------------------------------


def plan_of(rows: Sequence[CsvRow], *, taken_for: Mapping[str, TerminalType] | None = None) -> ImportPlan:
    """What these rows would do, without doing it. Five queries; each row is judged by the rules of the page.

    `taken_for`: what names of types that are none are taken for, by the name in lower case.
    """
    types = list(TerminalType.objects.all())
    stored = _stored()
    server = NotifyServer.now()
    plan = ImportPlan(basis=_basis(stored, types, server))
    names = {one.pk: one.name for one in types}
    # By the names that the file of an export has, or that the pages show.
    targets = _Targets({one.pk: one.way for one in types}, server)
    form = RowForm(types={**(taken_for or {}), **{name.lower(): one for one in types for name in (str(one), one.name)}})
    rows_of_number: dict[str, int] = {}
    for row in rows:
        number = row.cells.get("number", "").strip()
        before = stored.get(number)
        known = cells({name: before[name] for name in EXPORTED} | {"type": names[before["type"]]}) if before else NEW
        # An empty cell is a value, but that of a switch is its default.
        given = {name: cell for name, cell in row.cells.items() if name != "enabled" or cell.strip()}
        if not form.judge({**known, "sip_password": "", **given}):
            plan.refused += _refusals(row, number, form)
        elif number in rows_of_number:
            reason = _("The number %(number)s stands in row %(row)s already.")
            said = reason % {"number": number, "row": rows_of_number[number]}
            plan.refused.append(RowRefusal(row.number, number, "number", said))
        else:
            rows_of_number[number] = row.number
            _sort_in(plan, row, dict(form.cleaned_data), before, targets)
    _refuse_taken_macs(plan, stored)
    return plan


def _refusals(row: CsvRow, number: str, form: RowForm) -> list[RowRefusal]:
    return [
        RowRefusal(row.number, number, name if name in COLUMNS else "", shown(" ".join(str(text) for text in texts)))
        for name, texts in form.errors.items()
    ]


@dataclass(frozen=True)
class _Targets:
    """Where answers go, by the ways of the types."""

    ways: Mapping[int, str]
    server: NotifyServer

    def let_password_go(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        return bool(before["has_password"]) and self._target(after).lets_password_go(self._target(before))

    def _target(self, values: Mapping[str, Any]) -> AnswerTarget:
        return AnswerTarget.of(values, way_of_type=self.ways[values["type"]], server=self.server)


def _sort_in(
    plan: ImportPlan, row: CsvRow, values: dict[str, Any], before: Mapping[str, Any] | None, targets: _Targets
) -> None:
    password = values.pop("sip_password")
    values["type"] = values["type"].pk
    if before is None:
        plan.added.append(ImportEntry(row.number, values, password))
        return
    differing = [name for name in EXPORTED if values[name] != before[name]]
    # A password is written, never read: whether it is another one is not known.
    changed = (*differing, *(["sip_password"] if password else []))
    if changed:
        goes = not password and targets.let_password_go(before, values)
        plan.changed.append(ImportEntry(row.number, values, password, before["id"], changed, before, goes))
    else:
        plan.unchanged += 1


def _refuse_taken_macs(plan: ImportPlan, stored: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse rows whose MAC two terminals would have after the import; a file may exchange the MACs of two."""
    replaced = {entry.number for entry in plan.changed}
    holders = {one["mac"]: number for number, one in stored.items() if one["mac"] and number not in replaced}
    rows: dict[str, int] = {}
    taken: list[ImportEntry] = []
    for entry in sorted([*plan.added, *plan.changed], key=lambda entry: entry.row):
        mac = entry.values["mac"]
        if mac is None:
            continue
        if mac in rows:
            said = _("The MAC %(mac)s stands in row %(row)s already.") % {"mac": with_colons(mac), "row": rows[mac]}
        elif mac in holders:
            said = _("The MAC %(mac)s belongs to the terminal %(number)s.") % {
                "mac": with_colons(mac),
                "number": holders[mac],
            }
        else:
            rows[mac] = entry.row
            continue
        taken.append(entry)
        plan.refused.append(RowRefusal(entry.row, entry.number, "mac", said))
    keys = {entry.row for entry in taken}
    plan.added = [entry for entry in plan.added if entry.row not in keys]
    plan.changed = [entry for entry in plan.changed if entry.row not in keys]
    plan.refused.sort(key=lambda refusal: refusal.row)


def _stored() -> dict[str, dict[str, Any]]:
    rows = Terminal.objects.annotate(has_password=Q(sip_password__isnull=False)).order_by("number")
    return {values["number"]: values for values in rows.values("id", "has_password", *EXPORTED)}


def _basis(stored: Mapping[str, Mapping[str, Any]], types: Iterable[TerminalType], server: NotifyServer) -> str:
    digest = hashlib.sha256(repr(server).encode())
    for one in sorted(types, key=lambda one: one.pk):
        digest.update(repr((one.pk, one.name, one.method, one.way, one.event)).encode())
    for values in stored.values():
        digest.update(repr(tuple(values.values())).encode())
    return digest.hexdigest()


# -- doing it ----------------------------------------------------------------------------------------------------------


def carry_out(plan: ImportPlan) -> None:
    """Add and change all terminals of the plan. Raises ImportRefused or SealingError; then nothing has changed."""
    if plan.refused:
        raise RowsRefused(plan.refused_rows)
    sealed = _sealed(plan)
    try:
        with one_writer():
            if _basis(_stored(), TerminalType.objects.all(), NotifyServer.now()) != plan.basis:
                raise ImportOvertaken
            # Changes first: a new terminal may get the MAC that another gives up.
            _change(plan.changed, sealed)
            Terminal.objects.bulk_create(
                [
                    Terminal(
                        **{name: value for name, value in entry.values.items() if name != "type"},
                        type_id=entry.values["type"],
                        sip_password=sealed.get(entry.row),
                    )
                    for entry in plan.added
                ],
                batch_size=500,
            )
            changes.no_longer_discovered(
                [entry.values["mac"] for entry in [*plan.added, *plan.changed] if entry.values["mac"]]
            )
    except IntegrityError as error:
        # Where transactions do not wait for each other, somebody may have added the same number since the look above.
        raise ImportOvertaken from error


def _change(entries: Sequence[ImportEntry], sealed: Mapping[int, bytes]) -> None:
    moved = [entry.key for entry in entries if entry.key and "mac" in entry.changed and entry.before["mac"] is not None]
    for some in in_batches(moved):
        # Two terminals may exchange their MACs, and no two may have the same at any moment.
        Terminal.objects.filter(pk__in=some).update(mac=None)
    values = [{"id": entry.key, **entry.values} for entry in entries]
    passwords: list[dict[str, Any]] = [
        {"id": entry.key, "sip_password": sealed[entry.row]} for entry in entries if entry.password
    ]
    passwords += [{"id": entry.key, "sip_password": None} for entry in entries if entry.password_goes]
    execute([*updates(Terminal, values, match=["id"]), *updates(Terminal, passwords, match=["id"])])
    changes.forget(
        [
            entry.key
            for entry in entries
            if entry.key and changes.is_another_telephone(entry.before["mac"], entry.values["mac"])
        ]
    )


def _sealed(plan: ImportPlan) -> dict[int, bytes]:
    """The passwords by row, encrypted before the transaction: nobody waits for it."""
    with_password = [entry for entry in [*plan.added, *plan.changed] if entry.password]
    if not with_password:
        return {}
    cipher = sealing.cipher()
    return {entry.row: cipher.encrypt(entry.password.encode()) for entry in with_password}
