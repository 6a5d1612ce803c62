"""baresip, a telephone that verifies chain, dates and host name of its server; with addresses it is content."""

import json
import re
import socket
import threading
from pathlib import Path

from tests.support.ports import free_port
from tests.support.telephony.programs import TELEPHONE_GROUP, TELEPHONE_USER, Program, eventually

CONFIGURATION = """\
poll_method epoll
sip_listen 127.0.0.1:0
sip_cafile {trust}
sip_verify_server yes
net_interface 127.0.0.1
dns_server {names}
audio_source {source}
audio_player aubridge,nowhere
audio_alert aubridge,nowhere
module_path /usr/lib/baresip/modules
module g711.so
module srtp.so
module aufile.so
module aubridge.so
module_tmp uuid.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
ACCOUNT = "<sip:{user}@{server};transport=tls>;auth_pass=none;regint=3600;answermode=auto{more}\n"

OUTCOME = r"\{0/TLS/v4\} (200 OK)|Register: .+\n"
REASON = r"verify_handler: error_string = (.+)\n"


class Baresip(Program):
    """Registers as `name` with the server `host:port`, trusting `trust`, and takes every call.

    `trust` are the octets of a file, or the path of one that somebody else keeps. One that does not speak sends no RTP in its calls;
    one that is `encrypted` takes no call in clear.
    """

    def __init__(self, directory, name, *, server, trust, names, tone, speaks=True, encrypted=False):
        super().__init__(directory, user=TELEPHONE_USER, group=TELEPHONE_GROUP)
        self.server = server
        self.control_port = free_port()
        # baresip takes one connection at a time.
        self.control = threading.Lock()
        if isinstance(trust, Path):
            self.trust_file = trust
        else:
            self.trust_file.write_bytes(trust)
        (self.directory / "contacts").touch()
        (self.directory / "accounts").write_text(
            ACCOUNT.format(user=name, server=server, more=";mediaenc=srtp-mand" if encrypted else "")
        )
        (self.directory / "config").write_text(
            CONFIGURATION.format(
                trust=self.trust_file,
                names=names.address,
                source=f"aufile,{tone}" if speaks else "aubridge,nobody",
                control=self.control_port,
            )
        )

    def __enter__(self):
        self.run("baresip", "-4", "-f", self.directory)
        return self

    def __exit__(self, *failure):
        self.stop()

    def refusal(self):
        """Why it refuses the server; "" when it has registered."""
        if self.wait_for(OUTCOME).group(1):
            return ""
        reason = re.search(REASON, self.log())
        return reason.group(1) if reason else "not for its certificate"

    def dial(self, name):
        self._command("dial", f"sip:{name}@{self.server}")

    def hang_up(self):
        self._command("hangup")

    def in_call(self):
        return "ESTABLISHED" in self._command("listcalls")

    def is_idle(self):
        return "Active calls (0)" in self._command("listcalls")

    def packets_received(self):
        """RTP packets of the call."""
        received = re.search(r"rcvd=(\d+)", self._command("audio_debug"))
        return int(received.group(1)) if received else 0

    def wait_for_call(self):
        eventually(self.in_call, what=self.log)

    def wait_for_no_call(self):
        eventually(lambda: not self.in_call(), what=self.log)

    def wait_for_packets(self, number):
        eventually(lambda: self.packets_received() >= number, what=self.log)

    def _command(self, command, parameters=""):
        """The answer to a command over ctrl_tcp, whose messages are netstrings of JSON; events in between are left."""
        message = json.dumps({"command": command, "params": parameters, "token": "asked"}).encode()
        with self.control, socket.create_connection(("127.0.0.1", self.control_port), timeout=30) as connection:
            connection.sendall(b"%d:%s," % (len(message), message))
            with connection.makefile("rb") as answers:
                while True:
                    answer = json.loads(_netstring(answers))
                    if answer.get("token") == "asked":
                        return answer["data"]


def _netstring(stream):
    length = b""
    while (octet := _exactly(stream, 1)) != b":":
        length += octet
    content = _exactly(stream, int(length))
    _exactly(stream, 1)
    return content


def _exactly(stream, count):
    content = stream.read(count)
    if len(content) < count:
        raise ConnectionError("baresip has ended the connection")
    return content
