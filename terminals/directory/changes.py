"""What a person changes about terminals. Another MAC is another one (rule another-telephone)."""

from collections.abc import Collection, Mapping
from typing import Any

from pbxcerts.system import sealing
from pbxcerts.system.sealing import SealedText
from pbxcerts.system.time import timekeeping
from terminals.answer_target import AnswerTarget, NotifyServer
from terminals.batches import execute, in_batches, one_writer, updates
from terminals.by_hand.models import Link
from terminals.checking.models import Checking, RenamedFiles
from terminals.drivers.registry import PROVISIONED_METHODS
from terminals.evidence.models import Discovered, Requester
from terminals.models import Installation, Terminal, TerminalType, new_path_secret
from terminals.past.models import PastInstallations


@one_writer()
def save(terminal: Terminal, values: Mapping[str, Any], *, password: str = "", forget_password: bool = False) -> bool:
    """Add or change one terminal. An empty `password` leaves the stored one, unless an answer made with it would go elsewhere now
    (rule kept-password). Whether it was deleted for that. Raises SealingError.
    """
    before, is_new = terminal.mac, terminal.pk is None
    stored = None if is_new else Terminal.objects.select_for_update().select_related("type").get(pk=terminal.pk)
    for name, value in values.items():
        held = vars(terminal).get(name)
        # What could not be shown was not emptied by anybody.
        if not (isinstance(held, SealedText) and held.is_lost and value == ""):
            setattr(terminal, name, value)
    goes = stored is not None and not password and lets_password_go(stored, terminal)
    if password:
        terminal.sip_password = sealing.seal(password.encode())
    elif forget_password or goes:
        terminal.sip_password = None
    if terminal.mac:
        no_longer_discovered([terminal.mac])
    if is_new:
        terminal.save()
        return False
    # Nothing else: meanwhile a contact or a token may have been written.
    terminal.save(update_fields=[*values, "sip_password"])
    if is_another_telephone(before, terminal.mac):
        forget([terminal.pk])
    return goes


def lets_password_go(stored: Terminal, changed: Terminal) -> bool:
    """Whether a terminal has a password whose answers would go elsewhere after this change (rule kept-password)."""
    if stored.sip_password is None:
        return False
    server = NotifyServer.now()
    return AnswerTarget.of_terminal(changed, server).lets_password_go(AnswerTarget.of_terminal(stored, server))


def terminal_of(phone: Discovered) -> Terminal:
    """What a discovered phone said of itself as a new terminal, not saved; without a type where its model is not known."""
    provisioned = TerminalType.objects.filter(method__in=PROVISIONED_METHODS)
    type_ = provisioned.filter(model=phone.model).exclude(model="").first()
    said = Terminal(mac=phone.mac, address=phone.address)
    if type_ is not None:
        said.type = type_
    return said


def addresses_asking_with(mac: str) -> list[str]:
    """From where somebody has asked with this MAC: more than one where not all of them can be the telephone (rule discovered)."""
    return list(Discovered.objects.filter(mac=mac).order_by("first_seen", "pk").values_list("address", flat=True))


def is_another_telephone(before: str | None, now: str | None) -> bool:
    """A MAC that was not known before is that of the same telephone."""
    return before is not None and before != now


def forget(terminals: Collection[int]) -> None:
    """Drop what these terminals trusted, fetched, proved and said of themselves; the rollout takes them in anew. What the
    telephone before had in its hands, opens nothing any more: its secret path, its token, its personal links.
    """
    now = timekeeping.machine_time()
    for some in in_batches(sorted(terminals)):
        Installation.objects.filter(terminal__in=some).delete()
        PastInstallations.objects.filter(terminal__in=some).delete()
        Requester.objects.filter(terminal__in=some).delete()
        Checking.objects.filter(terminal__in=some).delete()
        RenamedFiles.objects.filter(terminal__in=some).delete()
        Link.objects.filter(terminal__in=some, revoked_at=None).update(revoked_at=now)
        Terminal.objects.filter(pk__in=some).update(
            token_sha256="", firmware="", last_contact=None, last_address="", replaced_at=now
        )
    renew_paths(terminals)


def renew_paths(terminals: Collection[int]) -> None:
    """Give each of these terminals a new secret path; at the old one nobody gets anything any more."""
    secrets = [{"id": key, "path_secret": new_path_secret()} for key in sorted(terminals)]
    execute(updates(Terminal, secrets, match=["id"]))


def no_longer_discovered(macs: Collection[str]) -> None:
    """A telephone that is in the list is not one that is missing there, however it came into it."""
    for some in in_batches(sorted(macs)):
        Discovered.objects.filter(mac__in=some).delete()
