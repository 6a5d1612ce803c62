"""What a person changes about terminals. Another MAC is another telephone: what the one before confirmed no longer counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction

from terminals import credentials
from terminals.batches import in_batches
from terminals.models import Discovered, Installation, Methods, Terminal, TerminalType


@transaction.atomic
def save(terminal: Terminal, values: Mapping[str, Any], *, password: str = "", forget_password: bool = False) -> None:
    """Add or change one terminal. An empty `password` leaves the stored one. Raises HostKeyError."""
    before, is_new = terminal.mac, terminal.pk is None
    for name, value in values.items():
        setattr(terminal, name, value)
    if password:
        terminal.sip_password = credentials.seal(password)
    elif forget_password:
        terminal.sip_password = None
    if terminal.mac:
        no_longer_discovered([terminal.mac])
    if is_new:
        terminal.save()
        return
    # Nothing else: meanwhile a contact or a token may have been written.
    terminal.save(update_fields=[*values, "sip_password"])
    if is_another_telephone(before, terminal.mac):
        forget([terminal.pk])


def terminal_of(phone: Discovered) -> Terminal:
    """What a discovered phone said of itself as a new terminal, not saved; without a type where its model is not known."""
    type_ = TerminalType.objects.filter(method=Methods.MITEL_SIP, model=phone.model).exclude(model="").first()
    said = Terminal(mac=phone.mac, address=phone.address)
    if type_ is not None:
        said.type = type_
    return said


def is_another_telephone(before: str | None, now: str | None) -> bool:
    """A MAC that was not known before is that of the same telephone."""
    return before is not None and before != now


def forget(terminals: Collection[int]) -> None:
    """Drop what these terminals trusted, proved and said of themselves; the rollout takes them in anew."""
    for some in in_batches(sorted(terminals)):
        Installation.objects.filter(terminal__in=some).delete()
        Terminal.objects.filter(pk__in=some).update(token_sha256="", firmware="", last_contact=None, last_address="")


def no_longer_discovered(macs: Collection[str]) -> None:
    """A telephone that is in the list is not one that is missing there, however it came into it."""
    for some in in_batches(sorted(macs)):
        Discovered.objects.filter(mac__in=some).delete()
