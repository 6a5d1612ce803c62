"""A small PBX on loopback over real TLS: it answers OPTIONS, registers, takes calls and sends speech back, or does what a test says."""

import re
import socket
import socketserver
import ssl
import threading
from contextlib import suppress

from tests.support.sip_registrar import challenge, is_right

WITHIN = 20


class Heard:
    """A request that came: its method, its octets, and its headers by name; one that stands there several times counts once."""

    def __init__(self, octets):
        head, _, self.body = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.octets = octets
        self.method, self.uri, _ = first.split(" ")
        self.headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            self.headers.setdefault(name, value)

    def __getitem__(self, name):
        return self.headers.get(name, "")


def reply(heard, status, *lines, body="", tag="p"):
    to = heard["To"] if ";tag=" in heard["To"] else f"{heard['To']};tag={tag}"
    copied = [f"{name}: {heard[name]}" for name in ("Via", "From", "Call-ID", "CSeq")]
    head = [f"SIP/2.0 {status}", *copied, f"To: {to}", *lines, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(head).encode()


def answer_sdp(port, *, host="127.0.0.1", payloads="0"):
    return f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP {payloads}\r\n"


class Pbx(socketserver.ThreadingTCPServer):
    """Between `with` and its end. `password`: what it asks for, "" for nothing. `echoes`: whether speech comes back; `says`: what of a
    packet, None for nothing.

    `does`: by method what is done instead: a function of the request and the connection that returns octets, or None for silence.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, certificate, key, *, password="", echoes=True, host="127.0.0.1", port=0):
        super().__init__((host, port), _Connection)
        self.password, self.echoes = password, echoes
        self.heard, self.replies, self.does = [], [], {}
        self.packets = 0
        self.says = lambda packet: packet
        self.open = []
        self.load(certificate, key)
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.bind(("127.0.0.1", 0))

    def load(self, certificate, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def speech_port(self):
        return self.ear.getsockname()[1]

    def methods(self):
        return [one.method for one in self.heard]

    def __enter__(self):
        self._at_work = [
            threading.Thread(target=self.serve_forever, args=(0.01,)),
            threading.Thread(target=self._echo, daemon=True),
        ]
        for thread in self._at_work:
            thread.start()
        return self

    def __exit__(self, *failure):
        self.shutdown()
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.ear.sendto(b"", self.ear.getsockname())
        for thread in self._at_work:
            thread.join()
        self.ear.close()
        self.server_close()

    def _echo(self):
        while True:
            packet, source = self.ear.recvfrom(2048)
            if not packet:
                return
            self.packets += 1
            if self.echoes and (again := self.says(packet)) is not None:
                self.ear.sendto(again, source)

    def handle_error(self, request, client_address):
        """A handshake that the client ended, or a connection that was cut."""

    def usual(self, heard, _connection):
        match heard.method:
            case "ACK" | "CANCEL":
                return None
            case "REGISTER" | "INVITE" if self.password and not self._is_right(heard):
                return reply(heard, "401 Unauthorized", challenge("SHA-256"))
            case "INVITE":
                sdp = answer_sdp(self.speech_port)
                contact = f"Contact: <sip:echo@{self.address};transport=tls>"
                route = f"Record-Route: <sip:{self.address};transport=tls;lr>"
                return reply(heard, "180 Ringing") + reply(heard, "200 OK", contact, route, body=sdp)
            case _:
                return reply(heard, "200 OK")

    def _is_right(self, heard):
        given = heard["Authorization"]
        return bool(given) and is_right(given, password=self.password, method=heard.method)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.open.append(self.request)
        with suppress(OSError):
            self.request.settimeout(WITHIN)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
            self.server.open.append(self.request)
            octets = b""
            while got := self.request.recv(65_536):
                octets += got
                while (end := octets.find(b"\r\n\r\n")) >= 0:
                    length = re.search(rb"Content-Length: (\d+)", octets[:end])
                    whole = end + 4 + (int(length[1]) if length else 0)
                    if len(octets) < whole:
                        break
                    message, octets = octets[:whole], octets[whole:]
                    if message.startswith(b"SIP/"):
                        self.server.replies.append(message)
                    else:
                        self._take(Heard(message))

    def _take(self, heard):
        self.server.heard.append(heard)
        does = self.server.does.get(heard.method, self.server.usual)
        if answer := does(heard, self.request):
            self.request.sendall(answer)

    def finish(self):
        self.request.close()
