"""Syslog: to the real rsyslog of Debian, over UDP and its socket, and to sockets that misbehave."""

import re
import socket
import ssl
import subprocess
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from pbxcerts.system.models import General, Severity
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.models import Delivery
from tests.support.mail_server import a_certificate
from tests.support.peers import missing, require_program
from tests.support.product import ROOT, free_port
from tests.support.running import wait_for

CONFIGURATION = """
module(load="imudp")
module(load="imuxsock" SysSock.Use="off")
input(type="imudp" address="127.0.0.1" port="{port}")
input(type="imuxsock" socket="{socket}" createPath="on" useSpecialParser="off" parseHostname="on")
template(name="parts" type="string" string="%syslogfacility-text%|%syslogseverity-text%|%app-name%|%msgid%|%structured-data%|%msg%\\n")
*.* action(type="omfile" file="{log}" template="parts")
"""
LINE = re.compile(
    rb"<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ pbxcerts - (\S+) (\[origin [^\]]*\]\[pbxcerts@\d+ .*?[^\\]\]) \xef\xbb\xbf(.*)",
    re.DOTALL,
)


class Rsyslog:
    def __init__(self, directory):
        self.port, self.socket, self.log = free_port(), directory / "log.sock", directory / "log"
        self._configuration, self._pid = directory / "rsyslog.conf", directory / "pid"
        self._configuration.write_text(CONFIGURATION.format(port=self.port, socket=self.socket, log=self.log))

    @contextmanager
    def running(self):
        program = require_program("rsyslogd")
        process = subprocess.Popen(
            [program, "-n", "-f", self._configuration, "-i", self._pid],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(self.socket.exists, what="the socket of rsyslog")
            yield process
        finally:
            process.kill()
            process.wait()
            self.socket.unlink(missing_ok=True)
            self._pid.unlink(missing_ok=True)

    def lines(self, count):
        wait_for(lambda: self.log.exists() and self.log.read_text().count("\n") >= count, what="lines in the log")
        return [line.split("|") for line in self.log.read_text().splitlines()]


@pytest.fixture
def rsyslog(tmp_path):
    return Rsyslog(tmp_path)


def to(desk, server="", path="", **fields):
    options = {"transport": "udp", "server": server, "socket": str(path), "facility": "local3", "enterprise": 32473}
    return desk.destination("syslog", options=options, url="", **fields)


def tried(desk, destination):
    delivery = queue.test(destination, desk.now)
    sending.deliver_due(limit=3)
    delivery.refresh_from_db()
    return delivery


@pytest.mark.peer
@pytest.mark.parametrize("way", ["udp", "socket"])
def test_rsyslog_takes_it_apart_as_it_was_meant(desk, rsyslog, way):
    with rsyslog.running():
        destination = to(desk, server=f"127.0.0.1:{rsyslog.port}") if way == "udp" else to(desk, path=rsyslog.socket)
        message = desk.happens(Severity.CRITICAL, params={"files": 'a"b]c\\d ü.pem'})
        desk.notes()
        sending.deliver_due()
        ((facility, severity, program, kind, data, text),) = rsyslog.lines(1)

    delivery = Delivery.objects.get(destination=destination)
    assert delivery.state == "delivered", delivery.fault_text
    assert (facility, severity, program, kind) == ("local3", "crit", "pbxcerts", "files_differ")
    assert f'subject="{message.subject}"' in data
    assert 'phase="raised"' in data
    assert f'delivery="{delivery.uid.hex}"' in data
    assert "pbxcerts@32473" in data
    assert 'a"b]c\\d ü.pem' in text


@pytest.mark.peer
def test_a_syslog_service_that_was_killed_is_noticed_and_gets_it_later(desk, rsyslog):
    destination = to(desk, path=rsyslog.socket)
    with rsyslog.running():
        assert tried(desk, destination).state == "delivered"
        rsyslog.lines(1)
    desk.happens()
    desk.notes()
    sending.deliver_due()
    waiting = Delivery.objects.waiting().get()
    assert waiting.fault == "no_socket"
    assert str(rsyslog.socket) in waiting.fault_text
    desk.passes(minutes=1)
    with rsyslog.running():
        sending.deliver_due()
        rsyslog.lines(2)
    assert Delivery.objects.waiting().count() == 0


class TlsSink:
    """A syslog server over TLS; `received` is what came, and `ended` how many connections have ended."""

    def __init__(self, certificate, key):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.received, self.ended = b"", 0

    def __enter__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self):
        with suppress(OSError):
            while True:
                plain, _address = self._listening.accept()
                with suppress(OSError), plain, self._context.wrap_socket(plain, server_side=True) as connection:
                    while part := connection.recv(65_536):
                        self.received += part
                self.ended += 1


@contextmanager
def forwarding(directory, root, port):
    """The rsyslog of the README's recipe, with the socket that it makes."""
    (recipe,) = re.findall(r"```text\n(global\(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    path = directory / "forwarded.sock"
    for told, here in (
        ("/etc/ssl/certs/ca-certificates.crt", root),
        ("/run/pbxcerts-log", path),
        ("log.example.org", "localhost"),
        ('"6514"', f'"{port}"'),
    ):
        assert told in recipe
        recipe = recipe.replace(told, str(here))
    configuration = directory / "forwarding.conf"
    configuration.write_text('module(load="imuxsock" SysSock.Use="off")\n' + recipe)
    process = subprocess.Popen(
        [require_program("rsyslogd"), "-n", "-f", configuration, "-i", directory / "forwarding.pid"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(path.exists, what="the socket of rsyslog")
        yield path
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def gtls():
    """rsyslog's driver for TLS, which is a package of its own."""
    if not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        missing("rsyslog-gnutls is not installed")


@pytest.mark.peer
def test_rsyslog_forwards_it_over_tls_by_the_recipe_of_the_readme(desk, tmp_path, gtls):
    root, chain, key = a_certificate(tmp_path)
    with TlsSink(chain, key) as sink, forwarding(tmp_path, root, sink.port) as path:
        to(desk, path=path)
        message = desk.happens(Severity.CRITICAL, params={"files": "ü.pem"})
        desk.notes()
        sending.deliver_due()
        wait_for(lambda: sink.received.endswith(b"\n"), what="a line over TLS")

    # rsyslog writes the zone of the time stamp in its own way.
    parts = LINE.fullmatch(sink.received.removesuffix(b"\n").replace(b"+00:00 ", b"Z ", 1))
    assert parts, sink.received
    assert b"\n" not in parts[0]
    assert parts[2] == b"files_differ"
    assert f'subject="{message.subject}"'.encode() in parts[3]
    assert "ü.pem".encode() in parts[4]


@pytest.mark.peer
def test_by_that_recipe_nothing_goes_to_a_server_that_cannot_show_the_name(desk, tmp_path, gtls):
    root, chain, key = a_certificate(tmp_path, names=("log.example.com",))
    with TlsSink(chain, key) as sink, forwarding(tmp_path, root, sink.port) as path:
        assert tried(desk, to(desk, path=path)).state == "delivered"
        wait_for(lambda: sink.ended, what="a connection that was given up")

    assert sink.received == b""


@contextmanager
def receiver():
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.5)

        def received():
            lines = []
            while True:
                try:
                    lines.append(listening.recv(65_536))
                except TimeoutError:
                    return lines

        yield f"127.0.0.1:{listening.getsockname()[1]}", received


def test_each_event_message_is_a_line_with_an_id_that_stays(desk):
    with receiver() as (address, received):
        destination = to(desk, server=address)
        for _number in range(3):
            desk.happens()
        desk.notes()
        sending.deliver_due()
        first = received()
        Delivery.objects.update(state="waiting")
        desk.passes(hours=1)
        sending.deliver_due()
        again = received()

    parts = [LINE.fullmatch(line) for line in first]
    assert len(first) == 3
    assert all(parts)
    assert first == again
    assert len({re.search(rb' id="([^"]+)"', line)[1] for line in first}) == 3
    assert destination.pk


def test_a_storm_is_one_line_with_a_count(desk):
    with receiver() as (address, received):
        to(desk, server=address)
        for _number in range(500):
            desk.happens()
        desk.notes()
        sending.deliver_due()
        (line,) = received()

    assert b'count="500"' in line
    assert len(line) <= 2000
    line.decode()


def test_no_name_can_begin_a_line_or_leave_its_value(desk):
    General.objects.update(site_name='a"]\n<0>1 - - evil - - - x', language="en")
    with receiver() as (address, received):
        tried(desk, to(desk, server=address))
        (line,) = received()

    assert b"\n" not in line
    assert LINE.fullmatch(line)


def test_the_signs_of_structured_data_are_escaped_within_a_value(desk):
    with receiver() as (address, received):
        to(desk, server=address)
        desk.happens(subject='a"]\\ [evil x="1"]')
        desk.notes()
        sending.deliver_due()
        (line,) = received()

    assert b'subject="a\\"\\]\\\\ [evil x=\\"1\\"\\]"' in line


def test_a_port_at_which_nobody_listens_is_noticed_where_the_machine_says_so(desk):
    port = free_port()
    delivery = tried(desk, to(desk, server=f"127.0.0.1:{port}"))

    assert delivery.fault == "refused"
    assert str(port) in delivery.fault_text


def test_a_name_that_nobody_knows_is_said(desk):
    assert tried(desk, to(desk, server="log.invalid:514")).fault == "name_unknown"


def test_a_socket_that_nobody_reads_is_not_waited_for(desk, tmp_path):
    path = tmp_path / "full"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as full:
        full.bind(str(path))
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as filling:
            filling.setblocking(False)
            try:
                while True:
                    filling.sendto(b"x", str(path))
            except BlockingIOError:
                pass
        began = time.monotonic()
        delivery = tried(desk, to(desk, path=path))

    assert delivery.fault == "no_answer"
    assert time.monotonic() - began < 6
