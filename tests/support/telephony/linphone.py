"""Linphone, a telephone that verifies chain, dates, host names and addresses of its server."""

import re
import socket

from tests.support.telephony.programs import TELEPHONE_GROUP, TELEPHONE_USER, Program, eventually

# Without the two lines on the network Linphone waits for a default route before it registers.
CONFIGURATION = """\
[sip]
root_ca={trust}
verify_server_certs=1
verify_server_cn=1
auto_net_state_mon=0
register_only_when_network_is_up=0
bind_address=127.0.0.1
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
default_proxy=0
media_encryption=none

[net]
dns_srv_enabled=0
dns_search_enabled=0

[rtp]
bind_address=127.0.0.1
audio_rtp_port=0

[proxy_0]
reg_proxy=<sip:{server};transport=tls>
reg_route=<sip:{server};transport=tls>
reg_identity=sip:{user}@{domain}
reg_expires=3600
reg_sendregister=1
publish=0
"""

OUTCOME = r"to \[LinphoneRegistration(Ok|Failed)\]"
REASON = r"Found certificate depth=\[\d\], flags=\[([^\]]+?) ?\]"


class Linphone(Program):
    """Registers as `name` with the server `host:port`, trusting the file `trust`, and takes every call."""

    def __init__(self, directory, name, *, server, trust, tone):
        super().__init__(directory, user=TELEPHONE_USER, group=TELEPHONE_GROUP)
        self.log_file = self.directory / "linphone.log"
        self.connection = None
        self.server = server
        self.tone = tone
        domain = server.rpartition(":")[0]
        self.trust_file.write_bytes(trust)
        (self.directory / "hosts").write_text(f"127.0.0.1 localhost {domain}\n")
        (self.directory / "linphonerc").write_text(
            CONFIGURATION.format(trust=self.trust_file, server=server, user=name, domain=domain)
        )
        # Linphone keeps its databases there and does not make the directory itself.
        (self.directory / ".local/share/linphone").mkdir(parents=True)

    def __enter__(self):
        self.run(
            *["linphone-daemon", "--config", self.directory / "linphonerc", "--log", self.log_file],
            *["--pipe", self.directory / "socket", "--auto-answer", "--disable-stats-events"],
            hosts=self.directory / "hosts",
        )
        return self

    def __exit__(self, *failure):
        self.stop()

    def stop(self):
        if self.connection:
            self.connection.close()
            self.connection = None
        super().stop()
        (self.directory / "socket").unlink(missing_ok=True)

    def refusal(self):
        """Why it refuses the server; "" when it has registered."""
        if self.wait_for(OUTCOME).group(1) == "Ok":
            return ""
        reason = re.search(REASON, self.log())
        return reason.group(1) if reason else "not for its certificate"

    def dial(self, name):
        self._command(f"call sip:{name}@{self.server}")

    def hang_up(self):
        self._command("terminate")

    def in_call(self):
        return "LinphoneCallStreamsRunning" in self._command("call-status")

    def is_idle(self):
        return "LinphoneCall" not in self._command("call-status")

    def wait_for_call(self):
        """Until a call is up, into which it then plays its tone: without a sound card it would send nothing."""
        eventually(self.in_call, what=self.log)
        self._command(f"incall-player-start {self.tone}")

    def wait_for_no_call(self):
        eventually(lambda: not self.in_call(), what=self.log)

    def packets_received(self):
        """RTP packets of the calls that have ended."""
        return sum(map(int, re.findall(r"ortp-message- received +(\d+) packets", self.log())))

    def wait_for_packets(self, number):
        eventually(lambda: self.packets_received() >= number, what=self.log)

    def _command(self, command):
        """The daemon takes one connection at a time, and answers each command in one piece."""
        if not self.connection:
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.settimeout(30)
            self.connection.connect(str(self.directory / "socket"))
        self.connection.sendall(f"{command}\n".encode())
        return self.connection.recv(65536).decode()
