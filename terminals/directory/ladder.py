"""How far it is shown of one terminal that it is safe with the pair that is handed out, rung by rung (rule ladder)."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from pbxcerts.system.time import time_words
from terminals.checking.models import Checking
from terminals.drivers.base import DeliveryDriver
from terminals.models import Installation

Evidence = Installation.Evidence
EMPTYING = (Checking.State.OFF, Checking.State.EMPTIED)
EN_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Rung:
    """`symbol` (partials/_symbol.html) and `word` say the same; `said`: when and by what."""

    symbol: str
    title: str
    word: str
    said: str


def ladder(
    driver: DeliveryDriver,
    installation: Installation | None,
    now: datetime,
    checking: Checking | None = None,
    *,
    by_itself: bool = False,
) -> list[Rung]:
    """`installation`: of the pair that is handed out, None where nothing of it is known. `checking`: what became of telling it to check,
    None where it was not told. `by_itself`: its type says that the site's own configuration lets it check.
    """
    if checking is not None and checking.method != driver.name:
        checking = None
    return [
        _fetched(installation, now),
        _trusts(driver, installation, checking),
        _checks(driver, checking, by_itself=by_itself),
    ]


def _fetched(row: Installation | None, now: datetime) -> Rung:
    title = _("Has fetched it")
    if row is None or not row.evidence:
        opened = row is not None and row.state == Installation.State.DOWNLOADED
        said = (
            _("Its personal link was opened on %(at)s; that is no installation yet.")
            if opened
            else _("Nothing shows it yet.")
        )
        return Rung("info", title, _("not yet"), said % {"at": _at(row.fetched_at if row else None)})
    if row.evidence == Evidence.UNPROVED and row.confirmed_at is None:
        said = _("On %(at)s somebody fetched it from %(address)s. Nothing shows that it was this terminal.")
        return Rung(
            "serious", title, _("unproved"), said % {"at": _at(row.fetched_at), "address": row.address or EN_DASH}
        )
    if row.evidence == Evidence.PERSON:
        return _by_person(title, row)
    if row.evidence in {Evidence.REPORTED, Evidence.PROVED}:
        said = _("By its own report, with its token, of %(at)s.") % {"at": _at(row.fetched_at or row.confirmed_at)}
        return Rung("ok", title, _("yes"), said)
    return Rung("ok", title, _("yes"), _of_fetch(row, now))


def _of_fetch(row: Installation, now: datetime) -> str:
    said = [_("It did so on %(at)s.") % {"at": _at(row.fetched_at or row.confirmed_at)}]
    if row.proof:
        said.append(_("What shows that it was this terminal: %(proof)s.") % {"proof": row.get_proof_display()})
    if row.doubt_until is not None and row.doubt_until > now:
        at = {"at": _at(row.doubt_until)}
        said.append(_("It counts for the switch from %(at)s: until then another address would take it back.") % at)
    return " ".join(said)


def _trusts(driver: DeliveryDriver, row: Installation | None, checking: Checking | None) -> Rung:
    title = _("Has shown that it trusts it")
    if row is not None and _came_back_to(driver, row, checking) and checking is not None:
        said = _("It was told to check, and came back over TLS on %(at)s, when pbxcerts presented this certificate.")
        said %= {"at": _at(checking.shown_at)}
        if _may_ignore_it(driver):
            not_sure = _("Newer firmware may ignore what it was told, and nothing would show that.")
            return Rung("ok", title, _("yes, if it checks"), f"{said} {not_sure}")
        return Rung("ok", title, _("yes"), said)
    if row is not None and row.confirmed_at is not None and row.evidence == Evidence.PROVED:
        said = _("On %(at)s it connected over TLS to the proof listener, where pbxcerts presents this certificate.")
        return Rung("ok", title, _("yes"), said % {"at": _at(row.confirmed_at)})
    if row is not None and row.registered_since is not None:
        return _registered(driver, title, row, checking)
    if row is not None and row.evidence == Evidence.REPORTED:
        return Rung(
            "info", title, _("not yet"), _("It says so; its connection to the proof listener is still to come.")
        )
    if row is not None and row.evidence == Evidence.PERSON:
        return _by_person(title, row)
    if row is not None and row.registered_at is not None:
        said = _(
            "On %(at)s it was registered at the communication server, but it is connected since before the switch, or not over TLS: not"
            " proved yet."
        )
        return Rung("info", title, _("not yet"), said % {"at": _at(row.registered_at)})
    said = _("Nothing shows it yet: a call or a registration over TLS after the switch would.")
    return Rung("info", title, _("not yet"), said)


def _came_back_to(driver: DeliveryDriver, row: Installation, checking: Checking | None) -> bool:
    """Whether the telephone, when it came back, was presented this generation over a connection that its check covers."""
    switch = driver.checks.switch
    if checking is None or checking.state != Checking.State.SHOWN or switch is None or not switch.covers_files:
        return False
    served_since = row.generation.activated_at
    return served_since is not None and checking.shown_at is not None and served_since <= checking.shown_at


def _may_ignore_it(driver: DeliveryDriver) -> bool:
    return driver.checks.switch is not None and driver.checks.switch.may_be_ignored


def _registered(driver: DeliveryDriver, title: str, row: Installation, checking: Checking | None) -> Rung:
    """Whoever checks a certificate has checked this one; who was told to and had read it before checks, if its firmware heeds that."""
    checks, told = driver.checks.always, {Checking.State.READ, Checking.State.SHOWN}
    if checking is not None and checking.state in told and not _may_ignore_it(driver):
        since = row.registered_since
        checks = checks or (since is not None and checking.read_at is not None and checking.read_at <= since)
    said = _(
        "On %(at)s it was registered at the communication server over TLS, since %(since)s: after the switch. Whoever checks"
        " certificates has accepted this one."
    )
    word = _("yes") if checks else _("yes, if it checks")
    return Rung("ok", title, word, said % {"at": _at(row.registered_at), "since": _at(row.registered_since)})


def _by_person(title: str, row: Installation) -> Rung:
    said = _("%(name)s confirmed on %(at)s that it is installed. No connection shows it.")
    name = row.confirmed_by or _("A person")
    return Rung("user", title, _("a person's word"), said % {"name": name, "at": _at(row.confirmed_at)})


def _checks(driver: DeliveryDriver, checking: Checking | None, *, by_itself: bool) -> Rung:
    title, checks = _("Checks certificates at all"), driver.checks
    if checks.always:
        return Rung("ok", title, _("yes"), _(checks.told))
    if checking is not None and checking.state != Checking.State.TOLD:
        return _turned_on(title, driver, checking)
    if by_itself:
        said = _("Its type says that your own configuration lets it check. pbxcerts can't see that.")
        return Rung("user", title, _("a person's word"), said)
    taken = _("A telephone that checks nothing takes any certificate, also a stranger's.")
    if not checks.told:
        return Rung("info", title, _("not known"), _("See the telephone's own settings.") + " " + taken)
    said = _(checks.told) + " " + taken
    if checking is not None:
        told = _("pbxcerts told it to check on %(at)s; it has not taken that yet.") % {"at": _at(checking.asked_at)}
        said = f"{said} {told}"
    return Rung("info", title, _("as it is set"), said)


def _turned_on(title: str, driver: DeliveryDriver, checking: Checking) -> Rung:
    at = {name: _at(getattr(checking, name)) for name in ("read_at", "due_at", "shown_at", "taken_back_at", "off_at")}
    read = _("Turned on by pbxcerts: it read so on %(read_at)s.") % at
    switch = driver.checks.switch
    if checking.state == Checking.State.READ:
        due = _("If it does not come back until %(due_at)s, that is taken back.") % at
        return Rung("info", title, _("turned on"), f"{read} {due}")
    if checking.state in EMPTYING or checking.why == Checking.Why.ROOM:
        return Rung("info", title, _("turned off to empty its list"), _emptying(checking))
    if checking.state == Checking.State.TAKEN_BACK:
        back = _("On %(at)s it was taken back: %(why)s.") % {
            "at": at["taken_back_at"],
            "why": checking.get_why_display(),
        }
        off = _("It read so on %(off_at)s.") % at if checking.off_at else _("It has not read so yet.")
        return Rung("serious", title, _("taken back"), " ".join([*([read] if checking.read_at else []), back, off]))
    reset = _(
        "That it does check since then is by its maker's documents alone; a reset to its factory setting turns it off. Nothing would show"
        " either."
    )
    if switch is not None and switch.covers_files:
        back = _("It came back over TLS on %(shown_at)s, and the check covers that connection.") % at
        return Rung("ok", title, _("turned on"), f"{read} {back} {reset}")
    back = (
        _(
            "It came back for its files on %(shown_at)s. The check does not cover them: that it can call, only a call shows."
        )
        % at
    )
    return Rung("info", title, _("turned on"), f"{read} {back} {reset}")


def _emptying(checking: Checking) -> str:
    """At which step it is (rule emptied-list)."""
    at = {name: _at(getattr(checking, name)) for name in ("asked_at", "off_at", "read_at", "due_at", "shown_at")}
    if checking.state == Checking.State.TAKEN_BACK:
        return (
            _(
                "Its list of certificates is full. pbxcerts told it on %(asked_at)s to check no longer, so that the list can be emptied; it"
                " has not taken that yet."
            )
            % at
        )
    if checking.state == Checking.State.OFF:
        said = (
            _("It took on %(off_at)s that it checks no longer. With its next contact it is told to empty its list.")
            % at
        )
    elif checking.shown_at is None:
        said = (
            _(
                "It took on %(read_at)s that it empties its list. With its next contact it is told the served certificate again, and to check"
                " after that."
            )
            % at
        )
    else:
        said = (
            _(
                "It emptied its list on %(read_at)s and took the served certificate again on %(shown_at)s. It is told to check in its turn,"
                " when a person has seen the first emptied list of its type."
            )
            % at
        )
    if checking.why:
        said += (
            " "
            + _("It did not come back until %(due_at)s: no other list of its type is emptied until a person goes on.")
            % at
        )
    return said


def _at(instant: datetime | None) -> str:
    return time_words.moment(instant) if instant is not None else EN_DASH
