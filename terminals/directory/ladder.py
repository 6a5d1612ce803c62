"""How far it is shown of one terminal that it is safe with the pair that is handed out, rung by rung (rule ladder)."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from pbxcerts.system import time_words
from terminals.drivers.base import DeliveryDriver
from terminals.models import Installation

Evidence = Installation.Evidence
EN_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Rung:
    """`symbol` (partials/_symbol.html) and `word` say the same; `said`: when and by what."""

    symbol: str
    title: str
    word: str
    said: str


def ladder(driver: DeliveryDriver, installation: Installation | None, now: datetime) -> list[Rung]:
    """`installation`: of the pair that is handed out, None where nothing of it is known."""
    return [_fetched(installation, now), _trusts(driver, installation), _checks(driver)]


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


def _trusts(driver: DeliveryDriver, row: Installation | None) -> Rung:
    title = _("Has shown that it trusts it")
    if row is not None and row.confirmed_at is not None and row.evidence == Evidence.PROVED:
        said = _("On %(at)s it connected over TLS to the proof listener, where pbxcerts presents this certificate.")
        return Rung("ok", title, _("yes"), said % {"at": _at(row.confirmed_at)})
    if row is not None and row.registered_since is not None:
        return _registered(driver, title, row)
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


def _registered(driver: DeliveryDriver, title: str, row: Installation) -> Rung:
    """Whoever checks a certificate has checked this one."""
    said = _(
        "On %(at)s it was registered at the communication server over TLS, since %(since)s: after the switch. Whoever checks"
        " certificates has accepted this one."
    )
    word = _("yes") if driver.checks.always else _("yes, if it checks")
    return Rung("ok", title, word, said % {"at": _at(row.registered_at), "since": _at(row.registered_since)})


def _by_person(title: str, row: Installation) -> Rung:
    said = _("%(name)s confirmed on %(at)s that it is installed. No connection shows it.")
    name = row.confirmed_by or _("A person")
    return Rung("user", title, _("a person's word"), said % {"name": name, "at": _at(row.confirmed_at)})


def _checks(driver: DeliveryDriver) -> Rung:
    title, checks = _("Checks certificates at all"), driver.checks
    if checks.always:
        return Rung("ok", title, _("yes"), _(checks.told))
    taken = _("A telephone that checks nothing takes any certificate, also a stranger's.")
    if not checks.told:
        return Rung("info", title, _("not known"), _("See the telephone's own settings.") + " " + taken)
    return Rung("info", title, _("as it is set"), _(checks.told) + " " + taken)


def _at(instant: datetime | None) -> str:
    return time_words.moment(instant) if instant is not None else EN_DASH
