"""The telephones of four makers: what each calls itself, which file it asks for, and which files this names."""

import re
from dataclasses import dataclass

NAMES_NONE = re.compile(rb"(?!)")


@dataclass(frozen=True)
class Maker:
    """`file` and `agent` are patterns with the MAC in them. `named`: the path of each file that the configuration names."""

    name: str
    method: str
    oui: str
    file: str
    agent: str
    named: re.Pattern[bytes]
    format: str = "pem"
    own_lines: str = ""

    def mac(self, number: int) -> str:
        return f"{self.oui}{number:06X}"

    def path(self, mac: str) -> str:
        return self.file.format(mac=mac, lower=mac.lower())

    def user_agent(self, mac: str) -> str:
        return self.agent.format(mac=mac, lower=mac.lower(), dashed="-".join(re.findall("..", mac)))


MAKERS = (
    Maker(
        "Mitel",
        "mitel_sip",
        "00085D",
        "/{mac}.cfg",
        "Mitel6930 MAC:{dashed} V:6.4.0.140-SIP",
        re.compile(rb"\^https user certificates: https?://[^/]+(/\S+)"),
        own_lines="sip line1 user name: 100\nsip line1 password: secret",
    ),
    Maker(
        "Yealink",
        "yealink",
        "001565",
        "/{lower}.cfg",
        "Yealink SIP-T54W 96.86.0.100 {lower}",
        re.compile(rb"static\.trusted_certificates\.url = https?://[^/]+(/\S+)"),
        own_lines="account.1.user_name = 100\naccount.1.password = secret",
    ),
    Maker(
        "Snom",
        "snom",
        "000413",
        "/{mac}.xml",
        "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12 {mac} SXM:0 UXM:0)",
        re.compile(rb'<certificate url="https?://[^/]+(/[^"]+)"'),
        format="der",
    ),
    Maker(
        "Grandstream",
        "grandstream",
        "000B82",
        "/cfg{lower}.xml",
        "Grandstream Model HW GXP2135 SW 1.0.7.97 DevId {lower}",
        NAMES_NONE,
    ),
)

MANY = """
import sys
from terminals.models import Terminal, TerminalType
from tests.benchmarks.makers import MAKERS

makers = MAKERS[: int(sys.argv[2])]
types = [
    TerminalType.objects.create(name=f"{one.name} of a benchmark", method=one.method, trust_format=one.format, wants="root")
    for one in makers
]
Terminal.objects.bulk_create(
    (
        Terminal(number=str(100 + n), type=type, mac=maker.mac(n), address="127.0.0.1", own_lines=maker.own_lines)
        for n in range(int(sys.argv[1]))
        for maker, type in [(makers[n % len(makers)], types[n % len(makers)])]
    ),
    batch_size=1000,
)
"""
"""So many telephones, of the first so many makers in turn."""
