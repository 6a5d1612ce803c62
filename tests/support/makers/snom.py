"""A Snom desk telephone: entries of certificates in XML, in the text or as DER behind a URL. It never loses one by provisioning."""

from urllib.parse import urljoin
from xml.etree import ElementTree

from tests.support.makers.certificates import Unreadable, from_base64, from_der
from tests.support.makers.checking import Checks
from tests.support.makers.telephone import SimulatedTelephone

TAGS = ("phone-settings", "certificates", "setting-files")
"""Of those it reads; each may be a file of its own [D]."""


class Snom(SimulatedTelephone):
    """How an entry is deleted by provisioning, and how many it holds, is not documented: it deletes none and has no limit [I]."""

    MODEL, FIRMWARE = "D785", "10.1.184.15"
    ACTIONS = ("reboot", "factory-reset", "reregister", "sync", "delete-contacts")  # [D]

    @property
    def user_agent(self):
        return (
            f"Mozilla/4.0 (compatible; snom{self.model}-SIP {self.firmware} 2010.12-00004 "
            f"{self.mac.upper()} SXM:0 UXM:0)"
        )

    def forget(self):
        super().forget()
        self.own = []
        self.contacts = ["Reception"]

    # What it checks

    @property
    def checks_by_default(self):
        """[D] From firmware 10 on."""
        return "on" if self.version >= (10,) else "off"

    @property
    def provisioning(self):
        """One store and one set of switches for SIP, provisioning, action URLs and LDAP [D]."""
        return Checks(
            anchors=(*self.built_in, *self.own),
            chain=(self.setting("tls_server_authentication") or self.checks_by_default) == "on",
            name=(self.setting("check_fqdn_against_server_cert") or self.checks_by_default) == "on",
            takes_hosts=True,  # [D] a CA or the server's own certificate
        )

    sip = provisioning

    def connect(self, host, port, *, name=None):
        """It expects the name of its outbound proxy from 10.1.63 on, else of its registrar [D]; before that of the registrar [I]."""
        registrar, proxy = self.setting("user_host1"), self.setting("user_outbound1")
        expected = (proxy if self.version >= (10, 1, 63) else "") or registrar
        return super().connect(host, port, name=name or expected)

    # Files

    def poll(self):
        behind_urls = []
        for url in self._first_files():
            self._read(url, behind_urls, read=set())
        # [D] Only after all files have been taken over.
        for url in behind_urls:
            self._load(url)

    def _first_files(self):
        if "{mac}" in self.url:
            return [self._filled(self.url)]
        names = (f"snom{self.model}-{self.mac.upper()}.htm", f"{self.mac.upper()}.xml")
        return [urljoin(self.url, name) for name in names]

    def _filled(self, url):
        return url.replace("{mac}", self.mac.upper())

    def _read(self, url, behind_urls, *, read):
        if url in read or (body := self.fetch(url)) is None:
            return
        read.add(url)
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            self.refuse(url, f"no XML: {error}")
            return
        parts = [root] if root.tag in TAGS else list(root) if root.tag == "settings" else []
        if not parts:
            self.refuse(url, f"no settings: {root.tag}")
        for part in parts:
            if part.tag == "phone-settings":
                for given in part:
                    self.settings[given.tag + given.get("idx", "")] = (given.text or "").strip()
            elif part.tag == "certificates":
                for given in part.iter("certificate"):
                    self._take(url, given, behind_urls)
            elif part.tag == "setting-files":
                for given in part.iter("file"):
                    self._read(urljoin(url, self._filled(given.get("url", ""))), behind_urls, read=read)

    # Certificates

    def _take(self, url, given, behind_urls):
        if given.get("url"):
            behind_urls.append(urljoin(url, self._filled(given.get("url"))))
        elif given.get("type") == "base64":
            # [D] It can be used at once, and has no BEGIN and END.
            try:
                self._hold(from_base64(given.text or ""))
            except Unreadable as error:
                self.refuse(url, str(error))
        else:
            self.refuse(url, "a certificate with neither url nor type")

    def _load(self, url):
        if (body := self.fetch(url)) is None:
            self.refuse(url, "could not be fetched")
            return
        try:
            self._hold(from_der(body))
        except Unreadable as error:
            self.refuse(url, str(error))

    def _hold(self, certificate):
        if certificate not in self.own:
            self.own.append(certificate)

    # NOTIFY

    @property
    def challenges(self):
        return self.setting("challenge_checksync") == "on"

    def on_event(self, event, parameters):
        if event != "check-sync":
            return None
        action = self.setting("checksync_action") if self.version >= (10, 1, 180) else ""
        if action not in self.ACTIONS:
            action = "sync" if "reboot=false" in parameters else "reboot"  # [K] what it does without a parameter
        return {
            "sync": self.poll,
            "reboot": self.restart,
            "factory-reset": self.factory_reset,
            "reregister": self._register,
            "delete-contacts": self._delete_contacts,
        }[action]

    def _register(self):
        self.registers += 1

    def _delete_contacts(self):
        self.contacts = []

    @property
    def asks_every(self):
        """Minutes between two polls; None where it asks at its start alone [K]."""
        return int(self.setting("settings_refresh_timer") or 0) // 60 or None
