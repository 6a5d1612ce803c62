"""A Grandstream: six slots with the text of a certificate each, in an XML file for the telephone."""

import re
from urllib.parse import urljoin
from xml.etree import ElementTree

from tests.support.makers.certificates import Unreadable, from_pem
from tests.support.makers.checking import Checks
from tests.support.makers.telephone import SimulatedTelephone

SLOTS = 6
MOST_CHARACTERS = 4096
LOAD, ALL_FILES, OPEN_NOTIFY = "P8502", "P8467", "P4428"
CHECK_SERVER, CHECK_SERVER_NAME = "P8463", "P22030"
POLLS, POLLS_EVERY = "P194", "P193"

# [C] Which numbers hold the slots of a model; where each account has one of its own, it counts for that account alone.
COMMON_SLOTS = re.compile(r"GXP(21|17)|GRP|GHP|WP8\d6|GDS")
ONE_EACH = re.compile(r"GXV3240|HT8|DP7")
CHECKS_BY_DEFAULT = re.compile(r"HT8|GDS")  # [C]
HAS_NAMES = re.compile(r"GRP|GHP|WP|GXV33|GDS")  # [K] which of them read <config version="2">

NAMES = {
    "trustedCACertificates.load": LOAD,
    "security.validate.serverCertificate": CHECK_SERVER,
    "provisioning.validateHostnameInCertificate": CHECK_SERVER_NAME,
    **{f"trustedCACertificates.trustedCACertificate.{slot}": f"P{8432 + slot}" for slot in range(1, SLOTS + 1)},
    **{f"CACertificates.{slot}": f"CACertificates.{slot}" for slot in range(1, SLOTS + 1)},
    **{f"account.{n}.sip.validate.domainCertificates": f"P{2211 + 100 * n}" for n in range(1, SLOTS + 1)},
    **{f"account.{n}.sip.validate.certificationChain": f"P{2267 + 100 * n}" for n in range(1, SLOTS + 1)},
}


class Grandstream(SimulatedTelephone):
    """`needs_restart`: what its slots hold counts from the next restart on, which it does not do by itself [K].

    `tells_challenge`: it answers 401 to a NOTIFY without a password; not every model does [C].
    """

    MODEL, FIRMWARE = "GXP2135", "1.0.11.74"

    def __init__(self, *, needs_restart=True, tells_challenge=False, **options):
        self.needs_restart, self.tells_challenge = needs_restart, tells_challenge
        super().__init__(**options)

    @property
    def user_agent(self):
        return f"Grandstream Model HW {self.model} SW {self.firmware} DevId {self.mac}"

    def forget(self):
        super().forget()
        self.in_use = {}

    # Slots

    @property
    def slot_names(self):
        if COMMON_SLOTS.match(self.model):
            return [f"P{8432 + slot}" for slot in range(1, SLOTS + 1)]
        if self.model.startswith("GXV337"):
            return [f"CACertificates.{slot}" for slot in range(1, SLOTS + 1)]
        return [f"P{2286 + 100 * slot}" for slot in range(1, SLOTS + 1)]

    @property
    def slots(self):
        """The text of each, "" where it is empty."""
        return [self.setting(name) for name in self.slot_names]

    def started(self):
        self.in_use = {name: self.setting(name) for name in [*self.slot_names, LOAD]}

    def _roots(self, account, values):
        """The first of a slot that holds several [I]."""
        names = self.slot_names[account - 1 : account] if ONE_EACH.match(self.model) else self.slot_names
        return tuple(from_pem(values[name])[0] for name in names if values.get(name))

    # What it checks

    def _anchors(self, account=1):
        values = self.in_use if self.needs_restart else self.settings
        load = values.get(LOAD) or "0"
        if not COMMON_SLOTS.match(self.model):
            load = "2"  # [I] the switch was seen with the common slots alone
        built_in = self.built_in if load != "1" else ()
        return (*built_in, *(self._roots(account, values) if load != "0" else ()))

    def checks_of(self, account):
        """[C] All of it is off until it is told; by domain as RFC 5922 has it [D]."""
        return Checks(
            anchors=self._anchors(account),
            chain=self.setting(f"P{2267 + 100 * account}") == "1",
            name=self.setting(f"P{2211 + 100 * account}") == "1",
        )

    @property
    def sip(self):
        return self.checks_of(1)

    @property
    def provisioning(self):
        default = "1" if CHECKS_BY_DEFAULT.match(self.model) else "0"
        return Checks(
            anchors=self._anchors(),
            chain=(self.setting(CHECK_SERVER) or default) == "1",
            name=self.setting(CHECK_SERVER_NAME) == "1",
        )

    # Files

    def poll(self):
        given = {}
        # That the more special file wins is not documented [I].
        for values in reversed(self._files()):
            given |= values
        for name, value in given.items():
            self.settings[name] = self._slot(name, value) if name in self.slot_names else value.strip()

    def _files(self):
        """What stands in the first file that there is, or in all of them."""
        wants_all = self.setting(ALL_FILES) == "1"
        names = [f"cfg{self.mac}.xml", *([f"cfg{self.model.lower()}.xml"] * wants_all), "cfg.xml"]
        if self.is_old:
            names.insert(0, f"cfg{self.mac}")
        taken = []
        for name in names:
            url = urljoin(self.url, name)
            if (body := self.fetch(url)) is not None:
                taken.append(self._read(url, body))
                if not wants_all:
                    break
        return taken

    @property
    def is_old(self):
        """[D] Old ones ask for the binary file first; which these are [I]."""
        return self.model.startswith("GXP") and self.version < (1, 0, 8)

    def _read(self, url, body):
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            self.refuse(url, f"no XML: {error}")
            return {}
        if root.tag != "gs_provision" or root.get("version") != "1":
            self.refuse(url, "not <gs_provision version=1>")
            return {}
        mac = root.findtext("mac")
        if mac is not None and mac.strip().lower() != self.mac:
            self.refuse(url, f"for {mac}")  # [D]
            return {}
        given = {}
        for config in root.iter("config"):
            if config.get("version") == "1":
                given |= {element.tag: element.text or "" for element in config}
            elif config.get("version") == "2" and HAS_NAMES.match(self.model):
                given |= {NAMES.get(name, name): value for name, value in _items(config)}
            else:
                self.refuse(url, f"<config version={config.get('version')}>")
        return given

    def _slot(self, name, text):
        """What a slot holds from now on; what it can't read leaves it empty, as nobody says that the old one stays [I]."""
        if not text.strip():
            return ""
        if len(text.strip()) > MOST_CHARACTERS:
            self.refuse(name, f"more than {MOST_CHARACTERS} characters")
            return ""
        try:
            from_pem(text)
        except Unreadable as error:
            self.refuse(name, str(error))
            return ""
        return text

    # NOTIFY

    @property
    def challenges(self):
        return self.setting(OPEN_NOTIFY) != "1"

    def on_event(self, event, parameters):
        """[C] `resync` and `check-sync` let it ask for its files alone, `check-sync;reboot=true` restarts it (FusionPBX, event_notify)."""
        if event not in ("resync", "check-sync"):
            return None
        return self.restart if "reboot=true" in parameters else self.poll

    @property
    def asks_every(self):
        """Minutes between two polls; None where it asks at its start alone."""
        if self.setting(POLLS) != "1":
            return None
        return min(max(int(self.setting(POLLS_EVERY) or 10080), 60), 86400)


def _items(config):
    """[C] A name and its value; that a name may be parted over its <part>s [K]."""
    for item in config.iter("item"):
        name = item.get("name", "")
        parts = list(item.iter("part"))
        if parts:
            yield from ((f"{name}.{part.get('name', '')}", part.text or "") for part in parts)
        else:
            yield name, item.text or ""
