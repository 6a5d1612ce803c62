"""IP system phones: they fetch the trust anchors by EST (RFC 7030 section 4.1) when a NOTIFY asks them to, and every hour
by themselves (rule open-standard).
"""

from datetime import timedelta

from terminals.drivers.base import Capabilities, Checks, Confirmation, TrustFormat, gettext_noop


class IpSystem:
    name = "ip_system"
    label = gettext_noop("IP system phone")
    summary = gettext_noop("exchanged in service, without disturbance.")
    note = gettext_noop(
        "Exchanged in service by an open protocol (RFC 7030), because that of the original is not public. Terminals that speak it,"
        " such as the agent of pbxcerts, are exchanged without disturbance; Mitel's own firmware is not known to speak it."
    )
    silence = gettext_noop(
        "It may be switched off; or its agent does not run, or listens at another address than the one that is entered."
    )
    sureness = gettext_noop("By an open standard; tried with the agent of pbxcerts.")
    source = "RFC 7030"
    checks = Checks(
        gettext_noop("The agent of pbxcerts always checks certificate, name and dates; no setting turns that off."),
        always=True,
    )
    in_call = ""
    capabilities = Capabilities(
        confirmation=Confirmation.PROOF,
        restarts=False,
        answers_within=timedelta(minutes=45),
        formats=(TrustFormat.P7B,),
        replaces=True,
        anchors=16,  # the agent refuses more
        asks_every=timedelta(hours=1),
    )
    files = None
    ouis: frozenset[str] = frozenset()

    def event(self, configured: str) -> str:
        return configured or "check-sync;reboot=false"


driver = IpSystem()
