"""Kamailio as the communication server: it reads what was published, as a user of its own."""

import re
import subprocess
from pathlib import Path

from certificates.communication_server.presented import look_at_tls_address
from tests.support import debian13
from tests.support.ports import free_port
from tests.support.telephony.programs import SERVER_GROUP, SERVER_USER, Program, eventually

TROUBLE = re.compile(r"\b(WARNING|ERROR|CRITICAL|ALERT|EMERG):")
MOST_TROUBLES = 40

CONFIGURATION = Path(__file__).with_name("kamailio.cfg")


class Kamailio(Program):
    """`stores` are stores of the product (rule store-layout); each is served on a port of its own.

    With an `account_password` a NOTIFY is relayed for those alone who know it, with a `telephone_password` those alone who know
    it are registered; both in the realm "pbx.test". `knows_calls`: whether it says who is in a call. `over_tcp`: whether it registers
    without TLS too, at the port `tcp_port`.
    """

    def __init__(
        self, directory, stores, *, account_password="", telephone_password="", knows_calls=False, over_tcp=False
    ):
        super().__init__(directory, user=SERVER_USER, group=SERVER_GROUP)
        self.passwords = {"ACCOUNT": account_password, "TELEPHONE": telephone_password}
        self.knows_calls = knows_calls
        self.stores = stores
        self.ports = {store: free_port() for store in stores}
        self.tcp_port = free_port() if over_tcp else 0
        self.socket = f"unix:{self.directory}/ctl"
        # Whoever is in the server's group may have it reload.
        self.reload_command = debian13.command(*reload(self.socket), user="nobody", group=self.group)

    def __enter__(self):
        listeners = "".join(f"listen=tls:127.0.0.1:{port}\n" for port in self.ports.values())
        if self.tcp_port:
            listeners += f"listen=tcp:127.0.0.1:{self.tcp_port}\n"
        route = CONFIGURATION.read_text().replace("@DIRECTORY@", str(self.directory)).replace("@GROUP@", self.group)
        for whose, password in self.passwords.items():
            if password:
                defines = f"#!trydef WITH_PASSWORDS\n#!define WITH_{whose}_PASSWORD\n"
                route = defines + route.replace(f"@{whose}_PASSWORD@", password)
        if self.knows_calls:
            route = f"#!define WITH_DIALOGS\n{route}"
        (self.directory / "kamailio.cfg").write_text(listeners + route)
        sections = {"default": self.stores[0], **{f"127.0.0.1:{port}": store for store, port in self.ports.items()}}
        (self.directory / "tls.cfg").write_text("".join(tls_section(*section) for section in sections.items()))
        # In megabytes; below 5 that are free Kamailio lets operations of TLS fail, and each reload and each call takes some.
        shared_memory = "128"
        self.run(
            *["kamailio", "-DD", "-E", "-m", shared_memory, "-M", "4", "-f", self.directory / "kamailio.cfg"],
            *["-Y", self.directory, "-P", self.directory / "pid"],
        )
        try:
            for port in self.ports.values():
                eventually(lambda port=port: self._answers(port), what=self.log)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure):
        self.stop()

    def control(self, *order):
        """What kamcmd says to this order."""
        command = debian13.command("kamcmd", "-s", self.socket, *order, user="nobody", group=self.group)
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def connections(self):
        """How many connections of TCP and TLS it holds."""
        return int(re.search(r"opened_connections: (\d+)", self.control("core.tcp_info"))[1])

    def troubles(self):
        """What it says went wrong, from the beginning: what comes later often follows from that."""
        lines = [line for line in self.log().splitlines() if TROUBLE.search(line)]
        return "\n".join(lines[:MOST_TROUBLES])

    def _answers(self, port):
        if self.process.poll() is not None:
            raise AssertionError(f"Kamailio does not start:\n{self.log()}")
        return bool(look_at_tls_address(f"127.0.0.1:{port}").sha256)

    @property
    def port(self):
        """Of a server with one store."""
        (port,) = self.ports.values()
        return port


def reload(socket):
    """The arguments of the reload command."""
    return ["kamcmd", "-s", socket, "tls.reload"]


def tls_section(address, store):
    return (
        f"[server:{address}]\n"
        "method = TLSv1.2+\n"
        "verify_certificate = no\n"
        "require_certificate = no\n"
        f"certificate = {store.path}/current/fullchain.pem\n"
        f"private_key = {store.path}/current/host.key\n"
    )
