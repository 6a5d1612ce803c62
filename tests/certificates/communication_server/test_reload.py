"""The reload command: an argument list from the environment, never a shell, and nothing of it outlives its time."""

import os
import select
import signal
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from certificates.communication_server.errors import ReloadError
from certificates.communication_server.reload import reload_server
from certificates.status.observing import communication_server
from pbxcerts import env
from tests.support.tls_server import script


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
def test_the_environment_gives_it_as_one_types_it_and_no_shell_reads_it(monkeypatch, value, command):
    monkeypatch.setenv("PBXCERTS_RELOAD_COMMAND", value)
    assert env.command("RELOAD_COMMAND") == command


def test_a_value_that_is_no_argument_list_is_told_by_the_name_of_its_variable(monkeypatch):
    monkeypatch.setenv("PBXCERTS_RELOAD_COMMAND", "sh -c 'open")
    with pytest.raises(ImproperlyConfigured, match="PBXCERTS_RELOAD_COMMAND is no argument list"):
        env.command("RELOAD_COMMAND")


def test_the_environment_says_how_long_it_may_take(settings):
    settings.RELOAD_TIMEOUT = 7

    assert communication_server().reload_timeout == 7


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


def test_a_server_that_it_started_in_the_background_needs_no_session_of_its_own_to_live_on(tmp_path):
    """As `fwconsole restart` starts one: whatever ends a session of ours does not end it, nor does a terminal that is closed."""
    session = tmp_path / "session"
    command = script(tmp_path / "start", f"#!/bin/sh\nps -o sid= -p $$ > {session}\n")

    reload_server(command, timeout=5)

    assert int(wait_for(session)) != os.getsid(0)


def test_it_has_the_environment_that_it_is_given_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setenv("PBXCERTS_SECRET_KEY", "not for others")
    seen = tmp_path / "seen"

    reload_server(["/bin/sh", "-c", f"/usr/bin/env -0 > {seen}"], timeout=5, environment={"TZ": "Europe/Berlin"})

    told = dict(entry.split("=", 1) for entry in seen.read_text().split("\0") if entry)
    assert {name: value for name, value in told.items() if name not in {"PWD", "SHLVL", "_", "OLDPWD"}} == {
        "TZ": "Europe/Berlin"
    }


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
