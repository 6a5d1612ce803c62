"""A Mitel SIP phone: it reads its configuration and both trust stores when it starts, and starts again when a NOTIFY asks it to.

Its line is a baresip that runs on the octets it fetched. What it believes its server with, over SIP and over HTTPS, is what it
fetched last and nothing else.
"""

import re
import socket
import threading
import time
from contextlib import suppress

from terminals.sip.message import MessageFraming
from tests.support.provisioning import fetch, trusting
from tests.support.telephony.programs import eventually

REGISTER = """\
REGISTER sip:pbx.test SIP/2.0
Via: SIP/2.0/TLS {here};branch=z9hG4bK{mac}{boot};rport
From: <sip:{number}@pbx.test>;tag={boot}
To: <sip:{number}@pbx.test>
Call-ID: {mac}
CSeq: {boot} REGISTER
Contact: <sip:{number}@{here};transport=tls>
Max-Forwards: 70
Expires: 3600
Content-Length: 0

"""
COPIED = re.compile(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", re.MULTILINE)


class MitelPhone:
    """`bootstrap` and `provisioning` are the ports of the terminals' listeners over HTTP, for the very first start, and HTTPS.

    `asked`: how often a NOTIFY made it restart. `starts`: for each start why it could not fetch, or register; empty where it could.
    `restarted`: from when until when it was away for each restart, by the monotonic clock.
    """

    def __init__(self, office, number, *, mac, server, bootstrap, provisioning):
        self.number, self.mac = number, mac
        self.asked = 0
        self.starts = []
        self.restarted = []
        self.trusts = None
        self.restarts = 0
        self.is_restarting = False
        self._office, self._server = office, server
        self._bootstrap, self._provisioning = bootstrap, provisioning
        dashed = "-".join(mac[n : n + 2] for n in range(0, 12, 2))
        self._user_agent = {"User-Agent": f"Mitel6930 MAC:{dashed} V:6.4.0.140-SIP"}
        self._line = self._connection = None
        self._ending = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"Mitel phone {number}")

    def __enter__(self):
        self._thread.start()
        self._wait_for_start(1)
        return self

    def __exit__(self, *failure):
        self._ending = True
        self._pull_the_plug()
        self._thread.join()

    def start_again(self):
        """As after a power cut; back when it has started."""
        starts = len(self.starts)
        self._pull_the_plug()
        self._wait_for_start(starts + 1)
        return self

    def refusal(self):
        """Why it could not fetch, or register, at its latest start; "" when it could."""
        return "; ".join(self.starts[-1])

    # -- its line --------------------------------------------------------------------------------------------------------

    def dial(self, number):
        self._line.dial(number)

    def hang_up(self):
        self._line.hang_up()

    def in_call(self):
        return self._line.in_call()

    def __repr__(self):
        return f"Mitel phone {self.number}"

    def log(self):
        return self._line.log()

    def is_idle(self):
        return self._line.is_idle()

    # -- its life --------------------------------------------------------------------------------------------------------

    def _live(self):
        """Programs end with the thread that started them: the phone's whole life is in one."""
        went = 0.0
        try:
            while not self._ending:
                self._start()
                if self.is_restarting:
                    self.restarted.append((went, time.monotonic()))
                self.is_restarting = False
                self._listen()
                self.is_restarting, went = True, time.monotonic()
                self.restarts += 1
        finally:
            if self._connection:
                self._connection.close()
            if self._line:
                self._line.stop()

    def _pull_the_plug(self):
        self._wake.set()
        if self._connection:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _wait_for_start(self, number):
        eventually(
            lambda: len(self.starts) >= number or not self._thread.is_alive(),
            what=lambda: f"{self.number} does not start",
        )
        assert self._thread.is_alive()

    def _start(self):
        self._wake.clear()
        if self._connection:
            self._connection.close()
            self._connection = None
        refused = []
        try:
            self._fetch()
        except OSError as error:
            refused.append(f"fetch: {error}")
        if self._line is None:
            self._line = self._office.baresip(self.number, server=self._server, trust=self.trusts)
        else:
            self._line.start_again(self.trusts)
        if why := self._line.refusal():
            refused.append(f"register: {why}")
        try:
            self._connect()
        except OSError as error:
            refused.append(f"register: {error}")
        self.starts.append(refused)

    def _fetch(self):
        configuration = self._get(f"/{self.mac}.cfg").decode()
        named = dict(line.lstrip("^").split(": ", 1) for line in configuration.splitlines() if ": " in line)
        assert named["sips trusted certificates"] == named["https user certificates"]
        self.trusts = self._get("/" + named["sips trusted certificates"].split("/", 3)[3])

    def _get(self, path):
        if self.trusts is None:
            answer = fetch(self._bootstrap, path, headers=self._user_agent)
        else:
            context = trusting(self.trusts.decode())
            answer = fetch(self._provisioning, path, context=context, headers=self._user_agent, host="localhost")
        if answer.status != 200:
            raise OSError(f"{answer.status} for {path}")
        return answer.body

    def _connect(self):
        """Register a second time: baresip takes no NOTIFY without a subscription, so the phone hears it beside its line."""
        name, _, port = self._server.rpartition(":")
        plain = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
        try:
            self._connection = trusting(self.trusts.decode()).wrap_socket(plain, server_hostname=name)
        except OSError:
            plain.close()
            raise
        here = "{}:{}".format(*self._connection.getsockname())
        text = REGISTER.format(number=self.number, mac=self.mac, here=here, boot=len(self.starts) + 1)
        self._connection.sendall(text.replace("\n", "\r\n").encode())
        answer = self._connection.recv(65536)
        if not answer.startswith(b"SIP/2.0 200"):
            raise OSError(answer.decode())
        self._connection.settimeout(None)

    def _listen(self):
        """Until it is asked to start again, and has answered that and become idle, or until its plug is pulled."""
        framing = MessageFraming()
        while self._connection and (octets := self._received()):
            for message in framing.feed(octets):
                if self._answer(message.decode()):
                    self._connection.close()
                    self._connection = None
                    while not (self._line.is_idle() or self._wake.is_set()):
                        self._wake.wait(0.02)
                    return
        self._wake.wait()

    def _received(self):
        try:
            return self._connection.recv(65536)
        except OSError:
            return b""

    def _answer(self, request):
        """Whether it is to start again. Calls are for its line."""
        if request.startswith("ACK "):
            return False
        asked = request.startswith("NOTIFY ") and "Event: check-sync" in request
        status = "200 OK" if asked else "480 Temporarily Unavailable"
        copied = "".join(COPIED.findall(request))
        self._connection.sendall(f"SIP/2.0 {status}\r\n{copied}Content-Length: 0\r\n\r\n".encode())
        self.asked += asked
        return asked
