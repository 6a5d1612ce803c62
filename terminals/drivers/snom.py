"""Snom desk telephones (D1xx to D8xx), and the Gigaset P that read the same files, by their own provisioning.

A telephone asks for what its `setting_server` names, `{mac}` in it being its own, else for `snom<model>-<MAC>.htm` and `<MAC>.xml`
with the MAC in capitals (public code of Wazo). The files are XML; `<certificates>` takes several entries, each with the URL of one
certificate in DER, which are fetched when all files are processed (Snom service hub, "Desk Phone Configuration Files"). One that
was loaded stays, so old and new stand beside each other; how one is removed by provisioning is not documented.

`checksync_action` overrides what a NOTIFY asks for, and may be `factory-reset` (Snom service hub, "checksync_action"): it is set to
`sync`, and who has not read that yet is not notified (rule first-notify).

`tls_server_authentication` says whether servers are checked at all. It is known of older firmware; newer ones check the name besides
(`check_fqdn_against_server_cert`), which is never touched. It is written only where the type says so (rule checking).
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from html import escape

from terminals.drivers.base import (
    AnchorsCome,
    Capabilities,
    Checks,
    CheckSwitch,
    Confirmation,
    FirstNotify,
    TrustFormat,
    gettext_noop,
    mac_of,
)
from terminals.drivers.configuration import ConfigurationFile, FileOf, PhoneTls, UserAgent, WayIn

POLLS_EVERY = timedelta(days=1)
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
PHONE = (
    '<checksync_action perm="RW">sync</checksync_action>'
    f'<settings_refresh_timer perm="RW">{POLLS_EVERY // timedelta(seconds=1)}</settings_refresh_timer>'
)
"""What pbxcerts answers for beside the certificates."""
CHECKING = {
    None: "",
    True: '<tls_server_authentication perm="RW">on</tls_server_authentication>',
    False: '<tls_server_authentication perm="RW">off</tls_server_authentication>',
}
_MAC_WORD = "{mac}"
"""What the telephone puts its MAC in place of; one that does not, asks by this very word, escaped or not."""
_USER_AGENT = re.compile(
    r"Mozilla/4\.0 \(compatible; snom(?P<model>D?[0-9]{3}|PA1)-SIP (?P<firmware>[0-9]{1,3}(?:\.[0-9]{1,4}){2,3})"
    r" (?:[^ ]{1,64} ){0,3}(?P<mac>[0-9A-Fa-f]{12})(?: [\w:. ]{0,64})?\)"
)


class SnomFiles:
    pattern = r"snom(?:D?[0-9]{3}|PA1)(?:-[0-9A-Fa-f]{12})?\.htm|[0-9A-Fa-f]{12}\.xml|(?:\{mac\}|%7[Bb]mac%7[Dd])\.xml"
    media_type = "text/xml; charset=utf-8"
    names_server = False
    own_lines = None
    block = None

    def requested(self, name: str) -> ConfigurationFile:
        stem, _dot, _suffix = name.rpartition(".")
        model, _dash, mac = stem.rpartition("-")
        if stem.startswith("snom") and not model:
            return ConfigurationFile(FileOf.MODEL, model=stem.removeprefix("snom"))
        return ConfigurationFile(FileOf.TERMINAL, model=model.removeprefix("snom"), mac=mac_of(mac) or "")

    def telephone(self, user_agent: str) -> UserAgent | None:
        """`Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-… 000413922D24 SXM:0 UXM:0)`"""
        match = _USER_AGENT.fullmatch(user_agent)
        return UserAgent(match["model"], match["mac"].upper(), match["firmware"]) if match else None

    def content(self, file: ConfigurationFile, tls: PhoneTls | None, *, own_lines: Sequence[str] = ()) -> bytes:
        """Only the terminal's own file hands the certificates over."""
        if tls is None or file.of is not FileOf.TERMINAL:
            return f"{DECLARATION}<settings><phone-settings/></settings>\n".encode()
        # A tenth of what it takes to build a tree of elements for each of thousands of telephones.
        certificates = "".join(f'<certificate url="{escape(anchor.url)}"/>' for anchor in tls.anchors)
        phone = f"<phone-settings>{PHONE}{CHECKING[tls.checking]}</phone-settings>"
        return f"{DECLARATION}<settings>{phone}<certificates>{certificates}</certificates></settings>\n".encode()

    def ways_in(self, url: str) -> Sequence[WayIn]:
        return (
            WayIn(
                title=gettext_noop("Beside a provisioning server that you have"),
                where=gettext_noop(
                    "As the last entry of <setting-files> in the file that the telephones read first, for example"
                    " snom<model>-<MAC>.htm."
                ),
                line=f'<file url="{url}/{_MAC_WORD}.xml"/>',
                does=gettext_noop(
                    "The telephone reads one more file, which names the certificates, makes a notification read the files and do"
                    " nothing else, and lets it ask every day by itself. All else stays yours."
                ),
            ),
            WayIn(
                title=gettext_noop("pbxcerts as the whole provisioning server"),
                where=gettext_noop("At the telephone under Advanced > Update > Setting URL, or by DHCP option 66."),
                line=f"{url}/{_MAC_WORD}.xml",
                does=gettext_noop("The telephone takes nothing but its certificates: accounts are entered at itself."),
            ),
        )


class Snom:
    name = "snom"
    label = gettext_noop("Snom: own provisioning")
    summary = gettext_noop(
        "takes all certificates by itself, without a restart; the desk telephones of Gigaset (P) too."
    )
    note = gettext_noop(
        "Older firmware checks nothing in its factory setting; from firmware 10 on it checks the name: that it has taken a certificate"
        " does not say that it checks. How an old certificate is removed by provisioning is not documented. Snom DECT systems"
        " (M) are not meant: no parameter for a certificate of one's own is known of them."
    )
    silence = gettext_noop(
        "It may be switched off, or take notifications from its communication server only. It asks by itself every day all the same."
    )
    sureness = gettext_noop("By the maker's documents; not tried on a device.")
    source = "Snom service hub: Desk Phone Configuration Files, TLS Support, checksync_action; Gigaset pro wiki"
    checks = Checks(
        gettext_noop(
            "From firmware 10 on it checks the name in its factory setting (check_fqdn_against_server_cert); firmware 8 does not,"
            " and can be set to check no server at all (tls_server_authentication). pbxcerts leaves both as they are, unless the"
            " type says otherwise."
        ),
        switch=CheckSwitch(
            restarts=False,
            covers_files=True,
            may_be_ignored=True,
            means=gettext_noop(
                "The telephone then takes only servers whose certificate it trusts (tls_server_authentication): for calls, its files and"
                " directories. That parameter is documented for older firmware; newer firmware may not know it any more, and then"
                " nothing changes."
            ),
        ),
    )
    in_call = ""
    capabilities = Capabilities(
        confirmation=Confirmation.FETCH,
        restarts=False,
        first_notify=FirstNotify.DANGEROUS,
        asks_every=POLLS_EVERY,
        answers_within=timedelta(minutes=45),
        formats=(TrustFormat.DER,),
        come=AnchorsCome.EACH,
        replaces=False,
        anchors=1,
    )
    files = SnomFiles()
    ouis = frozenset({"000413", "589EC6", "7C2F80"})  # snom technology; Gigaset Communications

    def event(self, configured: str) -> str:
        return configured or "check-sync;reboot=false"


driver = Snom()
