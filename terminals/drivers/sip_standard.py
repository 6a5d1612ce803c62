"""SIP standard terminals: a person installs the file that the work list gives; a NOTIFY only where the type has an event string."""

from datetime import timedelta

from terminals.drivers.base import Capabilities, Checks, Confirmation, TrustFormat, gettext_noop


class SipStandard:
    name = "sip_standard"
    label = gettext_noop("SIP standard terminal")
    summary = gettext_noop("a person installs the file.")
    note = ""
    silence = gettext_noop(
        "It may be switched off, or drop the notification without a word: some telephones do that where it does not come from"
        " their communication server, or carries no password (Grandstream, unless P4428 is set)."
    )
    sureness = gettext_noop("It differs from type to type: the guide names what is known of this one.")
    source = ""
    checks = Checks()
    in_call = ""
    capabilities = Capabilities(
        confirmation=Confirmation.PERSON,
        restarts=False,
        answers_within=timedelta(minutes=45),
        formats=tuple(TrustFormat),
        replaces=False,
    )
    files = None
    ouis: frozenset[str] = frozenset()

    def event(self, configured: str) -> str:
        return configured


driver = SipStandard()
