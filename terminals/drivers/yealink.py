"""Yealink telephones by their own provisioning: they poll, or a NOTIFY makes them ask, and take one certificate after the other.

A telephone asks for `y0000000000xx.cfg` (xx is its model's) and `<mac>.cfg`, or for what the boot file of the site names with
`include:config` (public templates of FusionPBX; `<mac>.boot` first, then `y000000000000.boot`). The first line is
`#!version:1.0.0.1`, then come lines `key = value`, of which the later one wins. `static.trusted_certificates.url` names one
certificate, which is added to at most ten of the site's own (Yealink SIP-T52S and CP969 administrator guides). Whether several
certificates in one file are read, and whether a URL that stays is fetched again, is not documented: so it is one in a file, and
another URL for each. `static.trusted_certificates.delete = http://localhost/all` deletes all of the site's own (comments of public
templates); in which order a file with both is carried out is not documented, so one has either (rule emptied-list).

What makes a telephone check is left alone, until the evidence is there and the type says so (rule checking): then
`static.security.trust_certificates` says whether a certificate has to come from one that it trusts. A change of it restarts the
telephone by what people of the trade say, and it holds for all services: calls, files, directories. Newer firmware has one for each
service beside it (templates of FusionPBX for the AX83H), which may make this one mean nothing. The name (`…cn_validation`) is never
touched.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

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
from terminals.drivers.configuration import (
    BEGIN,
    END,
    ConfigurationFile,
    FileOf,
    NamedLines,
    PhoneTls,
    UserAgent,
    WayIn,
)

FIRST_LINE = "#!version:1.0.0.1"
POLLS_EVERY = timedelta(days=1)
POLL_MINUTES = str(POLLS_EVERY // timedelta(minutes=1))
CHAIN = "static.security.trust_certificates"

# As the boot file of a site has it, where nothing puts the MAC in its place; the telephone itself does ("$MAC.cfg" in public
# boot files), and one that does not asks by this very word.
MAC_WORD = "$MAC"
_USER_AGENT = re.compile(
    r"Yealink (?P<model>[\w.\- ]{1,48}) (?P<firmware>[0-9]{1,4}(?:\.[0-9]{1,4}){3}) "
    r"(?P<mac>[0-9A-Fa-f]{12}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})"
)


def parameters(tls: PhoneTls) -> dict[str, str]:
    """What pbxcerts answers for. `ca_cert`: the site's own certificates count beside the maker's (2, which is the maker's default).
    A NOTIFY makes the telephone read its files and not restart, and it asks by itself every day.
    """
    checking = {} if tls.checking is None else {CHAIN: str(int(tls.checking))}
    if tls.empties:
        anchors = {"static.trusted_certificates.delete": "http://localhost/all"}
    else:
        anchors = {"static.trusted_certificates.url": tls.trust_url} if tls.trust_url else {}
    return {
        **anchors,
        "static.security.ca_cert": "2",
        "sip.notify_reboot_enable": "0",
        "static.auto_provision.repeat.enable": "1",
        "static.auto_provision.repeat.minutes": POLL_MINUTES,
        **checking,
    }


OURS = frozenset(name.removeprefix("static.") for name in parameters(PhoneTls("url")))
"""Never an own line, nor as firmware before V81 calls it, without `static.`. Both at once would be no help to it: `security.ca_cert`
is a switch of its own to newer firmware, of which a change makes the telephone restart. What makes it check is not among them: where
nothing is said of that it is the site's, and where it is, our line stands last and wins.
"""


def _name_of(line: str) -> str:
    return line.partition("=")[0].strip().lower().removeprefix("static.")


OWN_LINES = NamedLines(
    form="name = value",
    line=re.compile(r"[A-Za-z][\w.\-]*\s*=.*"),
    name_of=_name_of,
    ours=OURS,
    secret=re.compile(r"password|passwd|secret|aes_key|private_key|(?:\b|_)(?:pin|psk)(?:\b|_)", re.IGNORECASE),
)


class YealinkFiles:
    pattern = r"(?:y[0-9]{12}|[0-9A-Fa-f]{12}|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|\$MAC)\.cfg"
    media_type = "text/plain; charset=utf-8"
    names_server = False
    own_lines = OWN_LINES
    block = None

    def requested(self, name: str) -> ConfigurationFile:
        """The common file is for all: whose telephones read `y0000000000xx.cfg` only their maker knows."""
        stem = name.removesuffix(".cfg")
        if stem == MAC_WORD:
            return ConfigurationFile(FileOf.TERMINAL)
        if mac := mac_of(stem):
            return ConfigurationFile(FileOf.TERMINAL, mac=mac)
        return ConfigurationFile(FileOf.ALL)

    def telephone(self, user_agent: str) -> UserAgent | None:
        """`Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37`, of a T5x `Yealink SIP-T56A 58.80.0.25 001565f429a4`"""
        match = _USER_AGENT.fullmatch(user_agent)
        if match is None:
            return None
        return UserAgent(match["model"].removeprefix("SIP-"), match["mac"].replace(":", "").upper(), match["firmware"])

    def content(self, file: ConfigurationFile, tls: PhoneTls | None, *, own_lines: Sequence[str] = ()) -> bytes:
        """Only the terminal's own file hands the certificate over: it would be fetched twice, and perhaps kept twice."""
        lines = [FIRST_LINE, *own_lines]
        if tls is not None and file.of is FileOf.TERMINAL:
            lines += [BEGIN, *(f"{name} = {value}" for name, value in parameters(tls).items()), END]
        return "\n".join([*lines, ""]).encode()

    def ways_in(self, url: str) -> Sequence[WayIn]:
        return (
            WayIn(
                title=gettext_noop("Beside a configuration server that you have"),
                where=gettext_noop(
                    "At the end of y000000000000.boot, for all telephones, or of the file <mac>.boot of a single one. Where the"
                    " site has no boot file, write one that names its own files first; FreePBX, FusionPBX and others have a"
                    " template for it."
                ),
                line=f'include:config "{url}/{MAC_WORD}.cfg"',
                does=gettext_noop(
                    "The telephone reads one more file, which names the next certificate, lets a notification read the files"
                    " without a restart, and lets it ask every day by itself. All else stays yours: accounts, keys, firmware,"
                    " and whether it checks certificates at all, unless its type says that pbxcerts turns that on."
                ),
            ),
            WayIn(
                title=gettext_noop("pbxcerts as the whole configuration server"),
                where=gettext_noop(
                    "At the telephone under Settings > Auto Provision > Server URL, or by DHCP option 66. Accounts and all else"
                    " are own lines of the type and of the terminal then."
                ),
                line=f"{url}/",
                does=gettext_noop("The telephone takes its whole configuration from pbxcerts."),
            ),
        )


class Yealink:
    name = "yealink"
    label = gettext_noop("Yealink: own provisioning")
    summary = gettext_noop("takes one certificate after the other by itself, without a restart.")
    note = gettext_noop(
        "For firmware from V81 on. In its factory setting a Yealink may check no certificate at all, or all of them: that it has taken"
        " a certificate does not say that it checks. Begin with one telephone. It holds ten certificates of its own, and each"
        " renewal adds one."
    )
    silence = gettext_noop(
        "It may be switched off, or take notifications only from its communication server (sip.trust_ctrl), or with a password. It"
        " asks by itself every day all the same."
    )
    sureness = gettext_noop("By the manufacturer's documents and public templates; not tried on a device.")
    source = "Yealink SIP-T52S and CP969 administrator guides; templates of FusionPBX, Wazo and NethVoice"
    checks = Checks(
        gettext_noop(
            "By public templates it checks in its factory setting that a certificate comes from one that it trusts, and compares no"
            " name (static.security.trust_certificates 1, static.security.cn_validation 0). That differs from model to model, and"
            " pbxcerts leaves it as it is, unless the type says otherwise."
        ),
        switch=CheckSwitch(
            restarts=True,
            covers_files=True,
            may_be_ignored=True,
            means=gettext_noop(
                "The telephone then takes only servers whose certificate comes from one that it trusts, ours or its maker's; names are"
                " not compared (static.security.trust_certificates). That holds for everything it does over TLS: calls, its files,"
                " directories. The change restarts it. By public templates newer firmware has a switch of its own for each of these"
                " (as static.security.auto_provision.trust_certificates); there this one may change nothing."
            ),
        ),
    )
    in_call = gettext_noop(
        "It restarts at once, also in a call, when it is told to: the first notification, and a change of the check. So that is done at"
        " night only, and later where the communication server says who is in a call."
    )
    capabilities = Capabilities(
        confirmation=Confirmation.FETCH,
        restarts=False,
        first_notify=FirstNotify.RESTARTS,
        answers_within=timedelta(minutes=45),
        formats=(TrustFormat.PEM, TrustFormat.DER),
        come=AnchorsCome.IN_TURN,
        replaces=False,
        anchors=1,
        holds=10,
        empties=True,
        asks_every=POLLS_EVERY,
    )
    files = YealinkFiles()
    ouis = frozenset({"001565", "249AD8", "805E0C", "805EC0", "C4FC22"})  # Yealink (Xiamen) Network Technology

    def event(self, configured: str) -> str:
        return configured or "check-sync;reboot=false"


driver = Yealink()
