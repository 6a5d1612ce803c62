"""What `up` makes, what it says, and when it refuses: one sentence, an exit code, and nothing half started."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from pbxcerts.processes.startup import ListenAddressError, listen, listen_address
from tests.support.peers import missing
from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.running import MANAGE, TreeFromItsBeginning, wait_for

pytestmark = pytest.mark.process


@pytest.fixture
def tree(tmp_path):
    with TreeFromItsBeginning(tmp_path) as tree:
        yield tree


@pytest.fixture
def installed(tree):
    """What it says is not about its first start."""
    return tree.install()


def manage(tree, *arguments):
    """A command beside `up`, with Django's own variables for an administrator."""
    environment = tree.environment | {
        "DJANGO_SUPERUSER_USERNAME": "chief",
        "DJANGO_SUPERUSER_EMAIL": "chief@example.com",
        "DJANGO_SUPERUSER_PASSWORD": "seven copper kettles",
    }
    subprocess.run([sys.executable, MANAGE, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True)


def kept(data):
    """What stands in a data directory; None where there is none."""
    return sorted(data.rglob("*")) if data.exists() else None


def refusal(tree, *options, before=(), **changes):
    """The exit code and the one line that it says. It leaves the data directory as it found it."""
    before_it = kept(tree.data)
    tree.launch(*options, program=MANAGE, before=before, **changes)
    code = tree.process.wait(timeout=60)
    (sentence,) = tree.log.read_text().splitlines()
    assert tree.processes() == []
    assert kept(tree.data) == before_it
    return code, sentence


def test_a_port_in_use_is_refused_before_anything_is_installed(tree):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, sentence = refusal(tree, "--bind", f"127.0.0.1:{port}")

    assert code == 1
    assert str(port) in sentence
    assert not tree.data.exists()


def test_an_https_port_in_use_is_refused_as_well(tree):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, sentence = refusal(tree, "--bind", "127.0.0.1:0", "--bind-https", f"127.0.0.1:{port}")

    assert code == 1
    assert str(port) in sentence


def test_a_second_up_on_the_same_data_is_refused_and_the_first_goes_on(installed):
    installed.start()
    second = subprocess.run(
        [sys.executable, MANAGE, "up", "--bind", f"127.0.0.1:{free_port()}"],
        env=installed.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert second.returncode == 1
    assert str(installed.data) in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert installed.answers()


def test_up_can_be_started_again_and_schedules_its_heartbeat_once(installed):
    installed.start(program=MANAGE)
    assert installed.end() == 0

    installed.start(program=MANAGE)

    assert installed.answers()
    schedules = installed.run(
        "from django_q.models import Schedule\n"
        "print(*Schedule.objects.values_list('name', 'func', 'schedule_type', 'minutes', 'repeats'))"
    )
    assert schedules.strip() == "('heartbeat', 'pbxcerts.tasks.heartbeat', 'I', 1, -1)"


@pytest.fixture
def without_power():
    """What stands before a command so that it may write only what its user may; root may write everywhere."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        missing("setpriv is missing")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def test_an_older_program_does_not_start_over_a_newer_database(installed):
    installed.start(program=MANAGE)
    assert installed.end() == 0
    with closing(sqlite3.connect(installed.data / "pbxcerts.sqlite3")) as database, database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('certificates', '0999_of_tomorrow', '2031-01-01')"
        )

    installed.launch("--bind", "127.0.0.1:0", program=MANAGE)

    assert installed.process.wait(timeout=60) == 1
    (sentence,) = installed.log.read_text().splitlines()
    assert "certificates.0999_of_tomorrow" in sentence
    assert installed.processes() == []


@pytest.mark.parametrize("secret", [{}, {"PBXCERTS_SECRET_KEY": "from the environment, fifty characters long, or so"}])
def test_a_data_directory_that_cannot_be_written_is_refused(tree, without_power, secret):
    tree.data.mkdir()
    if without_power:
        os.chown(tree.data, 65534, 65534)
    tree.data.chmod(0o555)

    code, sentence = refusal(tree, "--bind", "127.0.0.1:0", before=without_power, **secret)

    assert code == 1
    assert str(tree.data) in sentence
    assert "PBXCERTS_DATA" in sentence
    assert list(tree.data.iterdir()) == []


def test_a_data_path_that_cannot_be_one_is_told_in_german_with_what_to_do(tree, tmp_path):
    (tmp_path / "file").write_text("in the way")

    code, sentence = refusal(tree, "--bind", "127.0.0.1:0", "--data", str(tmp_path / "file" / "data"))

    assert code == 1
    assert sentence.startswith("Das Datenverzeichnis")
    assert str(tmp_path / "file" / "data") in sentence
    assert "--data" in sentence
    assert "SECRET_KEY" not in sentence


@pytest.mark.parametrize("command", [["up", "--bind", "127.0.0.1:0"], ["migrate"], ["status"], ["publish"]])
def test_a_data_directory_that_cannot_be_entered_is_told_by_every_command(tree, tmp_path, without_power, command):
    locked = tmp_path / "locked"
    locked.mkdir()
    if without_power:
        os.chown(locked, 65534, 65534)
    locked.chmod(0 if not without_power else 0o700)
    refused = subprocess.run(
        [*without_power, sys.executable, MANAGE, *command],
        env=tree.environment | {"PBXCERTS_DATA": str(locked / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    locked.chmod(0o700)

    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert str(locked / "data") in refused.stderr


def test_the_key_of_the_sessions_stays_the_same_over_restarts_and_commands(tree):
    key = "from django.conf import settings; print(settings.SECRET_KEY)"

    tree.start(program=MANAGE)
    of_the_first_start = tree.run(key)
    tree.end()
    tree.start(program=MANAGE)

    assert tree.run(key) == of_the_first_start
    assert of_the_first_start.strip() == (tree.data / "secrets" / "django.key").read_text().strip()


def test_a_key_from_the_environment_is_written_nowhere(tree):
    tree.start(program=MANAGE, PBXCERTS_SECRET_KEY="from the environment, fifty characters long, or so")

    assert not (tree.data / "secrets" / "django.key").exists()


def test_a_weak_secret_key_is_refused_at_the_first_installation_and_told_later(tree):
    weak = {"PBXCERTS_SECRET_KEY": "changeme"}
    tree.launch("--bind", "127.0.0.1:0", program=MANAGE, **weak)
    assert tree.process.wait(timeout=60) == 1
    (sentence,) = tree.log.read_text().splitlines()
    assert "PBXCERTS_SECRET_KEY" in sentence
    assert "changeme" not in sentence
    assert [place.name for place in kept(tree.data) if place.is_file()] == ["up.lock"]
    manage(tree, "migrate")

    tree.start(program=MANAGE, **weak)
    wait_for(tree.beats, what="a heartbeat")

    kinds = (
        "from pbxcerts.system.models import EventMessage; print(*EventMessage.objects.values_list('kind', flat=True))"
    )
    assert "secret_key_weak" in tree.run(kinds)


def test_before_the_first_start_migrate_and_createsuperuser_make_what_is_missing(tree):
    manage(tree, "migrate")
    manage(tree, "createsuperuser", "--noinput")

    readable = [str(place) for place in [tree.data, *tree.data.rglob("*")] if place.stat().st_mode & 0o077]
    assert readable == []
    tree.start(program=MANAGE)
    assert "/setup/#" not in tree.log.read_text()


@pytest.mark.parametrize("address", ["8000", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "[::1]"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ListenAddressError, match=re.escape(address)):
        listen_address(address)


def test_plain_http_for_other_machines_must_be_allowed(tree):
    with pytest.raises(ListenAddressError, match="--plain-http"):
        listen(listen_address("0.0.0.0:0"), open_to_all=False, at_once=False)

    listen(listen_address("0.0.0.0:0"), open_to_all=True, at_once=False).close()


def test_plain_http_for_other_machines_is_refused_by_the_command(tree):
    code, sentence = refusal(tree, "--bind", "0.0.0.0:0")

    assert code == 2
    assert "--plain-http" in sentence


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (["--plain-http"], {}),
        ([], {"PBXCERTS_PLAIN_HTTP": "True"}),
        ([], {"PBXCERTS_TRUSTED_PROXIES": "192.0.2.1"}),
    ],
    ids=["option", "variable", "proxy"],
)
def test_the_command_allows_plain_http_where_it_is_told_to(tree, options, changes):
    # A port that is taken is seen only after the address has been allowed, and nothing listens to other machines.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"0.0.0.0:{taken.getsockname()[1]}"
        assert refusal(tree, "--bind", address)[0] == 2

        code, sentence = refusal(tree, "--bind", address, *options, **changes)

    assert code == 1
    assert address in sentence
    assert "--plain-http" not in sentence


def test_an_unknown_option_is_wrong_use(tree):
    tree.launch("--no-such-option", program=MANAGE)

    assert tree.process.wait(timeout=60) == 2
    assert not tree.data.exists()


def test_a_bad_value_in_the_environment_is_named_in_one_sentence(tree):
    code, sentence = refusal(tree, PBXCERTS_PLAIN_HTTP="perhaps")

    assert code != 0
    assert "PBXCERTS_PLAIN_HTTP" in sentence


def test_where_the_caller_ignores_ctrl_c_it_goes_on_and_ends_at_sigterm(installed):
    ignoring = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    installed.start(program=MANAGE, before=ignoring)

    installed.process.send_signal(signal.SIGINT)
    assert installed.answers()
    assert installed.still_runs()

    assert installed.end() == 0
    assert installed.processes() == []


def test_a_secret_that_was_lost_is_told_in_one_sentence(tree):
    key = tree.data / "secrets" / "django.key"
    key.parent.mkdir(parents=True)
    key.touch()

    code, sentence = refusal(tree, "--bind", "127.0.0.1:0")

    assert code == 1
    assert str(key) in sentence


def test_the_data_option_names_the_directory_for_every_process(tree, tmp_path):
    elsewhere = tmp_path / "deep" / "elsewhere"
    tree.launch("--bind", f"127.0.0.1:{tree.port}", "--data", str(elsewhere), program=MANAGE)
    tree.wait_until_it_answers()

    assert (elsewhere / "pbxcerts.sqlite3").exists()
    assert not tree.data.exists()


def test_what_it_makes_is_for_its_own_user_alone(tree):
    tree.start(program=MANAGE)

    modes = {
        place.relative_to(tree.data.parent): stat.S_IMODE(place.stat().st_mode)
        for place in [tree.data, *tree.data.rglob("*")]
        if place.name != "up.log"
    }
    readable = {
        str(place): oct(mode) for place, mode in modes.items() if mode & 0o077 and place.parts[:2] != ("data", "store")
    }
    assert readable == {}
    keys = {place.name for place in (tree.data / "secrets").iterdir()}
    assert {"django.key", "host-keys.key"} <= keys


def test_the_set_up_link_is_new_at_each_start_and_gone_with_the_first_administrator(installed):
    def token():
        links = re.findall(r"http://127\.0\.0\.1:\d+/setup/#(\S+)", installed.log.read_text())
        return links[0] if links else None

    def accepted(value):
        return installed.run(
            f"from pbxcerts.system.users import setup_token; print(setup_token.accepts({value!r}))"
        ).strip()

    installed.start(program=MANAGE)
    first = token()
    assert accepted(first) == "True"
    installed.end()
    installed.start(program=MANAGE)
    second = token()
    assert accepted(first) == "False"
    assert accepted(second) == "True"
    manage(installed, "createsuperuser", "--noinput")
    assert accepted(second) == "False"
    installed.end()
    installed.start(program=MANAGE)
    assert token() is None


def test_one_of_both_processes_alone_needs_a_database_that_others_reach(tree):
    code, sentence = refusal(tree, "--bind", "127.0.0.1:0", "--only", "worker")

    assert code == 2
    assert "PBXCERTS_DATABASE" in sentence
    assert not tree.data.exists()
