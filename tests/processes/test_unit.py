"""`pbxcerts unit`: what it prints for which installation, judged by systemd's own programs (rule sandbox)."""

import grp
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.peers import require_program
from tests.support.product import ROOT
from tests.support.running import MANAGE

pytestmark = pytest.mark.process

A_GROUP = grp.getgrgid(max(group.gr_gid for group in grp.getgrall() if group.gr_gid < 60000)).gr_name
MOST_EXPOSED = "20"
"""Tenths: 2.0 of systemd-analyze's scale."""


class Installation:
    """`data` does not exist; `variables` are those that are set when the unit is made."""

    def __init__(self, directory, program=(sys.executable, str(MANAGE))):
        self.directory, self.program = directory, program
        self.data = directory / "data"
        self.home = directory

    def run(self, *options, **variables):
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PBXCERTS_", "DJANGO_"))}
        return forked.run(
            [*self.program, "unit", *options],
            cwd=self.directory,
            env=own
            | {"PBXCERTS_DATA": str(self.data), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
            | {f"PBXCERTS_{name}": value for name, value in variables.items()},
            capture_output=True,
            text=True,
            check=False,
        )

    def unit(self, *options, **variables):
        done = self.run(*options, **variables)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def file(self, text, name="pbxcerts.service"):
        (self.directory / name).write_text(text)
        return str(self.directory / name)


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path)


def values(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit, flags=re.MULTILINE)


def comments(unit):
    return [line.removeprefix("# ") for line in unit.partition("[Unit]")[0].splitlines()]


def analyze(verb, *arguments):
    """The exit status of systemd-analyze and what it said."""
    done = subprocess.run(
        [require_program("systemd-analyze"), verb, "--no-pager", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    return done.returncode, done.stdout + done.stderr


# -- what systemd says -------------------------------------------------------------------------------------------------

EVERYTHING = {
    "STORE": "/srv/certificates",
    "STORE_GROUP": A_GROUP,
    "CONFIGURATION_FOLDER": "/srv/tftp",
    "BACKUPS": "/mnt/back ups",
    "TERMINALS_HTTPS": "0.0.0.0:443",
    "RELOAD_COMMAND": "kamcmd -s unix:/run/kamailio/kamailio_ctl tls.reload",
}


@pytest.mark.peer
@pytest.mark.parametrize(
    ("options", "variables"),
    [((), {}), (("--bind-https", "0.0.0.0:443"), EVERYTHING), (("--agent",), {})],
    ids=["as it comes", "with all that opens it", "the agent"],
)
def test_systemd_rates_it_2_0_or_better_and_finds_no_mistake(installation, options, variables):
    unit = installation.unit(*options, **variables)
    rated, said = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", installation.file(unit))
    assert rated == 0, said
    assert analyze("verify", installation.file(unit)) == (0, "")


@pytest.mark.peer
def test_without_its_sandbox_it_would_be_rated_worse(installation):
    unit = installation.unit()
    bare = unit[: unit.index("# The sandbox")]

    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", installation.file(bare))[0] != 0


@pytest.fixture
def awkward(tmp_path):
    """An installation whose program and data lie where every letter that means something to systemd is in the path."""
    place = tmp_path / "50% of %n, $HOME; #1"
    place.mkdir()
    program = place / "pbxcerts"
    program.write_text("from pbxcerts.__main__ import main; main()\n")
    program.chmod(0o755)
    return Installation(place, [sys.executable, str(program)])


@pytest.mark.peer
def test_any_path_can_stand_in_it(awkward):
    unit = awkward.unit(
        STORE=str(awkward.directory / "store"), RELOAD_COMMAND="""reload '100%' "a \\"quoted\\" $WORD" '\\'"""
    )
    assert values(unit, "ExecStart")[0].startswith('"/')

    assert analyze("verify", awkward.file(unit)) == (0, "")
    assert analyze("verify", awkward.file(unit.replace("%%", "%"))) != (0, ""), "it would be noticed"


@pytest.mark.parametrize("name", ['a "quote"', "an 'apostrophe'", "back\\slash", "a line\nfeed"])
def test_a_path_that_can_not_is_refused_in_a_sentence(tmp_path, name):
    done = Installation(tmp_path).run(STORE=f"/srv/{name}")

    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


# -- what it opens, and for whom ---------------------------------------------------------------------------------------


def test_it_is_supervised_and_what_its_command_started_lives_on(installation):
    unit = installation.unit()

    for name, value in {"Type": "notify", "Restart": "always", "KillMode": "process", "WatchdogSec": "2min"}.items():
        assert values(unit, name) == [value]


def test_it_starts_this_installation_from_anywhere(installation):
    unit = installation.unit("--bind", "127.0.0.1:9000", "--plain-http", "--only", "web")
    (command,) = values(unit, "ExecStart")

    options = ["--bind", "127.0.0.1:9000", "--plain-http", "--only", "web"]
    assert shlex.split(command) == [sys.executable, str(MANAGE), "up", *options]
    assert f"PBXCERTS_DATA={installation.data}" in values(unit, "Environment")


def test_data_in_the_place_of_the_system_is_made_by_systemd(installation):
    installation.data = Path("/var/lib/pbxcerts-of-a-test")
    unit = installation.unit()

    assert values(unit, "StateDirectory") == ["pbxcerts-of-a-test"]
    assert values(unit, "StateDirectoryMode") == ["0700"]
    assert values(unit, "ReadWritePaths") == []
    assert "install --directory" not in unit
    # A server of another user passes through it to the store.
    assert values(installation.unit(STORE_GROUP=A_GROUP), "StateDirectoryMode") == ["0711"]


def test_what_it_writes_to_elsewhere_is_open_and_is_to_be_made_first(installation):
    unit = installation.unit(STORE="/srv/pbx store", CONFIGURATION_FOLDER="/srv/tftp", STORE_GROUP=A_GROUP)

    assert values(unit, "ReadWritePaths") == [f'{installation.data} "/srv/pbx store" /srv/tftp']
    assert values(unit, "RequiresMountsFor") == values(unit, "ReadWritePaths")
    assert values(unit, "SupplementaryGroups") == [A_GROUP]
    said = comments(unit)
    assert f"  install --directory --owner pbxcerts --mode 0700 {installation.data}" in said
    assert f"  install --directory --owner pbxcerts --group {A_GROUP} --mode 0750 '/srv/pbx store'" in said
    assert f"  usermod --append --groups {A_GROUP} pbxcerts" in said
    assert [line for line in said if "useradd" in line]


def test_a_place_for_backups_is_open_and_it_starts_without_it(installation):
    """On the disk of a machine that is away: nothing is renewed later because of that."""
    unit = installation.unit(BACKUPS="/mnt/back ups")

    assert '"-/mnt/back ups"' in values(unit, "ReadWritePaths")
    assert "/mnt" not in " ".join(values(unit, "RequiresMountsFor"))
    assert any("install --directory" in line and "/mnt/back ups" in line for line in comments(unit))
    assert 'Environment="PBXCERTS_BACKUPS=/mnt/back ups"' in unit


def test_a_relative_path_is_meant_from_here(installation):
    assert values(installation.unit(STORE="store"), "ReadWritePaths") == [
        f"{installation.data} {installation.directory}/store"
    ]


def test_a_key_list_elsewhere_is_open_until_it_has_been_made(installation):
    place = installation.directory / "keys"
    place.mkdir()
    key_file = place / "host.keys"
    opened = installation.unit(KEY_FILE=str(key_file))
    key_file.touch()
    closed = installation.unit(KEY_FILE=str(key_file))

    assert str(place) in values(opened, "ReadWritePaths")[0]
    assert str(place) not in values(closed, "ReadWritePaths")[0]


@pytest.mark.parametrize(
    ("options", "variables", "capability"),
    [
        ((), {}, ""),
        (("--bind-https", "0.0.0.0:443"), {}, "CAP_NET_BIND_SERVICE"),
        ((), {"TERMINALS_HTTP": "0.0.0.0:80"}, "CAP_NET_BIND_SERVICE"),
        ((), {"TERMINALS_HTTPS": "", "TERMINALS_PROOF": ""}, ""),
    ],
)
def test_the_capability_for_a_port_below_1024_is_there_only_where_one_is_asked_for(
    installation, options, variables, capability
):
    unit = installation.unit(*options, **variables)

    assert values(unit, "CapabilityBoundingSet") == [capability]
    assert values(unit, "AmbientCapabilities") == ([capability] if capability else [])


def test_files_may_be_given_away_only_where_there_is_somebody_to_give_them_to(installation):
    assert "@chown" not in installation.unit()
    assert "SystemCallFilter=@chown" in installation.unit(STORE_GROUP=A_GROUP)


@pytest.mark.parametrize(
    ("variables", "home"),
    [
        ({}, "yes"),
        ({"STORE": "/home/pbx/store"}, "read-only"),
        ({"RELOAD_COMMAND": "/root/bin/reload"}, "read-only"),
        ({"STORE": "/homestead/store"}, "yes"),
    ],
)
def test_homes_are_hidden_unless_something_of_it_lies_there(tmp_path, variables, home):
    installation = Installation(tmp_path)
    if any(Path(place).is_relative_to("/home") or Path(place).is_relative_to("/root") for place in (ROOT, sys.prefix)):
        home = "read-only"

    assert values(installation.unit(**variables), "ProtectHome") == [home]


def test_a_secret_is_never_written_where_everybody_can_read_it(installation):
    done = installation.run(SECRET_KEY="from the environment, fifty characters long, or more")

    assert (done.returncode, done.stdout) == (2, "")
    assert "PBXCERTS_SECRET_KEY_FILE" in done.stderr


def test_every_other_variable_that_is_set_is_taken_over(installation):
    unit = installation.unit(HOSTS="panel.example.org,192.0.2.1", TERMINALS_HTTP="", HSTS_SECONDS="31536000")

    assert {*values(unit, "Environment")} >= {
        "PBXCERTS_HOSTS=panel.example.org,192.0.2.1",
        "PBXCERTS_TERMINALS_HTTP=",
        "PBXCERTS_HSTS_SECONDS=31536000",
    }


def test_it_runs_as_the_owner_of_the_data_or_as_whom_one_says(installation):
    assert values(installation.unit(), "User") == ["pbxcerts"]
    assert values(installation.unit("--user", "kamailio"), "User") == ["kamailio"]
    wrong = installation.run("--user", "a\nb")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    installation.data.mkdir()
    owner = "pbxcerts" if os.geteuid() == 0 else None
    assert owner is None or values(installation.unit(), "User") == [owner]
    if owner is not None:
        assert f"  chown --recursive pbxcerts: {installation.data}" in comments(installation.unit())


def test_a_store_that_the_server_could_not_see_is_told(installation):
    def told(place):
        return [line for line in comments(installation.unit(STORE=place)) if "PrivateTmp" in line and place in line]

    assert (len(told("/tmp/of-a-test/store")), len(told("/srv/tmp/store"))) == (1, 0)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("kamcmd -s unix:/run/kamailio/kamailio_ctl tls.reload", ""),
        ("sudo systemctl reload kamailio", "Steuer-Socket"),
        ("/usr/bin/sudo -u kamailio kamcmd", "Steuer-Socket"),
        ("kamcmd -s unix:/tmp/kamailio_ctl tls.reload", "PrivateTmp"),
    ],
)
def test_a_reload_command_that_fails_in_the_sandbox_is_told(installation, command, said):
    told = [line for line in comments(installation.unit(RELOAD_COMMAND=command)) if command.split()[0] in line]

    assert len(told) == (1 if said else 0)
    assert all(said in line for line in told)


AGENT = """\
server = "https://pbx.example.org:8443"
proof = "https://pbx.example.org:8444"
token = "3q2-7wAbCdEfGhIjKlMnOpQrStUvWxYz0123456789A"
[trust]
file = "{store}"
[hook]
command = ["sudo", "systemctl", "restart", "baresip"]
"""


def test_the_agents_unit_opens_what_its_configuration_names(installation):
    file = installation.directory / "agent.toml"
    file.touch(0o600)
    file.write_text(AGENT.format(store="/srv/trust/roots.pem"))
    unit = installation.unit("--agent", str(file))

    assert values(unit, "ExecStart")[0].endswith(f" run {file}")
    assert values(unit, "ReadWritePaths") == ["/srv/trust"]
    assert values(unit, "User") == ["pbxcerts-agent"]
    assert values(unit, "Environment") == []
    assert [line for line in comments(unit) if "sudo" in line]


def test_before_the_agent_has_a_configuration_its_unit_says_so(installation):
    unit = installation.unit("--agent")

    assert values(unit, "StateDirectory") == ["pbxcerts-agent"]
    assert "/etc/pbxcerts-agent/agent.toml" in comments(unit)[0]
