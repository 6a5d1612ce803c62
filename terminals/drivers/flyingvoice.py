"""Flyingvoice FIP and P telephones by their own provisioning: they read files as a Yealink does, under the same names.

Public templates (FusionPBX, `provision/flyingvoice`, for 20 models) have the same first line, the same boot file and the same names of
what is set here: `static.trusted_certificates.url`, `static.security.ca_cert`, `sip.notify_reboot_enable`,
`static.auto_provision.repeat.*`. All of them stand there without a value. So what a Yealink makes of them is taken for theirs, and
what no template shows is not relied on: that a list can be emptied (`static.trusted_certificates.delete` has no value there), and what
`static.security.trust_certificates` does. How many certificates they hold is not documented either. It is taken to be ten, because a
list that is full too early costs a person a look and one that is full unnoticed costs calls.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from terminals.drivers.base import Checks, gettext_noop
from terminals.drivers.configuration import ConfigurationFile, PhoneTls, UserAgent, WayIn
from terminals.drivers.yealink import MAC_WORD, Yealink, YealinkFiles

_USER_AGENT = re.compile(
    r"Flyingvoice (?P<model>[\w.\- ]{1,48}) V(?P<firmware>[0-9]{1,4}(?:\.[0-9]{1,4}){2,3}) "
    r"(?P<mac>[0-9A-Fa-f]{12}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})"
)


class FlyingvoiceFiles(YealinkFiles):
    def telephone(self, user_agent: str) -> UserAgent | None:
        """`Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE:F1`"""
        match = _USER_AGENT.fullmatch(user_agent)
        if match is None:
            return None
        return UserAgent(match["model"], match["mac"].replace(":", "").upper(), match["firmware"])

    def content(self, file: ConfigurationFile, tls: PhoneTls | None, *, own_lines: Sequence[str] = ()) -> bytes:
        """Nothing is ever said of the check."""
        return super().content(file, tls and tls._replace(checking=None), own_lines=own_lines)

    def ways_in(self, url: str) -> Sequence[WayIn]:
        return (
            WayIn(
                title=gettext_noop("Beside a configuration server that you have"),
                where=gettext_noop(
                    "At the end of y000000000000.boot, or of the file <mac>.boot of a single telephone. FusionPBX has templates with"
                    " and without a boot file; where there is none, write one that names the site's own files first."
                ),
                line=f'include:config "{url}/{MAC_WORD}.cfg"',
                does=gettext_noop(
                    "The telephone reads one more file, which names the next certificate, lets a notification read the files"
                    " without a restart, and lets it ask every day by itself. All else stays yours: accounts, keys, firmware,"
                    " and whether it checks certificates at all."
                ),
            ),
            WayIn(
                title=gettext_noop("pbxcerts as the whole configuration server"),
                where=gettext_noop(
                    "As the address of the configuration server on the telephone's own pages, or by DHCP option 66. Accounts and"
                    " all else are own lines of the type and of the terminal then."
                ),
                line=f"{url}/",
                does=gettext_noop("The telephone takes its whole configuration from pbxcerts."),
            ),
        )


class Flyingvoice(Yealink):
    name = "flyingvoice"
    label = gettext_noop("Flyingvoice: own provisioning")
    summary = gettext_noop("takes one certificate after the other by itself, without a restart.")
    note = gettext_noop(
        "It reads its files as a Yealink does; that it also takes certificates as one is concluded from templates. That it has taken a"
        " certificate does not say that it checks. Begin with one telephone, and look at its own pages whether the certificate is there."
        " It is taken to hold ten certificates of its own, and each renewal adds one."
    )
    silence = gettext_noop(
        "It may be switched off, or take notifications only from its communication server (sip.trust_ctrl), or with a password. It"
        " asks by itself every day all the same."
    )
    sureness = gettext_noop("By public templates alone; not tried on a device.")
    source = "templates of FusionPBX"
    checks = Checks(
        gettext_noop(
            "Whether it checks where certificates come from is a setting of the site (static.security.trust_certificates), which"
            " pbxcerts leaves as it is."
        )
    )
    in_call = gettext_noop(
        "What its first notification does to a call is not known, so it is sent at night only, and later where the communication server"
        " says who is in a call."
    )
    capabilities = replace(Yealink.capabilities, empties=False)
    files = FlyingvoiceFiles()
    ouis = frozenset({"0021F2"})  # Easy3call Technology, which makes them


driver = Flyingvoice()
