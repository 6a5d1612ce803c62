import os
import pwd
import subprocess
import time
from datetime import timedelta

import pytest

from pbxcerts.system.time.ntp import NtpAnswer, NtpFailure, NtpFault, ask
from tests.support.peers import require_program
from tests.support.ports import free_port

pytestmark = pytest.mark.peer


@pytest.fixture
def start_chronyd(tmp_path):
    """Start Debian's chronyd on loopback; it serves this machine's own time and sets no clock."""
    chronyd = require_program("chronyd")
    started = []

    def start(*directives):
        port = free_port()
        directory = tmp_path / str(port)
        directory.mkdir()
        configuration = directory / "chrony.conf"
        configuration.write_text(
            "\n".join(
                [
                    f"port {port}",
                    "bindaddress 127.0.0.1",
                    "allow 127.0.0.1",
                    "cmdport 0",
                    "bindcmdaddress /",
                    f"pidfile {directory / 'chronyd.pid'}",
                    f"driftfile {directory / 'drift'}",
                    *directives,
                ]
            )
        )
        log = (directory / "log").open("wb")
        user = pwd.getpwuid(os.getuid()).pw_name
        # -d: stays in the foreground, -x: sets no clock, -U: need not be root for that.
        command = [chronyd, "-d", "-x", "-U", "-u", user, "-f", configuration]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        started.append((daemon, log))
        server = f"127.0.0.1:{port}"
        for _ in range(100):
            (outcome,) = ask([server]).outcomes
            if isinstance(outcome, NtpAnswer) or outcome.reason is not NtpFault.UNREACHABLE:
                return server
            if daemon.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail((directory / "log").read_text())

    yield start
    for daemon, log in started:
        daemon.terminate()
        daemon.wait(timeout=10)
        log.close()


def test_chrony_tells_the_time_of_this_machine(start_chronyd):
    server = start_chronyd("local stratum 8")
    (answer,) = ask([server]).outcomes
    assert isinstance(answer, NtpAnswer)
    assert answer.stratum == 8
    assert abs(answer.offset) < timedelta(seconds=1)


def test_two_of_them_agree(start_chronyd):
    survey = ask([start_chronyd("local stratum 8"), start_chronyd("local stratum 9")])
    assert survey.agreed
    assert not survey.disagreed


def test_one_that_has_no_time_itself_does_not_count(start_chronyd):
    server = start_chronyd()
    (refusal,) = ask([server]).outcomes
    assert isinstance(refusal, NtpFailure)
    assert refusal.reason in {NtpFault.STRATUM, NtpFault.LEAP}
