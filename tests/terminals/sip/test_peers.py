"""The client against programs that others wrote."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
from contextlib import contextmanager
from datetime import timedelta

import pytest

from terminals.drivers.base import Reaction
from terminals.sip.exchange import NotifyExchange
from terminals.sip.message import SentBy
from terminals.sip.notify import Credentials, Hop, Notify, Transport
from tests.support.peers import missing, require_program
from tests.support.phones import Challenging, Phone, a_notify, ask, run
from tests.support.sipp import Sipp
from tests.support.telephony.office import Office, trust_file
from tests.support.telephony.programs import eventually

pytestmark = pytest.mark.peer


class TestSipp:
    @pytest.mark.parametrize(("transport", "requests"), [("udp", 2), ("tcp", 1)])
    def test_a_slow_telephone_hears_and_the_request_is_repeated_over_udp_alone(self, transport, requests):
        with Sipp("answer", transport) as sipp:
            (answered,) = run(ask(a_notify(sipp)))
            assert sipp.finish() == (0, "")
            assert sipp.requests() == requests

        assert (answered.status, answered.reaction) == (200, Reaction.HEARD)

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_a_challenge_is_answered_as_sipp_works_it_out(self, transport):
        with Sipp("challenge", transport) as sipp:
            (answered,) = run(ask(a_notify(sipp)))
            assert sipp.finish() == (0, "")

        assert (answered.status, answered.reaction) == (202, Reaction.HEARD)

    def test_the_wrong_password_is_refused(self):
        with Sipp("challenge") as sipp:
            wrong = (Credentials("201", "four teapots", "pbx.example.org"),)
            (answered,) = run(ask(a_notify(sipp, credentials=wrong)))

        assert (answered.status, answered.reaction) == (403, Reaction.REFUSED)

    def test_an_overloaded_one_says_when_to_come_back(self):
        with Sipp("overloaded") as sipp:
            (answered,) = run(ask(a_notify(sipp)))
            assert sipp.finish() == (0, "")

        assert (answered.reaction, answered.retry_after) == (Reaction.OVERLOADED, timedelta(seconds=45))


class TestThroughTheCommunicationServer:
    """To the address of record through Kamailio, to a baresip that is registered over TLS and takes nothing from others."""

    ACCOUNT = Credentials("pbxcerts", "kettle", "pbx.test")

    @pytest.fixture
    def office(self):
        with Office() as office:
            yield office

    @pytest.fixture
    def notify(self, office, pair):
        """Send one NOTIFY to the number; the server asks for an account."""
        store = office.store_with("store", pair)
        self.server = office.kamailio(store, account_password=self.ACCOUNT.password)
        self.anna = office.baresip("anna", server=f"pbx.test:{self.server.port}", trust=trust_file(store))
        assert self.anna.refusal() == ""
        trusted = ssl.create_default_context(cadata=trust_file(store).decode())
        hop = Hop("127.0.0.1", self.server.port, Transport.TLS)

        def notify(number, *credentials):
            target = f"sip:{number}@pbx.test"
            notify = Notify(0, target, "check-sync;reboot=false", hop, credentials, from_uri="sip:pbxcerts@pbx.test")
            (answered,) = run(ask(notify, tls=trusted))
            return answered

        return notify

    def test_a_baresip_says_that_it_has_no_subscription(self, notify):
        answered = notify("anna", self.ACCOUNT)
        assert (answered.status, answered.reaction) == (481, Reaction.NOT_SUPPORTED)

    def test_a_number_that_is_not_registered_is_absent(self, notify):
        answered = notify("berta", self.ACCOUNT)
        assert (answered.status, answered.reaction) == (404, Reaction.ABSENT)

    def test_a_telephone_whose_plug_was_pulled_is_absent(self, notify):
        os.killpg(self.anna.process.pid, signal.SIGKILL)
        self.anna.process.wait()
        # The server finds out when the kernel has closed the telephone's connection.
        answered = eventually(
            lambda: (it := notify("anna", self.ACCOUNT)).reaction is Reaction.ABSENT and it, what=self.server.log
        )
        assert answered.status == 477

    @pytest.mark.parametrize(
        "credentials", [(), (Credentials("pbxcerts", "teapot", "pbx.test"),)], ids=["none", "wrong"]
    )
    def test_without_the_account_nothing_goes_through(self, notify, credentials):
        answered = notify("anna", *credentials)
        assert (answered.status, answered.reaction, answered.realm) == (407, Reaction.CREDENTIALS, "pbx.test")


class TestTshark:
    def test_it_finds_nothing_malformed(self, tmp_path):
        tshark = require_program("tshark")

        async def scenario():
            async with Phone(Challenging()) as udp, Phone(Challenging(), transport="tcp") as tcp:
                capture = tmp_path / "lo.pcapng"
                with listening(tshark, capture, f"port {udp.port} or port {tcp.port}") as written:
                    event = 'ua-profile;profile-type="device"'
                    answers = await ask(a_notify(udp, 0), a_notify(tcp, 1), a_notify(udp, 2, event=event))
                    assert {answered.status for answered in answers} == {200}
                    # A request and an answer, each twice for its challenge, three times.
                    await asyncio.to_thread(eventually, lambda: written() >= 12, what=lambda: f"{written()} of 12")
                return dissect(tshark, capture, udp.port, tcp.port)

        fields, malformed = run(scenario())
        assert malformed == []
        requests = [line for line in fields if line[0] == "NOTIFY"]
        assert len(requests) == 6
        assert {line[1:] for line in requests} == {("check-sync", "0"), ('ua-profile;profile-type="device"', "0")}

    def test_it_would_find_a_request_that_is_cut(self, tmp_path):
        tshark = require_program("tshark")
        sender = SentBy("UDP", "127.0.0.1:5060")
        whole = NotifyExchange(Notify(0, "sip:201@pbx.test", "check-sync", Hop("127.0.0.1", 5060))).request(sender)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as telephone,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            telephone.bind(("127.0.0.1", 0))
            port = telephone.getsockname()[1]
            capture = tmp_path / "lo.pcapng"
            with listening(tshark, capture, f"port {port}") as written:
                for octets in (whole, whole[:-10]):
                    client.sendto(octets, ("127.0.0.1", port))
                eventually(lambda: written() >= 2, what=lambda: f"{written()} of 2")
        fields, malformed = dissect(tshark, capture, port)
        assert (len(fields), len(malformed)) == (2, 1)


@contextmanager
def listening(tshark, capture, wanted):
    """Capture what passes on loopback; yields how many messages have been written."""
    command = [tshark, "-i", "lo", "-f", wanted, "-w", str(capture), "-q"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Capture started" in line:
                break
        else:
            missing(f"tshark cannot capture here: {''.join(said)}")

        def written():
            try:
                return capture.read_bytes().count(b"\r\nCSeq: ")
            except FileNotFoundError:
                return 0

        yield written
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def dissect(tshark, capture, *ports):
    """(method, event, content length) of each SIP message, and what the dissector calls malformed."""
    decoding = [option for port in ports for kind in ("udp", "tcp") for option in ("-d", f"{kind}.port=={port},sip")]

    def lines(*options):
        done = subprocess.run(
            [tshark, "-n", "-r", capture, *decoding, *options], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    names = [option for name in ("sip.Method", "sip.Event", "sip.Content-Length") for option in ("-e", name)]
    fields = [tuple(line.split("\t")) for line in lines("-Y", "sip", "-T", "fields", *names)]
    # From PI_WARN on; that a connection was reset is said of packets without SIP.
    return fields, lines("-Y", "_ws.malformed or (sip and _ws.expert.severity >= 0x00600000)")
