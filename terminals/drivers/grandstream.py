"""Grandstream telephones (GXP17xx and 21xx, GRP, GHP, WP8x6, GDS) by their own provisioning: trust anchors inline, in six places.

A telephone asks for `cfg<mac>.xml` (older ones for the binary `cfg<mac>` first), then for `cfg.xml`; with P8467 it takes all of them
(templates of FusionPBX). A file of version 1 has P-numbers, and is refused where its `<mac>` is another one. P8433 to P8438 take one
certificate each as PEM, at most 4,096 characters, with its line breaks as they are (Grandstream GXV34x0 administration guide;
templates of FusionPBX). P8502 says which count: 0, its default, leaves out those of the site, so it is set to 2, all.

Other families have other numbers (HT8xx, DP7xx: P2386 for each profile; GXV3240: one for each account), and are not meant. What
makes a telephone check is left alone, until the evidence is there and the type says so (rule checking): then P2367 (2467 ... 2867) of
each account says whether the certificate of a SIP server has to come from one that it trusts. The name (P2311), and the server of its
configuration (P8463), are never touched.

A NOTIFY `check-sync;reboot=true` restarts a telephone, `resync` lets it ask for its files alone: so FusionPBX has it for its two orders
(event_notify; pull request 3014, after Grandstream's support, on a GXP2130 and a GXP2160). FreePBX sends `check-sync`. The maker's
documents name none of them, but that it asks by itself once in 60 minutes at most (P193; HT8xx user guide, templates of FusionPBX).
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from xml.etree import ElementTree

from terminals.drivers.base import (
    AnchorsCome,
    Capabilities,
    Checks,
    CheckSwitch,
    Confirmation,
    TrustFormat,
    gettext_noop,
    mac_of,
)
from terminals.drivers.configuration import ConfigurationFile, FileOf, PhoneTls, UserAgent, WayIn

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
PLACES = 6
FIRST_PLACE = 8433
POLLS_EVERY = timedelta(days=1)
CHAINS = tuple(f"P{2367 + 100 * account}" for account in range(6))
"""One for each account."""
BESIDE = gettext_noop(
    "The telephone reads one more file, which holds the certificates, lets them count, and lets it ask every day by itself. All else"
    " stays yours, also the places that hold none of ours. Remove P8433 to P8438 and P8502 from your own cfg<mac>.xml and its templates,"
    " also where they are empty: what stands there overrides ours, and with P8502 = 0 none of these certificates counts. Templates of"
    " FusionPBX set P8502."
)
"""What one more file of ours does."""
_USER_AGENT = re.compile(
    r"Grandstream Model HW (?P<model>[0-9A-Za-z-]{2,24})(?: V[0-9.A-Z]{1,8})? SW (?P<firmware>[0-9]{1,4}(?:\.[0-9]{1,4}){2,3})"
    r" DevId (?P<mac>[0-9A-Fa-f]{12})"
)
_MEANT = re.compile(r"GXP(?:17|21)|GRP|GHP|WP8[0-9]6|GDS")


def parameters(tls: PhoneTls) -> dict[str, str]:
    """What pbxcerts answers for, P-numbers all: the places of ours, those to be emptied, and that it asks by itself."""
    places = {f"P{FIRST_PLACE + place}": "" for place in tls.emptied}
    places |= {f"P{FIRST_PLACE + anchor.place}": anchor.pem for anchor in tls.anchors}
    polls = {"P194": "1", "P193": str(POLLS_EVERY // timedelta(minutes=1))}
    checking = {} if tls.checking is None else dict.fromkeys(CHAINS, str(int(tls.checking)))
    return dict(sorted(places.items())) | {"P8502": "2"} | polls | checking


@lru_cache(maxsize=64)
def _config(tls: PhoneTls | None) -> str:
    """Kept, because it is the same for thousands of telephones."""
    config = ElementTree.Element("config", version="1")
    for name, value in parameters(tls).items() if tls is not None else ():
        ElementTree.SubElement(config, name).text = value
    text: str = ElementTree.tostring(config, encoding="unicode")
    return text


class GrandstreamFiles:
    pattern = r"cfg(?:[0-9A-Fa-f]{12}|[a-z]{2,4}[0-9]{2,5}[0-9a-z]{0,8})?\.xml"
    media_type = "text/xml; charset=utf-8"
    names_server = False
    own_lines = None
    block = None

    def requested(self, name: str) -> ConfigurationFile:
        stem = name.removeprefix("cfg").removesuffix(".xml")
        if mac := mac_of(stem):
            return ConfigurationFile(FileOf.TERMINAL, mac=mac)
        return ConfigurationFile(FileOf.MODEL, model=stem) if stem else ConfigurationFile(FileOf.ALL)

    def telephone(self, user_agent: str) -> UserAgent | None:
        """`Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872`"""
        match = _USER_AGENT.fullmatch(user_agent)
        if match is None:
            return None
        is_meant = _MEANT.match(match["model"].upper()) is not None
        return UserAgent(match["model"], match["mac"].upper(), match["firmware"], is_meant)

    def content(self, file: ConfigurationFile, tls: PhoneTls | None, *, own_lines: Sequence[str] = ()) -> bytes:
        """Each file hands the certificates over: beside a site's own server only the common one is ours."""
        whose = f"<mac>{file.mac.lower()}</mac>" if file.mac else ""
        return f'{DECLARATION}<gs_provision version="1">{whose}{_config(tls)}</gs_provision>\n'.encode()

    def ways_in(self, url: str) -> Sequence[WayIn]:
        return (
            WayIn(
                title=gettext_noop("Beside a configuration server that runs behind nginx"),
                where=gettext_noop(
                    "In the server block of nginx; and P8467 = 1 in each cfg<mac>.xml, so that the telephone takes cfg.xml too. That a"
                    " telephone follows a redirect is not documented: try it with one."
                ),
                line=f"location = /cfg.xml {{ return 302 {url}/cfg.xml; }}",
                does=BESIDE,
            ),
            WayIn(
                title=gettext_noop("Beside a configuration server that runs behind Apache, as FreePBX does"),
                where=gettext_noop(
                    "In the virtual host of Apache, with its module alias; and P8467 = 1 in each cfg<mac>.xml, so that the telephone takes"
                    " cfg.xml too. That a telephone follows a redirect is not documented: try it with one."
                ),
                line=f"RedirectMatch 302 ^/cfg\\.xml$ {url}/cfg.xml",
                does=BESIDE,
            ),
            WayIn(
                title=gettext_noop("pbxcerts as the only config server"),
                where=gettext_noop(
                    "At the telephone under Maintenance > Upgrade and Provisioning > Config Server Path, with HTTPS, or by DHCP option"
                    " 66."
                ),
                line=f"{url}/",
                does=gettext_noop("The telephone takes its certificates; accounts are entered at itself."),
            ),
        )


class Grandstream:
    name = "grandstream"
    label = gettext_noop("Grandstream: own provisioning")
    summary = gettext_noop("takes the certificates with its configuration; a restart in the night makes them count.")
    note = gettext_noop(
        "In its factory setting a Grandstream checks no certificate: that it has taken one does not say that it checks, and what it has"
        " taken may count only from its next restart on. Meant are GXP17xx, GXP21xx, GRP, GHP, WP8x6 and GDS, which keep six"
        " certificates of their own; HT8xx, DP7xx and GXV3240 have other parameters. Where a later file of the site writes into the same"
        " places, pbxcerts can't see it: the certificates come with the configuration itself. The notification is check-sync;reboot=true,"
        " by which FusionPBX restarts them; with resync they ask for their files and do not restart, and what check-sync alone does is"
        " not known. The manufacturer's documents name none of them."
    )
    silence = gettext_noop(
        "It may be switched off, or drop the notification without a word, because it carries no password (unless P4428 is set). It asks"
        " by itself every day all the same."
    )
    sureness = gettext_noop("By public templates and the manufacturer's guide; not tried on a device.")
    source = "Grandstream provisioning guide and GXV34x0 administration guide; templates and event_notify of FusionPBX"
    checks = Checks(
        gettext_noop(
            "In its factory setting it checks neither the certificate nor the name of a SIP server (P2367, P2311), and of the server"
            " of its configuration only GDS checks the certificate (P8463). pbxcerts leaves that as it is, unless the type says"
            " otherwise."
        ),
        switch=CheckSwitch(
            restarts=True,
            covers_files=False,
            may_be_ignored=False,
            means=gettext_noop(
                "The telephone then takes only SIP servers whose certificate comes from one that it trusts; names are not compared"
                " (P2367 to P2867, one for each of six accounts). It restarts for it, mostly twice in one night: it is told to check only"
                " when it is shown that it has restarted with the certificates that it is to trust, because the check may count at once,"
                " and what it holds from a restart on. Which of them counts when is not documented, nor whether a telephone that a call"
                " keeps from restarting reads its files all the same when a notification asks it to restart. One that does, or that is made"
                " to read them by hand meanwhile, could refuse new connections until it restarts. Its files come as ever, so that it comes back for them does not show that it can call."
            ),
        ),
    )
    in_call = gettext_noop(
        "Whether it waits for the end of a call before it restarts is not documented. pbxcerts reckons with both: it is asked at night"
        " only, later where the communication server says who is in a call, and what it has taken counts when the restart is shown."
    )
    capabilities = Capabilities(
        confirmation=Confirmation.FETCH,
        restarts=True,
        answers_within=timedelta(minutes=45),
        formats=(TrustFormat.PEM,),
        come=AnchorsCome.INLINE,
        asks_every=POLLS_EVERY,
        replaces=False,
        anchors=1,
        largest_file=4096,
        holds=PLACES,
        counts_from_restart=True,
        polls_apart=timedelta(hours=1),
        restarts_by="reboot=true",
    )
    files = GrandstreamFiles()
    ouis = frozenset({"000B82", "C074AD", "EC74D7"})  # Grandstream Networks

    def event(self, configured: str) -> str:
        return configured or "check-sync;reboot=true"


driver = Grandstream()
