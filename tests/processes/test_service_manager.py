"""What a service manager hears of `up`, over a real socket of its kind (rule service-manager)."""

import os
import signal
import socket
import time

import psycopg
import pytest

from pbxcerts.processes import pulse
from pbxcerts.processes.service_manager import ServiceManager
from tests.support.postgresql import cluster, new_database, unprivileged_directory
from tests.support.running import MANAGE, TreeFromItsBeginning, wait_for

WATCHDOG = 2
"""Seconds."""


class Manager:
    """The socket of a service manager; `heard` is everything until now, `at` when the last came."""

    def __init__(self, address):
        self.address = address
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    @property
    def variables(self):
        return {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(WATCHDOG * 1_000_000)}

    def listen(self):
        try:
            while True:
                self.heard += self.socket.recv(65536).decode().splitlines()
        except BlockingIOError:
            return self.heard

    def hears(self, word, *, seconds=60):
        wait_for(lambda: word in self.listen(), seconds=seconds, what=f"{word}, not only {self.heard}")

    def counts(self, word, *, seconds):
        """How often it comes within so many seconds from now on."""
        self.listen()
        self.heard.clear()
        time.sleep(seconds)
        return self.listen().count(word)

    @property
    def status(self):
        return [line.removeprefix("STATUS=") for line in self.listen() if line.startswith("STATUS=")]


@pytest.fixture(params=["a path", "an abstract address"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "a path" else f"@pbxcerts-test-{os.getpid()}"
    with Manager(address) as manager:
        yield manager


@pytest.fixture
def tree(tmp_path):
    with TreeFromItsBeginning(tmp_path) as tree:
        yield tree.install()


@pytest.mark.process
def test_it_hears_when_all_runs_that_it_goes_on_and_that_it_ends(tree, manager):
    tree.start(**manager.variables)
    manager.hears("READY=1")

    assert tree.answers()
    assert tree.child("worker")
    assert 2 <= manager.counts("WATCHDOG=1", seconds=2 * WATCHDOG) <= 6
    assert tree.end() == 0
    assert "STOPPING=1" in manager.listen()
    assert "READY=1" not in manager.heard, "it is said once"


@pytest.mark.process
def test_what_a_person_is_shown_says_what_is_wrong_and_when_it_is_right_again(tree, manager):
    tree.start(**manager.variables)
    manager.hears("READY=1")
    manager.hears("STATUS=Bedienoberfläche und Hintergrundprozess laufen.")
    manager.heard.clear()

    os.kill(tree.web, signal.SIGKILL)

    wait_for(lambda: any("SIGKILL" in sentence for sentence in manager.status), what="the end of the web process")
    wait_for(lambda: manager.status[-1] == "Bedienoberfläche und Hintergrundprozess laufen.", what="that it runs again")
    assert all("\n" not in sentence for sentence in manager.status)


@pytest.mark.process
def test_the_panel_is_ready_where_the_worker_cannot_be_started(tree, manager):
    """Else the manager would take it for one that does not start, and end the page that says why."""
    tree.start(**manager.variables, CLUSTER_ENDS_WITH="3")
    manager.hears("READY=1")

    assert any("Exit-Code 3" in sentence for sentence in manager.status)


@pytest.mark.process
def test_a_loop_that_stands_still_feeds_no_watchdog(tree, manager):
    tree.start(**manager.variables)
    manager.hears("READY=1")
    os.kill(tree.process.pid, signal.SIGSTOP)

    try:
        assert manager.counts("WATCHDOG=1", seconds=2 * WATCHDOG) == 0
    finally:
        os.kill(tree.process.pid, signal.SIGCONT)


@pytest.mark.process
def test_nothing_that_is_started_can_speak_for_it(tree, manager, tmp_path):
    told = tmp_path / "told"
    command = tmp_path / "reload"
    command.write_text(f"#!/bin/sh\nenv > {told}\n")
    command.chmod(0o755)

    tree.start(PBXCERTS_RELOAD_COMMAND=str(command), EDITOR="ed", **manager.variables)
    manager.hears("READY=1")
    with tree.working_for(0, "work_after_a_reload"):
        given = told.read_text().splitlines()

    assert "EDITOR=ed" in given
    assert [line for line in given if line.startswith(("NOTIFY_", "WATCHDOG_"))] == []


@pytest.mark.process
def test_a_manager_that_has_gone_does_no_harm(tree, tmp_path):
    tree.start(program=MANAGE, NOTIFY_SOCKET=str(tmp_path / "nobody"), WATCHDOG_USEC="1000000")

    wait_for(tree.beats, what="a heartbeat")
    assert tree.end() == 0


def test_a_watchdog_of_another_process_is_not_fed():
    ours = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    anothers = ours | {"WATCHDOG_PID": str(os.getppid())}
    fed, unfed = ServiceManager.taken_from(ours), ServiceManager.taken_from(anothers)
    fed.feed_watchdog(7.0)
    unfed.feed_watchdog(7.0)

    assert (fed.seconds_until_feeding(7.25), unfed.seconds_until_feeding(7.25)) == (0.25, float("inf"))
    assert ours == {}, "nobody else gets them"


@pytest.mark.peer
def test_a_database_that_does_not_answer_keeps_the_loop_waiting_for_seconds_only(monkeypatch):
    """Its tables are locked, as by a migration or a dump; PostgreSQL would wait for ever."""
    monkeypatch.setattr(pulse, "ANSWERS_WITHIN", 1)
    with unprivileged_directory() as found, cluster(*found) as server:
        url = new_database(server)
        monkeypatch.setattr(pulse, "_url", lambda: url)
        with psycopg.connect(url) as other:
            other.execute("CREATE TABLE system_heartbeat (key text, beats int); CREATE TABLE django_q_ormq (key text)")
            other.execute("INSERT INTO system_heartbeat VALUES ('fe', 7)")
            other.commit()
            assert pulse.read(None, "fe") == pulse.Pulse(beats=7, waiting=0)

            other.execute("LOCK TABLE system_heartbeat")
            began = time.monotonic()
            with pytest.raises(pulse.NoPulseError, match="no answer within 1 s"):
                pulse.read(None, "fe")
            assert time.monotonic() - began < 5
        with psycopg.connect(url) as other:
            other.execute("DROP TABLE system_heartbeat")
        with pytest.raises(pulse.NoPulseError, match="system_heartbeat"):
            pulse.read(None, "fe")
