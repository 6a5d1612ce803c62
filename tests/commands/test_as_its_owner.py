"""What root starts goes on as the user whom the data directory belongs to (rule as-its-owner)."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pbxcerts.system import data_owner
from tests.support import forked
from tests.support.made_once import made_once
from tests.support.other_user import AS_NOBODY, NOBODY, python_for_everybody
from tests.support.peers import missing, only_root
from tests.support.product import ROOT, copy_new_database
from tests.support.running import MANAGE, Tree, wait_for

GO_ON = (
    "import os; from pathlib import Path; from pbxcerts.system import data_owner\n"
    "data_owner.go_on_as_owner(Path(os.environ['PBXCERTS_DATA']), Path('/'))\n"
)

pytestmark = [
    pytest.mark.process,
    only_root,
]


@pytest.fixture(scope="module", autouse=True)
def _python():
    """One that nobody can run too."""
    directory = Path(tempfile.mkdtemp(prefix="pbxcerts-python-"))
    directory.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", python_for_everybody(directory))
        if subprocess.run([*AS_NOBODY, sys.executable, "-c", "import pbxcerts"], cwd="/", check=False).returncode != 0:
            missing("the user nobody cannot read the product")
        yield
    shutil.rmtree(directory)


@pytest.fixture
def place():
    """A directory of root's that everybody can enter; pytest's own are for root alone."""
    place = Path(tempfile.mkdtemp(prefix="pbxcerts-owner-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def tree(place):
    """The data directory is nobody's, and empty."""
    with Tree(place) as tree:
        give_to_nobody(tree.data)
        yield tree


def give_to_nobody(directory):
    directory.mkdir(mode=0o700)
    os.chown(directory, NOBODY.pw_uid, NOBODY.pw_gid)


def manage(tree, *arguments, before=(), **changes):
    return forked.run(
        [*before, sys.executable, MANAGE, *arguments],
        cwd=tree.data.parent,
        env=tree.environment | changes,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def done(tree, *arguments, **changes):
    ran = manage(tree, *arguments, **changes)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def not_nobodys(directory):
    return [str(path) for path in [directory, *directory.rglob("*")] if path.lstat().st_uid != NOBODY.pw_uid]


def install(tree):
    database = tree.data / "pbxcerts.sqlite3"
    copy_new_database(database)
    os.chown(database, NOBODY.pw_uid, NOBODY.pw_gid)


def a_pair(tree):
    done(tree, "settings", "fqdn=pbx.example.com", "key_type=p256", "language=en")
    done(tree, "regenerate", "--without-clock", "--reason", "first")


@pytest.fixture
def with_a_pair(tree):
    """A tree of nobody's in which root has made a pair."""
    shutil.rmtree(tree.data)
    made = made_once("a-pair-of-nobody", _with_a_pair)
    subprocess.run(["cp", "--archive", made, tree.data], check=True)
    return tree


def _with_a_pair(data):
    with tempfile.TemporaryDirectory(prefix="pbxcerts-owner-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        with Tree(place) as tree:
            give_to_nobody(tree.data)
            install(tree)
            a_pair(tree)
            subprocess.run(["cp", "--archive", tree.data, data], check=True)


def test_no_file_of_roots_stays_behind(tree):
    administrator = {"USERNAME": "anna", "PASSWORD": "seven copper kettles", "EMAIL": "anna@example.org"}
    done(tree, "migrate")
    a_pair(tree)
    done(
        tree,
        "createsuperuser",
        "--noinput",
        **{f"DJANGO_SUPERUSER_{name}": value for name, value in administrator.items()},
    )
    for command in (["heartbeat"], ["publish"], ["rekey"], ["status"], ["export", "trust"]):
        done(tree, *command)

    assert not_nobodys(tree.data) == []
    assert (tree.data / "store" / "current" / "host.key").is_file()


def test_what_was_ordered_stays_roots_in_the_records(with_a_pair):

    told = with_a_pair.run(
        "from certificates.models import Generation; print(Generation.objects.get().by)",
    )
    assert told.strip() == "root (command line)"


def test_up_runs_as_the_user_and_says_why_it_has_no_port_below_1024(tree):
    ran = manage(tree, "up", "--bind", "127.0.0.1:0", "--bind-https", "127.0.0.1:443")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "127.0.0.1:443" in ran.stderr
    assert "pbxcerts unit" in ran.stderr

    tree.start(program=MANAGE)
    wait_for(tree.beats, what="a heartbeat")

    owners = {re.search(r"^Uid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)[1] for pid in tree.processes()}
    assert owners == {"\t".join([str(NOBODY.pw_uid)] * 4)}
    assert tree.end() == 0
    assert not_nobodys(tree.data) == []


def test_it_has_the_users_groups_and_none_of_roots(tree, place):
    """And his home. The groups of the machine are other ones for this process alone."""
    groups = place / "group"
    groups.write_text(f"{Path('/etc/group').read_text()}\npbx-of-the-test:x:64711:nobody\n")
    program = (
        sys.executable,
        "-c",
        f"{GO_ON}print(os.getresuid(), os.getresgid(), os.getgroups(), os.environ['HOME'])",
    )
    mount = ("unshare", "-m", "sh", "-c", f'mount --bind {groups} /etc/group && exec "$@"', "sh")
    ran = subprocess.run(
        [*mount, *program], cwd=ROOT, env=tree.environment, capture_output=True, text=True, check=False
    )
    if "mount" in ran.stderr or "unshare" in ran.stderr:
        missing("this user can't mount anything")

    users, own = ((number,) * 3 for number in (NOBODY.pw_uid, NOBODY.pw_gid))
    assert ran.stdout.strip() == f"{users} {own} {[64711, NOBODY.pw_gid]} {NOBODY.pw_dir}", ran.stderr


def test_it_leaves_no_core_dump_as_that_user_either(tree):
    """The kernel lets a process dump again, or not, when it changes its user (prctl(2))."""
    code = f"{GO_ON}import ctypes; print(os.geteuid(), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=tree.environment, capture_output=True, text=True, check=True
    )

    assert ran.stdout.split() == [str(NOBODY.pw_uid), "0"]


# -- a user who would like to be root ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pbxcerts.sqlite3", "secrets", "store"])
def test_a_link_to_what_is_roots_leads_nowhere(with_a_pair, place, name):
    treasure = place / "treasure"
    theirs = with_a_pair.data / name
    shutil.copytree(theirs, treasure) if theirs.is_dir() else shutil.copy(theirs, treasure)
    for path in (treasure, *treasure.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in (treasure, *treasure.rglob("*"))}
    shutil.rmtree(theirs) if theirs.is_dir() else theirs.unlink()
    theirs.symlink_to(treasure)

    for command in (["publish"], ["heartbeat"], ["settings", "interval_days=90"], ["migrate"]):
        assert "Traceback" not in manage(with_a_pair, *command).stdout

    assert {path: (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in before} == before
    assert {*treasure.rglob("*")} <= {*before}


def test_a_directory_that_he_puts_in_the_place_of_his_own_makes_nobody_root(tree, place):
    """The way to it is his, and it leads to a directory of root's in which he can write."""
    home, open_to_all = place / "home", place / "open"
    give_to_nobody(home)
    open_to_all.mkdir()
    open_to_all.chmod(0o1777)
    (home / "data").symlink_to(open_to_all)

    ran = manage(tree, "migrate", PBXCERTS_DATA=str(home / "data"))

    assert ran.returncode == 1
    assert "nobody könnte ein anderes an seine Stelle setzen" in ran.stderr
    assert [*open_to_all.iterdir()] == []


def test_one_that_is_not_there_yet_is_made_by_whom_the_place_belongs_to(tree, place):
    home = place / "home"
    give_to_nobody(home)

    done(tree, "migrate", PBXCERTS_DATA=str(home / "state" / "data"))

    assert not_nobodys(home) == []
    assert (home / "state" / "data" / "pbxcerts.sqlite3").is_file()


# -- what stays as it was ----------------------------------------------------------------------------------------------


def test_roots_own_stays_roots(tree, place):
    done(tree, "migrate", PBXCERTS_DATA=str(place / "roots"))

    assert {path.lstat().st_uid for path in [place / "roots", *(place / "roots").rglob("*")]} == {0}


@pytest.mark.parametrize("data", ["of root", "not there yet"])
def test_whose_program_root_runs_he_is_trusted_anyway(place, data):
    """A checkout in a home: whoever could put another directory in the place of the data could change the program as well."""
    home = place / "home"
    give_to_nobody(home)
    if data == "of root":
        (home / "data").mkdir()

    assert data_owner.owner_of(home / "data", product=home) is None
    if data == "not there yet":
        assert data_owner.owner_of(home / "data", product=place).name == "nobody"


def test_a_link_that_leads_to_itself_is_followed_to_no_end(place):
    (place / "data").symlink_to(place / "data")

    assert data_owner.owner_of(place / "data", product=place) is None


def test_a_file_that_only_root_may_write_is_told_with_whom_the_command_goes_on_as(with_a_pair, place):
    ran = manage(with_a_pair, "export", "root", "--output", str(place / "root.pem"), "--json")

    assert ran.returncode == 1
    error = json.loads(ran.stdout)["error"]
    assert error["code"] == "file"
    assert "goes on as the user nobody" in error["text"]
    with (place / "root.pem").open("w") as output:
        subprocess.run(
            [sys.executable, MANAGE, "export", "root"],
            env=with_a_pair.environment,
            stdout=output,
            check=True,
            timeout=60,
        )
    assert "BEGIN CERTIFICATE" in (place / "root.pem").read_text()


def test_the_reload_command_is_the_users_too(tree, place):
    command = place / "reload"
    command.write_text(f"#!/bin/sh\n(id -u; echo $HOME $USER $LOGNAME) > {tree.data}/told\n")
    command.chmod(0o755)
    install(tree)
    done(tree, "settings", "fqdn=pbx.example.com", "key_type=p256")
    done(tree, "regenerate", "--without-clock", PBXCERTS_RELOAD_COMMAND=str(command), USER="root", HOME="/root")

    told = (tree.data / "told").read_text().split()
    assert told == [str(NOBODY.pw_uid), NOBODY.pw_dir, "nobody", "nobody"]


def test_where_root_can_become_nobody_it_says_so(tree):
    ran = manage(tree, "status", "--json", before=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))

    assert ran.returncode == 1
    assert json.loads(ran.stdout)["error"]["code"] == "configuration"
    assert "nobody" in ran.stderr
    assert ran.stderr.count("\n") == 1
