"""Import of terminals from a CSV file: what would be added, changed and refused, and then all of it or nothing.

Between its preview and its import the file stays here, one for each person, at most as large as `csv_files` allows, for an
hour. A form that had it uploaded twice would need a person to choose the same file again, which no browser does for them;
in a session every page would load it; in a hidden field its passwords would lie in the page. It is encrypted with the key
list, because it may hold SIP passwords, and deleted when it is imported or given up; what is too old, at the next look at any.

ImportRefused        nothing was imported
├── HasRefusals      `plan` says which rows and why
└── Overtaken        terminals or types are not as they were in the preview
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import InvalidToken
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from pbxcerts.system.models import User
from terminals import changes, credentials
from terminals.batches import execute, in_batches, updates
from terminals.csv_files import COLUMNS, Row
from terminals.forms.terminals import RowForm
from terminals.models import ImportFile, Terminal, TerminalType

KEPT_FOR = timedelta(hours=1)
STORED = tuple(column for column in COLUMNS if column != "sip_password")
NEW = dict.fromkeys(COLUMNS, "") | {"transport": "udp", "enabled": "true"}


class ImportRefused(Exception):
    pass


class HasRefusals(ImportRefused):
    def __init__(self, plan: Plan) -> None:
        super().__init__(f"{len(plan.refused)} rows are refused")
        self.plan = plan


class Overtaken(ImportRefused):
    pass


@dataclass(frozen=True)
class Refusal:
    """`column` is empty where the reason concerns the whole row."""

    row: int
    number: str
    column: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A terminal as it will be. `key`: its row, None for a new one; `changed`: the columns that differ from what is stored."""

    row: int
    values: Mapping[str, Any]
    password: str = ""
    key: int | None = None
    changed: tuple[str, ...] = ()
    mac_before: str | None = None

    @property
    def number(self) -> str:
        return str(self.values["number"])


@dataclass
class Plan:
    """`basis` stands for all terminals and types as they were read: as long as it is the same, so is the plan of a file."""

    basis: str
    added: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)

    @property
    def refused_rows(self) -> int:
        return len({refusal.row for refusal in self.refused})


# -- terminals as rows -------------------------------------------------------------------------------------------------


def cells(values: Mapping[str, Any]) -> dict[str, str]:
    """A terminal as the cells of a row. `type` is the name of its type."""
    return {
        column: str(value) if value is not None else ""
        for column, value in {**values, "enabled": "true" if values["enabled"] else "false"}.items()
    }


def exported() -> Iterable[dict[str, str]]:
    """All terminals by number, without credentials."""
    names = dict(TerminalType.objects.values_list("pk", "name"))
    for values in Terminal.objects.order_by("number").values(*STORED):
        yield cells(values | {"type": names[values["type"]]})


# -- what a file would do ----------------------------------------------------------------------------------------------


def plan_of(rows: Sequence[Row]) -> Plan:
    """What these rows would do, without doing it. Three queries; each row is judged by the rules of the page."""
    types = list(TerminalType.objects.all())
    stored = _stored()
    plan = Plan(basis=_basis(stored, types))
    names = {one.pk: one.name for one in types}
    # By the names that the file of an export has, or that the pages show.
    form = RowForm(types={name.lower(): one for one in types for name in (str(one), one.name)})
    rows_of_number: dict[str, int] = {}
    for row in rows:
        number = row.cells.get("number", "").strip()
        before = stored.get(number)
        known = cells({name: before[name] for name in STORED} | {"type": names[before["type"]]}) if before else NEW
        # An empty cell is a value, but that of a switch is its default.
        given = {name: cell for name, cell in row.cells.items() if name != "enabled" or cell.strip()}
        if not form.judge({**known, "sip_password": "", **given}):
            plan.refused += _refusals(row, number, form)
        elif number in rows_of_number:
            reason = _("The number %(number)s stands in row %(row)s already.")
            said = reason % {"number": number, "row": rows_of_number[number]}
            plan.refused.append(Refusal(row.number, number, "number", said))
        else:
            rows_of_number[number] = row.number
            _sort_in(plan, row, dict(form.cleaned_data), before)
    _refuse_taken_macs(plan, stored)
    return plan


def _refusals(row: Row, number: str, form: RowForm) -> list[Refusal]:
    return [
        Refusal(row.number, number, name if name in COLUMNS else "", " ".join(str(text) for text in texts))
        for name, texts in form.errors.items()
    ]


def _sort_in(plan: Plan, row: Row, values: dict[str, Any], before: Mapping[str, Any] | None) -> None:
    password = values.pop("sip_password")
    values["type"] = values["type"].pk
    if before is None:
        plan.added.append(Entry(row.number, values, password))
        return
    differing = [name for name in STORED if values[name] != before[name]]
    # A password is written, never read: whether it is another one is not known.
    changed = (*differing, *(["sip_password"] if password else []))
    if changed:
        plan.changed.append(Entry(row.number, values, password, before["id"], changed, before["mac"]))
    else:
        plan.unchanged += 1


def _refuse_taken_macs(plan: Plan, stored: Mapping[str, Mapping[str, Any]]) -> None:
    """By how it would be afterwards: a file may exchange the MACs of two terminals."""
    replaced = {entry.number for entry in plan.changed}
    holders = {one["mac"]: number for number, one in stored.items() if one["mac"] and number not in replaced}
    rows: dict[str, int] = {}
    taken: list[Entry] = []
    for entry in sorted([*plan.added, *plan.changed], key=lambda entry: entry.row):
        mac = entry.values["mac"]
        if mac is None:
            continue
        if mac in rows:
            said = _("The MAC %(mac)s stands in row %(row)s already.") % {"mac": mac, "row": rows[mac]}
        elif mac in holders:
            said = _("The MAC %(mac)s belongs to the terminal %(number)s.") % {"mac": mac, "number": holders[mac]}
        else:
            rows[mac] = entry.row
            continue
        taken.append(entry)
        plan.refused.append(Refusal(entry.row, entry.number, "mac", said))
    keys = {entry.row for entry in taken}
    plan.added = [entry for entry in plan.added if entry.row not in keys]
    plan.changed = [entry for entry in plan.changed if entry.row not in keys]
    plan.refused.sort(key=lambda refusal: refusal.row)


def _stored() -> dict[str, dict[str, Any]]:
    return {values["number"]: values for values in Terminal.objects.order_by("number").values("id", *STORED)}


def _basis(stored: Mapping[str, Mapping[str, Any]], types: Iterable[TerminalType]) -> str:
    digest = hashlib.sha256()
    for one in sorted(types, key=lambda one: one.pk):
        digest.update(repr((one.pk, one.name, one.method, one.way, one.event)).encode())
    for values in stored.values():
        digest.update(repr(tuple(values.values())).encode())
    return digest.hexdigest()


# -- doing it ----------------------------------------------------------------------------------------------------------


def carry_out(plan: Plan) -> None:
    """Add and change all terminals of the plan. Raises ImportRefused or HostKeyError; then nothing has changed."""
    if plan.refused:
        raise HasRefusals(plan)
    sealed = _sealed(plan)
    try:
        with transaction.atomic():
            if _basis(_stored(), TerminalType.objects.all()) != plan.basis:
                raise Overtaken
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
        raise Overtaken from error


def _change(entries: Sequence[Entry], sealed: Mapping[int, bytes]) -> None:
    moved = [entry.key for entry in entries if entry.key and "mac" in entry.changed and entry.mac_before is not None]
    for some in in_batches(moved):
        # Two terminals may exchange their MACs, and no two may have the same at any moment.
        Terminal.objects.filter(pk__in=some).update(mac=None)
    values = [{"id": entry.key, **entry.values} for entry in entries]
    passwords = [{"id": entry.key, "sip_password": sealed[entry.row]} for entry in entries if entry.password]
    execute([*updates(Terminal, values, match=["id"]), *updates(Terminal, passwords, match=["id"])])
    changes.forget(
        [
            entry.key
            for entry in entries
            if entry.key and changes.is_another_telephone(entry.mac_before, entry.values["mac"])
        ]
    )


def _sealed(plan: Plan) -> dict[int, bytes]:
    """The passwords by row, encrypted before the transaction: nobody waits for it."""
    with_password = [entry for entry in [*plan.added, *plan.changed] if entry.password]
    if not with_password:
        return {}
    cipher = credentials.cipher()
    return {entry.row: cipher.encrypt(entry.password.encode()) for entry in with_password}


# -- the file between preview and import -------------------------------------------------------------------------------


def keep(user: User, content: bytes, *, now: datetime) -> None:
    """In place of the one before. Raises HostKeyError."""
    sealed = credentials.cipher().encrypt(content)
    _drop_old(now)
    ImportFile.objects.update_or_create(user=user, defaults={"content": sealed, "uploaded_at": now})


def kept(user: User, *, now: datetime) -> bytes | None:
    """None where there is none any more. Raises HostKeyError."""
    _drop_old(now)
    row = ImportFile.objects.filter(user=user).first()
    try:
        return credentials.cipher().decrypt(bytes(row.content)) if row else None
    except InvalidToken:
        # The key list was replaced in this hour: choose the file again.
        return None


def _drop_old(now: datetime) -> None:
    """Everybody's, also those of persons who never came back to them."""
    ImportFile.objects.filter(uploaded_at__lt=now - KEPT_FOR).delete()


def give_up(user: User) -> None:
    ImportFile.objects.filter(user=user).delete()
