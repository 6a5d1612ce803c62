"""The units that `pbxcerts unit` prints, below a real systemd: started, watched, ended, and held by their sandbox."""

import json
import re

import pytest

from tests.support import systemd_container
from tests.support.made_once import made_once
from tests.support.product import ROOT

pytestmark = [pytest.mark.peer, pytest.mark.process]

RELOAD = """\
#!/bin/sh
# As a reload command that tries what the sandbox shuts, and starts a server.
exec >> /var/lib/pbxcerts/reloaded 2>&1
echo "argument: $1"
echo "notify: ${NOTIFY_SOCKET-none}"
echo "effective user: $(/usr/local/bin/setuid-id -un)"
touch /srv/elsewhere || true
touch "$PBXCERTS_STORE/ours" && rm "$PBXCERTS_STORE/ours" && echo "store: open"
ls /home/anna || true
test -e /var/lib/pbxcerts/server && exit
sleep 98765 > /dev/null 2>&1 < /dev/null &
echo $! > /var/lib/pbxcerts/server
"""
ORDER = """\
from certificates.models import Generation
from certificates.renewal.orders import GenerationOrder, order_generation
from pbxcerts.system.time import timekeeping
from pbxcerts.system.wake_worker import wake_worker
order_generation(timekeeping.current_clock(), GenerationOrder(Generation.Trigger.COMMAND, without_clock=True))
wake_worker()
"""
AGENT = """\
server = "https://localhost:8443"
proof = "https://localhost:8444"
token_file = "token"
[trust]
file = "/var/lib/pbxcerts-agent/trust.pem"
initial = "first.pem"
"""
TERMINALS = "number,name,type,address,transport,way\n120,Gate,pbxcerts-agent,127.0.0.1:5070,tcp,direct\n"
README = (ROOT / "README.md").read_text().split("\n## As a service\n", 1)[1]
INSTALL = [
    line
    for line in re.search(r"```sh\n(.*?)```", README, re.DOTALL)[1].splitlines()
    if not re.search("apt|venv|pip ", line)
]
"""What is left to do where the packages are installed."""
STORE = "/srv/50% of $the pbx"
STORY = f"""\
cat > /usr/local/bin/reload-pbx <<'END'
{RELOAD}END
cat > /order.py <<'END'
{ORDER}END
mkdir -p /home/anna /etc/pbxcerts-agent /etc/systemd/system/pbxcerts.service.d
cat > /etc/pbxcerts-agent/agent.toml <<'END'
{AGENT}END
cat > /terminals.csv <<'END'
{TERMINALS}END
printf '[Service]\\nRestartSec=1\\nWatchdogSec=4\\n' > /etc/systemd/system/pbxcerts.service.d/impatient.conf
touch /home/anna/letter
chmod 755 /usr/local/bin/reload-pbx
install -m 4755 /usr/bin/id /usr/local/bin/setuid-id
groupadd pbx
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
echo '== as the README says'
(set -ex; {"; ".join(INSTALL)}) 2>&1
systemctl is-enabled pbxcerts
systemctl stop pbxcerts

export PBXCERTS_STORE='{STORE}' PBXCERTS_STORE_GROUP=pbx
export PBXCERTS_RELOAD_COMMAND='/usr/local/bin/reload-pbx "100%% of $HOME"'
until_true() {{ for _ in $(seq 300); do eval "$1" > /dev/null 2>&1 && return; sleep 0.1; done; echo "in vain: $1"; }}
state() {{ systemctl show pbxcerts -p ActiveState -p SubState -p NRestarts -p Result; }}
panel() {{ curl --silent --insecure --output /dev/null --write-out '%{{http_code}}\\n' "$1/login/"; }}
install_unit() {{ sed -n 's/^#   //p' /etc/systemd/system/$1.service > /todo; cat /todo; sh -e /todo; systemctl daemon-reload; }}

echo '== to do'
pbxcerts unit --bind-https 0.0.0.0:443 > /etc/systemd/system/pbxcerts.service
install_unit pbxcerts

echo '== started'
systemctl start pbxcerts && state
systemctl show pbxcerts -P StatusText
panel http://127.0.0.1:8000
stat --format '%U %G %a' /var/lib/pbxcerts "$PBXCERTS_STORE"

echo '== understood'
systemctl show pbxcerts -P ReadWritePaths
systemctl show pbxcerts -P Environment

echo '== commands'
pbxcerts settings fqdn=pbx.example.org own_names=localhost key_type=p256 language=en ntp_enabled=false
pbxcerts terminals import /terminals.csv
pbxcerts shell --verbosity 0 -c "$(cat /order.py)"
until_true 'test -s /var/lib/pbxcerts/server'
until_true 'pbxcerts status | grep -q "1 *active"'
pbxcerts status
find /var/lib/pbxcerts "$PBXCERTS_STORE" ! -user pbxcerts

echo '== reload command'
cat /var/lib/pbxcerts/reloaded

echo '== store'
stat --format '%U %G %a' "$PBXCERTS_STORE/current/host.key"

echo '== privileged port'
until_true 'test $(panel https://127.0.0.1:443) = 200'
panel https://127.0.0.1:443

echo '== agent'
pbxcerts terminals tokens --json | sed 's/.*"token": "\\([^"]*\\)".*/\\1/' > /etc/pbxcerts-agent/token
pbxcerts export root > /etc/pbxcerts-agent/first.pem
chmod 600 /etc/pbxcerts-agent/token
pbxcerts unit --agent > /etc/systemd/system/pbxcerts-agent.service
install_unit pbxcerts-agent
grep 'kann noch nicht gelesen werden' /etc/systemd/system/pbxcerts-agent.service
chown -R pbxcerts-agent: /etc/pbxcerts-agent
systemctl start pbxcerts-agent
until_true 'journalctl -u pbxcerts-agent | grep -q "1 roots reported and proved"'
systemctl show pbxcerts-agent -P ActiveState
stat --format '%U %a' /var/lib/pbxcerts-agent/trust.pem
systemctl stop pbxcerts-agent
systemctl show pbxcerts-agent -P Result

echo '== killed'
main=$(systemctl show pbxcerts -P MainPID)
kill -9 $main
until_true 'test "$(systemctl show pbxcerts -P NRestarts -P SubState | tr "\\n" " ")" != "0 running "'
until_true 'systemctl is-active pbxcerts && test "$(panel http://127.0.0.1:8000)" = 200'
systemctl is-active pbxcerts
kill -0 $(cat /var/lib/pbxcerts/server) && echo 'the server lives'

echo '== stands still'
before=$(systemctl show pbxcerts -P NRestarts)
kill -STOP $(systemctl show pbxcerts -P MainPID)
until_true "test \\$(systemctl show pbxcerts -P NRestarts) -gt $before"
until_true 'systemctl is-active pbxcerts && test "$(panel http://127.0.0.1:8000)" = 200'
systemctl is-active pbxcerts
journalctl -u pbxcerts | grep -i 'watchdog'
kill -0 $(cat /var/lib/pbxcerts/server) && echo 'the server lives'

echo '== ended'
systemctl stop pbxcerts
systemctl show pbxcerts -P ActiveState -P Result
ps -u pbxcerts -o args=
kill $(cat /var/lib/pbxcerts/server)
echo '== end'
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The story takes half a minute; all processes of the tests read what it told."""

    def tell(place):
        told = systemd_container.run(STORY, tmp_path_factory.mktemp("systemd"))
        place.write_text(json.dumps(told))

    told = json.loads(made_once("systemd.json", tell).read_text())
    assert "end" in told, told
    vain = [text for text in told.values() if "in vain" in text]
    assert vain == [], f"{vain}\n{told}"
    return told


def test_the_lines_of_the_readme_lead_to_a_service_that_runs(told):
    assert len(INSTALL) == 6
    assert "/setup/#" in told["as the README says"], "the link to begin with"
    assert told["as the README says"].splitlines()[-1] == "enabled"


def test_what_the_unit_says_is_to_be_done_can_be_done(told):
    words = {line.split()[0] for line in told["to do"].splitlines()}

    assert words == {"usermod", "install"}, told["to do"]


def test_it_is_started_once_panel_and_worker_do_their_work(told):
    assert told["started"].splitlines() == [
        "Result=success",
        "NRestarts=0",
        "ActiveState=active",
        "SubState=running",
        "Bedienoberfläche und Hintergrundprozess laufen.",
        "200",
        "pbxcerts pbxcerts 700",
        "pbxcerts pbx 750",
    ]


def test_systemd_understands_what_is_written(told):
    paths, variables = told["understood"].splitlines()

    assert paths.strip('"').replace("\\$", "$") == STORE
    assert "PBXCERTS_DATA=/var/lib/pbxcerts " in variables
    assert "100%% of" in variables
    assert "%%%" not in variables


def test_roots_commands_leave_nothing_of_roots(told):
    assert "pbxcerts   " not in told["commands"]
    assert "Published        generation 1" in told["commands"]
    assert [line for line in told["commands"].splitlines() if line.startswith("/")] == []


def test_a_command_sees_the_heartbeat_that_comes_in_the_unit(told):
    """Both know the time by the same boot of the machine, also in a container that shows a boot ID of its own."""
    assert "Heartbeat        20" in told["commands"]
    assert "heartbeat was last seen" not in told["commands"]


def test_the_reload_command_is_held_by_the_sandbox_and_gets_its_words_as_they_are(told):
    first = told["reload command"].split("store: open")[0]

    assert "argument: 100%% of $HOME" in first
    assert "notify: none" in first
    assert "effective user: pbxcerts" in first, "a setuid program gets no more rights"
    assert "'/srv/elsewhere': Read-only file system" in first
    assert "letter" not in told["reload command"]


def test_the_store_is_the_servers_group_to_read(told):
    assert told["store"] == "pbxcerts pbx 640"


def test_a_port_below_1024_opens_where_one_was_asked_for(told):
    assert told["privileged port"] == "200"


def test_the_agent_runs_in_its_unit(told):
    assert [line.split()[0] for line in told["agent"].splitlines()[:-3]] == ["useradd"], "its configuration was read"
    assert told["agent"].splitlines()[-3:] == ["active", "pbxcerts-agent 644", "success"]


def test_one_that_is_killed_is_started_again_and_the_server_lives(told):
    assert told["killed"].splitlines() == ["active", "the server lives"]


def test_one_that_stands_still_is_ended_by_the_watchdog_and_started_again(told):
    assert "Watchdog timeout" in told["stands still"]
    assert "active" in told["stands still"].splitlines()
    assert told["stands still"].splitlines()[-1] == "the server lives"


def test_it_ends_its_own_processes_and_no_other(told):
    assert told["ended"].splitlines() == ["success", "inactive", "sleep 98765"]
