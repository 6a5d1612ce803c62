"""A Yealink: a list of ten own certificates, each fetched from a URL that stands in a text file."""

import hashlib
import re
from urllib.parse import urljoin

from tests.support.makers.certificates import Unreadable, from_der, from_pem
from tests.support.makers.checking import Checks
from tests.support.makers.telephone import SimulatedTelephone

MOST = 10  # [D] own certificates
SUFFIXES = (".pem", ".cer", ".crt", ".der")  # [D]
INCLUDE = re.compile(r'include:config\s+"([^"]*)"')  # [C]
STATIC = ("trusted_certificates.", "security.", "auto_provision.", "phone_setting.reserve_certs_enable")
NO_CURVES = re.compile(
    r"T(19|2\d|3\d|4[0-8]|58)(?!.*U)"
)  # [C] T19 to T48S and T58; that the later T4xU are not among them [I]


class Yealink(SimulatedTelephone):
    """`deletes_last`: where one configuration has both, what it loaded goes with all the others; not documented [I].

    `fetches_anew`: also a URL from which it has loaded already [I]. `takes_several`: all certificates of one file [I].
    """

    MODEL, FIRMWARE = "SIP-T54W", "96.86.0.100"
    DEFAULTS = {
        "static.security.trust_certificates": "1",  # [C] comment in a template
        "static.security.cn_validation": "0",  # [C]
        "static.security.ca_cert": "2",  # [C] 0 built-in, 1 own, 2 both
        "sip.notify_reboot_enable": "1",  # [D]
        "static.phone_setting.reserve_certs_enable": "0",  # [K]
    }

    def __init__(self, *, deletes_last=True, fetches_anew=False, takes_several=False, **options):
        self.deletes_last, self.fetches_anew, self.takes_several = deletes_last, fetches_anew, takes_several
        super().__init__(**options)

    @property
    def generation(self):
        """The V of its firmware: 28.72.0.1 is V72. The first number is that of its model [K]."""
        return self.version[1]

    @property
    def user_agent(self):
        """[C] T5x have no colons."""
        mac = self.mac
        if not re.match(r"SIP-T5", self.model):
            mac = ":".join(mac[at : at + 2] for at in range(0, 12, 2))
        return f"Yealink {self.model} {self.firmware} {mac}"

    def forget(self):
        """[K] Own certificates survive where that is set."""
        if not self.settings or self.setting("static.phone_setting.reserve_certs_enable") != "1":
            self.own = []
        self.loaded, self.digests = set(), {}
        super().forget()

    # What it checks

    def _switch(self, service, name):
        """Newer firmware has one for each service [C]; that the common one holds where it is not given [I]."""
        for key in (f"static.security.{service}.{name}", f"security.{service}.{name}"):
            if key in self.settings:
                return self.settings[key]
        return self.setting(f"static.security.{name}")

    def _checks(self, service, ciphers):
        those = self._switch(service, "ca_cert")
        limited = self.rejects_curves
        return Checks(
            anchors=tuple(self.built_in * (those != "1")) + tuple(self.own * (those != "0")),
            chain=self._switch(service, "trust_certificates") == "1",
            name=self._switch(service, "cn_validation") == "1",
            ciphers=(self.setting(ciphers) or "ECDHE+AES:AES:!aNULL") if limited else "",
            no_curves=limited,
        )

    @property
    def rejects_curves(self):
        """[C] They fail with "ASN1 … unknown message digest algorithm" until they are given a list without ECDH."""
        return 84 <= self.generation <= 89 and NO_CURVES.search(self.model) is not None

    @property
    def provisioning(self):
        return self._checks("auto_provision", "security.tls_cipher_list")

    @property
    def sip(self):
        return self._checks("sip", "sip.tls_cipher_list")

    # Files

    def poll(self):
        given = {}
        for url in self._files():
            given |= self._read(url)
        checks = {key for key, value in given.items() if "security." in key and self.setting(key) != value}
        self.settings |= given
        self._take_certificates(given)
        if checks:
            self.restart()  # [K] a change of the checks asks for one

    def _files(self):
        """Those of its configuration, in the order in which it asks for them."""
        if self.generation >= 81:  # [K] since when
            for name in (f"{self.mac}.boot", "y000000000000.boot"):
                url = urljoin(self.url, name)
                if (body := self.fetch(url)) is not None:
                    yield from (urljoin(url, included) for included in INCLUDE.findall(self._text(url, body)))
                    return
        yield urljoin(self.url, f"y{self.version[0]:012d}.cfg")
        yield urljoin(self.url, f"{self.mac}.cfg")

    def _text(self, url, body):
        """Of a file that begins as it has to; "" of any other."""
        text = body.decode(errors="replace")
        if not re.match(r"#!version:\d", text):
            self.refuse(url, "its first line is not #!version:1.0.0.1")
            return ""
        return text

    def _read(self, url):
        """The values of a file that has changed: [D] it compares the MD5."""
        if (body := self.fetch(url)) is None:
            return {}
        digest = hashlib.md5(body).hexdigest()
        if self.digests.get(url) == digest:
            return {}
        given = {}
        for line in self._text(url, body).splitlines():
            if line.strip() and not line.startswith("#"):
                key, equals, value = line.partition("=")
                if equals:
                    given[self._today(key.strip())] = value.strip()
                else:
                    self.refuse(url, f"no value: {line}")
        if given:
            self.digests[url] = digest
        return given

    def _today(self, key):
        """[D] Older firmware has names without `static.`; before V81 [K], and then it knows no others [I]."""
        if self.generation >= 81:
            return key
        if key.startswith("static."):
            return f"unknown {key}"
        return f"static.{key}" if key.startswith(STATIC) else key

    # Certificates

    def _take_certificates(self, given):
        deletes = given.get("static.trusted_certificates.delete") == "http://localhost/all"
        if deletes and not self.deletes_last:
            self.own = []
        url = given.get("static.trusted_certificates.url")
        if url and (url not in self.loaded or self.fetches_anew) and not self._load(url):
            self.digests.clear()  # [K] it tries again with the next poll
        if deletes and self.deletes_last:
            self.own = []

    def _load(self, url):
        """Whether there is nothing left to try."""
        if not url.lower().endswith(SUFFIXES):
            self.refuse(url, "not .pem, .cer, .crt or .der")
            return True
        if (body := self.fetch(url)) is None:
            self.refuse(url, "could not be fetched")
            return False
        try:
            certificates = from_pem(body.decode()) if body.startswith(b"-----") else [from_der(body)]
        except (Unreadable, UnicodeDecodeError) as error:
            self.refuse(url, str(error))
            return True
        if len(certificates) > 1 and not self.takes_several:
            self.refuse(url, "more than one certificate: only the first is taken")
            del certificates[1:]
        for certificate in certificates:
            if certificate in self.own:
                continue  # [I] none is held twice
            if len(self.own) >= MOST:
                self.refuse(url, "ten certificates are held already")
                return True
            self.own.append(certificate)
        self.loaded.add(url)
        return True

    # NOTIFY

    @property
    def challenges(self):
        return "NOTIFY" in self.setting("sip.request_validation.digest.list").upper()  # [K]

    def on_event(self, event, parameters):
        if event != "check-sync":
            return None
        # [K] 0 as the event says, 1 always, 2 never.
        restarts = {"0": "reboot=true" in parameters, "2": False}.get(self.setting("sip.notify_reboot_enable"), True)
        return self.restart if restarts else self.poll

    @property
    def asks_every(self):
        """Minutes between two polls; None where it asks at its start alone."""
        on = self.setting("static.auto_provision.repeat.enable") == "1"
        return int(self.setting("static.auto_provision.repeat.minutes") or 1440) if on else None
