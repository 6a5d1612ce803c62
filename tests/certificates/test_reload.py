"""The reload command: an argument list from the environment, never a shell, and nothing of it outlives its time."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from certificates.reload import ReloadError, reload_server
from tests.support.tls_server import script

ROOT = Path(__file__).resolve().parent.parent.parent


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until_it_ends(process):
    while is_alive(process):
        time.sleep(0.01)


def wait_for(path):
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return path.read_text()


def test_no_command_does_nothing():
    reload_server([], timeout=1)


def test_arguments_reach_the_program_as_they_are(tmp_path):
    """What a shell would read as a command, a file or a variable is a word like any other."""
    said = tmp_path / "said"
    words = ["a b", "$HOME", f"; touch {tmp_path}/done", "`id`", "*", "| cat", "> /dev/null", ""]
    reload_server([*script(tmp_path / "say", f'#!/bin/sh\nprintf "%s\\n" "$@" > "{said}"\n'), *words], timeout=5)
    assert said.read_text().split("\n")[:-1] == words
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ("", []),
        ("kamcmd tls.reload", ["kamcmd", "tls.reload"]),
        ("sh -c 'kill -HUP $(cat /run/pbx.pid)'", ["sh", "-c", "kill -HUP $(cat /run/pbx.pid)"]),
        ("touch a; rm b && c", ["touch", "a;", "rm", "b", "&&", "c"]),
    ],
)
def test_the_environment_gives_it_as_one_types_it_and_no_shell_reads_it(tmp_path, value, command):
    assert settings_with(tmp_path, value).stdout.strip() == repr(command)


def test_a_value_that_is_no_argument_list_is_told_by_the_name_of_its_variable(tmp_path):
    told = settings_with(tmp_path, "sh -c 'open")
    assert told.returncode != 0
    assert "PBXCERTS_RELOAD_COMMAND is no argument list" in told.stderr


def settings_with(tmp_path, value):
    return subprocess.run(
        [sys.executable, "-c", "from django.conf import settings; print(settings.RELOAD_COMMAND)"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "pbxcerts.settings",
            "PBXCERTS_DATA": str(tmp_path / "data"),
            "PBXCERTS_RELOAD_COMMAND": value,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failure_has_the_exit_status_and_the_last_words(tmp_path):
    command = script(tmp_path / "fail", "#!/bin/sh\nseq 1 100000\necho on stderr >&2\nprintf '\\377'\nexit 7\n")
    with pytest.raises(ReloadError) as raised:
        reload_server(command, timeout=5)
    said = str(raised.value)
    assert said.startswith(f"{command[0]}: exit status 7. ")
    assert "100000\non stderr" in said
    assert len(said) < 500


def test_a_command_that_is_killed_has_failed(tmp_path):
    with pytest.raises(ReloadError, match=f"exit status -{signal.SIGTERM:d}"):
        reload_server(script(tmp_path / "die", "#!/bin/sh\nkill $$\n"), timeout=5)


def test_what_hangs_is_ended_with_everything_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    command = script(
        tmp_path / "hang",
        f"#!/bin/sh\n(trap '' TERM HUP; sleep 600) &\nsleep 600 &\necho $$ $(pgrep -g $$) > {pids}\nsleep 600\n",
    )
    with pytest.raises(ReloadError, match=r"not finished within 0\.5 s"):
        reload_server(command, timeout=0.5)
    started = [int(pid) for pid in wait_for(pids).split()]
    assert len(started) > 2
    for pid in started:
        wait_until_it_ends(pid)


def test_a_server_that_the_command_started_is_neither_waited_for_nor_ended(tmp_path):
    """It keeps the output open, as a server does that was started by hand."""
    pid = tmp_path / "pid"
    command = script(tmp_path / "start", f"#!/bin/sh\nsetsid sleep 600 &\necho $! > {pid}\necho started\n")
    reload_server(command, timeout=300)
    server = int(wait_for(pid))
    try:
        assert is_alive(server)
    finally:
        os.kill(server, signal.SIGKILL)
        wait_until_it_ends(server)


def test_it_reads_nothing_from_us(tmp_path):
    read = tmp_path / "is-read"
    reload_server(script(tmp_path / "read", f"#!/bin/sh\ncat > {read}\n"), timeout=5)
    assert read.read_bytes() == b""


def test_it_inherits_no_open_file(tmp_path):
    """Not the lock of the store, not the database."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    try:
        reload_server(script(tmp_path / "look", f"#!/bin/sh\n[ ! -e /proc/self/fd/{writing} ]\n"), timeout=5)
        assert select.select([reading], [], [], 0)[0] == []
    finally:
        os.close(reading)
        os.close(writing)
