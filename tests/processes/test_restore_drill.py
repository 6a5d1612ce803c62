"""The drill: in the middle of a rollout everything is lost, and a backup goes on under another user and another path."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.live_phones import LiveSite
from tests.support.other_user import AS_NOBODY, NOBODY, python_for_everybody
from tests.support.peers import missing, only_root
from tests.support.product import ROOT
from tests.support.running import MANAGE, wait_for

pytestmark = [
    pytest.mark.process,
    only_root,
]

NUMBER = 6
PASSPHRASE = "correct horse battery staple\n"


@pytest.fixture
def place():
    """A directory of root's that everybody can enter, with a Python for everybody."""
    place = Path(tempfile.mkdtemp(prefix="pbxcerts-drill-"))
    place.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", python_for_everybody(place / "python"))
        if subprocess.run([*AS_NOBODY, sys.executable, "-c", "import pbxcerts"], cwd="/", check=False).returncode != 0:
            missing("the user nobody cannot read the product")
        yield place
    shutil.rmtree(place)


@pytest.fixture
def site(place):
    with LiveSite(place) as site:
        yield site.furnish(NUMBER)


def manage(site, *arguments, **files):
    ran = forked.run(
        [sys.executable, MANAGE, *map(str, arguments)],
        cwd=ROOT,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
        **files,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def kill_everything(site):
    for pid in site.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    site.process.wait()
    site.ends_without_a_trace()


def move_to_another_machine(site, place):
    """Another data directory, of another user, and a store of its own beside it."""
    site.data = place / "elsewhere" / "data"
    store = place / "elsewhere" / "store"
    for directory in (site.data.parent, site.data, store):
        directory.mkdir(mode=0o755)
    for directory in (site.data, store):
        os.chown(directory, NOBODY.pw_uid, NOBODY.pw_gid)
    site.environment |= {"PBXCERTS_DATA": str(site.data), "PBXCERTS_STORE": str(store)}
    return store


def test_a_rollout_goes_on_after_everything_was_lost_and_nobody_is_asked_twice(site, place):
    backup, passphrase = place / "one.age", place / "passphrase"
    passphrase.write_text(PASSPHRASE)
    passphrase.chmod(0o600)
    site.set_delivery(waves=False, at_once=2)
    site.may_fetch.let(2)
    site.begin()
    with site.asking_for_heartbeats():
        site.wait_for_the_first(2)
        # Whom it asks later the backup does not know, and they would be asked again.
        wait_for(lambda: sum(site.asked) == 4, what="the next two asked")
        # Everything goes on meanwhile.
        manage(site, "backup", backup, "--passphrase-file", passphrase)
    served = (site.data / "store" / "current" / "host.key").read_bytes()
    waiting = (site.data / "store" / "next" / "host.key").read_bytes()
    before = [phone.fetched for phone in site.phones]
    kill_everything(site)
    shutil.rmtree(site.data)

    store = move_to_another_machine(site, place)
    # What is root's alone is handed over as open files: the command goes on as the user of the directory.
    with backup.open("rb") as opened, passphrase.open("rb") as secret:
        given = f"/dev/fd/{secret.fileno()}"
        manage(site, "restore", "-", "--passphrase-file", given, stdin=opened, pass_fds=[secret.fileno()])
    assert (store / "current" / "host.key").read_bytes() == served
    assert (store / "next" / "host.key").read_bytes() == waiting
    owners = {path.lstat().st_uid for root in (site.data, store) for path in root.rglob("*")}
    assert owners == {NOBODY.pw_uid}

    site.go_on(program=MANAGE)
    assert site.confirmed() == 2
    site.may_fetch.set()
    site.is_switched = lambda: (store / "current").readlink().name == "0002"
    with site.asking_for_heartbeats():
        site.assert_all_went_well()
    again = [phone.fetched for phone in site.phones]
    assert all(now == then for then, now in zip(before, again, strict=True) if then)
    assert (store / "current" / "host.key").read_bytes() == waiting
    told = [row["kind"] for row in site.rows("system.EventMessage", "kind")]
    assert "restored" in told
    assert not {"store_adopted", "foreign_store_adopted", "files_differ"} & {*told}


def test_what_telephones_have_shown_and_the_database_has_not_taken_yet_is_in_the_backup(site, place):
    backup, passphrase = place / "one.age", place / "passphrase"
    passphrase.write_text(PASSPHRASE)
    site.set_delivery(waves=False)
    site.may_fetch.clear()
    site.begin()
    with site.asking_for_heartbeats():
        wait_for(lambda: sum(site.asked) == NUMBER, what="everybody asked")
        with site.locked_database():
            site.may_fetch.set()
            wait_for(lambda: site.fetched == NUMBER, what="everybody's files, in spite of the lock")
            # Who reads waits for nobody who writes.
            manage(site, "backup", backup, "--passphrase-file", passphrase)
            kill_everything(site)
    shutil.rmtree(site.data)
    manage(site, "restore", backup, "--passphrase-file", passphrase)
    assert site.confirmed() == 0
    site.go_on(program=MANAGE)

    with site.asking_for_heartbeats():
        site.assert_all_went_well()
    assert [phone.fetched for phone in site.phones] == [1] * NUMBER
