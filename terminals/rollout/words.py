"""What states, reactions and failures are called, and what a person can do about them."""

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.time import time_words
from terminals.drivers.base import Reaction
from terminals.drivers.registry import driver_of
from terminals.models import Installation, Rollout, TerminalType
from terminals.rollout.claims import NO_WAY, NOT_BACK, NOT_CONFIRMED
from terminals.sip.errors import Silence, Unanswered
from terminals.states import DeliveryState

REQUEST_TIMEOUT = 408
PROXY_AUTHENTICATION_REQUIRED = 407

FAILURES: dict[str, tuple[str | Promise, str | Promise]] = {
    NOT_BACK: (
        _("It answered and did not come back within 45 minutes."),
        _("See whether the telephone has started again and can fetch its files from pbxcerts."),
    ),
    NOT_CONFIRMED: (
        _("It came back and did not take the certificates within 45 minutes."),
        _("See whether its configuration names the trust file, and whether the telephone was restarted."),
    ),
    "refused": (
        _("It refuses the notification."),
        _("See whether the telephone, or the communication server, lets pbxcerts send NOTIFY requests."),
    ),
    "credentials": (
        _("It wants a user and a password that are not known here, or not right."),
        _("Enter the SIP user and the password of this terminal, or the account at the communication server."),
    ),
    Unanswered.OTHER_REALM.value: (
        _("It asks for a user and a password of the realm “%(realm)s”, and there are none for it."),
        _("Enter them at this terminal, with this realm. An administrator can take the realm over on its page."),
    ),
    Unanswered.NO_QOP.value: (
        _(
            "It asks for a user and a password in an old form (without qop), over a connection that proves nothing: from the"
            " answer the password could be found."
        ),
        _("Notify it through the communication server over TLS, or allow the old form at its type."),
    ),
    Unanswered.MUTE.value: (
        _("It asked for a user and a password, and said nothing to the answer. So it is there."),
        _(
            "Some telephones say nothing where the password is wrong, and one that restarts at once can't. See whether it"
            " fetches its files; else correct the password and retry."
        ),
    ),
    "not_supported": (
        _("It does not know this notification."),
        _("Give its type another event string, or deliver its certificates by hand."),
    ),
    NO_WAY: (
        _("It can't be notified: no address is set."),
        _("Enter an address for this terminal, or the address of the outbound proxy under Delivery."),
    ),
    "other": (
        _("It answered something else."),
        _("The status code is in this terminal's history."),
    ),
    Silence.UNRESOLVED.value: (
        _("The communication server's name can't be resolved."),
        _("See whether the outbound proxy under Delivery is right, and whether its name can be looked up here."),
    ),
    Silence.UNREACHABLE.value: (
        _("The notification target accepts no connection."),
        _(
            "See whether address, port and transport are right: of the outbound proxy under Delivery, or of this terminal."
        ),
    ),
    Silence.UNTRUSTED.value: (
        _("Where its notification is sent, another certificate than ours is presented."),
        _(
            "See whether the communication server has loaded the active pair, and is named in it as it is under Delivery."
        ),
    ),
}
"""Reason and hint of each value of `Installation.failure`; the last three are of absent ones."""

REFUSALS: dict[str, str | Promise] = {
    "400": _("The request can't be read."),
    "404": _("There is nothing at this address."),
    "405": _("Nothing can be written or changed here."),
    "408": _("The request came too slowly."),
    "413": _("The request is too large."),
    "431": _("The head of the request is too large."),
    "bad_report": _("The report of an IP system phone can't be read."),
    "foreign_mac": _("A telephone asked for the files of another one."),
    "no_token": _("A report or a proof came without a token."),
    "no_trust_file": _("There is no pair to hand out yet, or nothing says how terminals reach pbxcerts."),
    "no_window": _("A telephone asked over plain HTTP, and no bootstrap window is open for it."),
    "store_undecided": _(
        "The database is not the one of what is served: nothing is handed out until a person decides."
    ),
    "unknown_path": _("A secret part of the address is wrong, or its terminal is gone."),
    "unknown_phone": _("The telephone is not in the list."),
    "unknown_version": _("The trust file is one of an earlier or unknown version."),
    "wrong_token": _("The token is not known, or it was revoked."),
    "wrong_type": _("A terminal whose type does not report sent a report."),
}
"""Why a terminals' listener refused a request; other statuses stand for themselves."""


def state(installation: Installation, method: str) -> str:
    """The state of an installation in words. *Heard* means "restarting" only if the method restarts terminals."""
    if installation.state != DeliveryState.HEARD:
        # As get_state_display, which looks through all choices anew for each row of a list.
        return str(Installation.State(installation.state).label)
    return gettext("restarting") if driver_of(method).capabilities.restarts else gettext("answered")


def failure(installation: Installation) -> tuple[str, str]:
    """Why an installation failed and what to do about it; empty where it did not."""
    code, realm = installation.failure, installation.challenge_realm
    if code == "credentials" and realm:
        return gettext("The user or the password for the realm “%(realm)s” is not right.") % {"realm": realm}, gettext(
            "Enter the SIP user and the password of this terminal anew, or the account at the communication server."
        )
    reason, hint = FAILURES.get(code, ("", ""))
    if code == Unanswered.OTHER_REALM:
        reason = str(reason) % {"realm": realm or "-"}
        if installation.status_code == PROXY_AUTHENTICATION_REQUIRED:
            hint = gettext(
                "It is a server on the way that asks: enter the account, and this realm as SIP domain, under Delivery."
            )
    return str(reason), str(hint)


def silence(installation: Installation, method: str) -> str:
    """What it can mean that nothing came back to a notification; "" where something did. A 408 says so in the server's name."""
    nothing = installation.status_code is None or installation.status_code == REQUEST_TIMEOUT
    asked = installation.reaction == Reaction.ABSENT and not installation.failure
    return gettext(driver_of(method).silence) if nothing and asked else ""


def why_missing(installation: Installation | None) -> str:
    """In few words why a terminal has not confirmed yet."""
    if installation is None:
        return str(Installation.State.WAITING.label)
    if installation.state == DeliveryState.FAILED:
        return failure(installation)[0] or str(Installation.State.FAILED.label)
    if installation.doubt_until is not None and installation.confirmed_at is not None:
        return gettext("confirmed; that counts from %(at)s, if no other address asks for its files until then") % {
            "at": time_words.moment(installation.doubt_until)
        }
    if installation.state == DeliveryState.UNPROVED:
        return gettext("its trust file was fetched from %(address)s, and nothing shows that it did it") % {
            "address": installation.address
        }
    return str(Installation.State(installation.state).label)


def full(type_: TerminalType, *, for_served: bool) -> str:
    """That a telephone of this type is full, and what to do; `for_served`: it is the served certificate that it lacks."""
    said = gettext(
        "It holds %(most)s certificates, as many as it can, and would refuse the next one, so it is not told it."
    )
    return f"{said % {'most': type_.driver.capabilities.holds}} {make_room(type_, for_served=for_served)}"


def make_room(type_: TerminalType, *, for_served: bool) -> str:
    """What to do where the lists of this type are full (rules full-list, emptied-list). Who lacks the served one is emptied by nobody
    but a person.
    """
    by_hand = gettext(
        "Delete those that are no longer served at the telephone, as its guide says, and say so on its page, or of all of its type on the"
        " work list."
    )
    if for_served or not type_.driver.capabilities.empties:
        return by_hand
    if not (type_.turns_checking_on and type_.empties_list):
        switch = gettext(
            "Or let pbxcerts empty full lists, on the page of its type: it does so while no handover is under way."
        )
        return f"{by_hand} {switch}"
    by_itself = gettext(
        "pbxcerts empties the list only while no handover is under way, and tells an emptied one the next when a person has seen the"
        " first of its type. To have it now:"
    )
    return f"{by_itself} {by_hand}"


def retried(rollout: Rollout, count: int) -> str:
    """What happens to failed terminals that are retried: they are asked again now, or when the rollout continues."""
    if not count:
        return gettext("No terminal is left that has failed.")
    if rollout.state == Rollout.State.RUNNING:
        said = ngettext(
            "%(count)s terminal that had failed is asked again.",
            "%(count)s terminals that had failed are asked again.",
            count,
        )
    else:
        said = ngettext(
            "%(count)s terminal that had failed is asked again when the rollout goes on: continue it.",
            "%(count)s terminals that had failed are asked again when the rollout goes on: continue it.",
            count,
        )
    return said % {"count": count}
