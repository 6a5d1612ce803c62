"""What the simulated telephones of all makers do: ask for files, judge servers, hear NOTIFYs, restart, forget."""

import http.client
import secrets
from abc import ABC, abstractmethod
from collections import namedtuple
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

from tests.support.makers.certificates import as_pem, refusal_of
from tests.support.makers.checking import Refused
from tests.support.phones import answer, expected_response, read_digest

MOST_OCTETS = 5 * 1024 * 1024
MOST_REDIRECTS = 3

Asked = namedtuple("Asked", "url status")
"""A request of the telephone; its status is 0 where there was no answer."""
Refusal = namedtuple("Refusal", "what why")


def the_time():
    return datetime.now(UTC)


class SimulatedTelephone(ABC):
    """`url`: the directory or file where it is told to ask for its configuration, as DHCP names it.

    `asked`, `refused`: what it requested, and what of it or of a server it did not take. `restarts`: how often it did.
    `names`: what its DNS says, host name to address. `clock`: its own time. `password`: that of its registration in `realm`.
    """

    DEFAULTS = {}

    def __init__(
        self,
        *,
        url,
        mac,
        model=None,
        firmware=None,
        built_in=(),
        names=None,
        clock=the_time,
        password="",
        realm="pbx.example.org",
    ):
        self.url, self.mac = url, mac.replace(":", "").replace("-", "").lower()
        self.model, self.firmware = model or self.MODEL, firmware or self.FIRMWARE
        self.built_in, self.names, self.clock = tuple(built_in), names or {}, clock
        self.password, self.realm = password, realm
        self.asked, self.refused, self.due = [], [], []
        self.restarts = self.resets = self.registers = 0
        self.in_call = self._restarts_after_call = False
        self._heard, self._nonces, self.settings = {}, set(), {}
        self.forget()

    @property
    def version(self):
        """Its firmware in numbers."""
        return tuple(int(part) for part in self.firmware.split("."))

    # What it is told, and what it holds

    def forget(self):
        """Everything as it left its maker."""
        self.settings = {}

    def setting(self, name):
        return self.settings.get(name, self.DEFAULTS.get(name, ""))

    @property
    def anchors(self):
        """Those that it judges the server of its calls by, whether or not it checks."""
        return list(self.sip.anchors)

    @property
    def trust_store(self):
        """The same as PEM, to be lent to another program."""
        return as_pem(self.anchors)

    @property
    @abstractmethod
    def provisioning(self):
        """How it checks servers of its configuration; `sip`: that of its calls."""

    sip = provisioning

    def refuse(self, what, why):
        self.refused.append(Refusal(what, why))

    # Files

    @abstractmethod
    def poll(self):
        """Ask for the configuration and take it over."""

    def fetch(self, url, *, checks=None):
        """The body of a file, None where there is none; a server that it does not trust counts among what it refused."""
        for _hop in range(MOST_REDIRECTS):
            try:
                status, location, body = self._get(url, checks or self.provisioning)
            except Refused as refused:
                self.asked.append(Asked(url, 0))
                self.refuse(url, str(refused))
                return None
            except (OSError, http.client.HTTPException):
                self.asked.append(Asked(url, 0))
                return None
            self.asked.append(Asked(url, status))
            if status not in (301, 302, 307, 308):  # [K] that they follow at all
                break
            url = urljoin(url, location)
        if status != 200:
            return None
        if len(body) > MOST_OCTETS:
            self.refuse(url, "larger than 5 MB")
            return None
        return body

    def _get(self, url, checks):
        place = urlsplit(url)
        address = self.names.get(place.hostname, place.hostname)
        if place.scheme == "https":
            connection = http.client.HTTPConnection(address, place.port or 443)
            connection.sock = checks.connect(
                place.hostname, place.port or 443, name=place.hostname, at=self.clock(), address=address
            )
        else:
            connection = http.client.HTTPConnection(address, place.port or 80, timeout=30)
        with closing(connection):
            path = place.path + (f"?{place.query}" if place.query else "")
            connection.putrequest("GET", path or "/", skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", place.netloc)
            connection.putheader("User-Agent", self.user_agent)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.headers.get("Location", ""), response.read(MOST_OCTETS + 1)

    # Servers

    def trusts(self, chain):
        """Whether a chain, as PEM with the server's certificate first, leads to one that it holds, whatever it checks."""
        return not refusal_of(chain, anchors=self.anchors, at=self.clock(), takes_hosts=self.sip.takes_hosts)

    def connect(self, host, port, *, name=None):
        """Open TLS to the server of its calls, `name`, and close it; whether it went on."""
        try:
            self.sip.connect(host, port, name=name or host, at=self.clock()).close()
        except Refused as refused:
            self.refuse(f"{name or host}:{port}", str(refused))
            return False
        return True

    # NOTIFY

    def hears(self, phone, request):
        """Its answers to a SIP request, as a behaviour of tests.support.phones.Phone; what it does then is left to `act`."""
        transaction = (request.headers["Call-ID"], request.headers["CSeq"])
        if transaction not in self._heard:
            self._heard[transaction] = self._hear(request)
        return self._heard[transaction]

    def _hear(self, request):
        if request.method != "NOTIFY":
            return [answer(request, 501, "Not Implemented")]
        if self.challenges and not self._knows_password(request):
            if not self.tells_challenge:
                return []
            nonce = secrets.token_hex(8)
            self._nonces.add(nonce)
            challenge = f'WWW-Authenticate: Digest realm="{self.realm}", nonce="{nonce}", qop="auth", algorithm=MD5'
            return [answer(request, 401, "Unauthorized", challenge)]
        event, *parameters = (part.strip() for part in request.headers["Event"].split(";"))
        action = self.on_event(event, parameters)
        if action is None:
            return [answer(request, 489, "Bad Event")]
        self.due.append(action)
        return [answer(request)]

    challenges = False
    """Whether a NOTIFY needs the password of its registration."""
    tells_challenge = True
    """Whether it says so."""

    def _knows_password(self, request):
        if not (given := request.headers.get("Authorization")):
            return False
        given = read_digest(given)
        return given["nonce"] in self._nonces and given["response"] == expected_response(given, self.password, request)

    @abstractmethod
    def on_event(self, event, parameters):
        """What it does then; None for an event that it does not know."""

    def act(self):
        """Do what NOTIFYs have asked for."""
        while self.due:
            self.due.pop(0)()

    # What happens to it

    def restart(self):
        """At the end of its call [K]. It asks for its files anew."""
        if self.in_call:
            self._restarts_after_call = True
            return
        self.restarts += 1
        self.poll()
        self.started()

    def started(self):  # noqa: B027 - nothing, at most telephones
        """What holds from the end of a restart on."""

    def hang_up(self):
        self.in_call = False
        if self._restarts_after_call:
            self._restarts_after_call = False
            self.restart()

    def factory_reset(self):
        """It finds its configuration again as at the first time: DHCP names the server."""
        self.resets += 1
        self.forget()
        self.restart()

    def replaced_by(self, mac):
        """Another one in its place, from the box."""
        return type(self)(
            url=self.url,
            mac=mac,
            model=self.model,
            firmware=self.firmware,
            built_in=self.built_in,
            names=self.names,
            clock=self.clock,
            password=self.password,
            realm=self.realm,
        )
