"""The running product makes its backups by itself, and its heartbeat waits for none."""

import json
import os
import signal
import stat
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.backups import KeyPair, contents
from tests.support.running import Tree, wait_for

pytestmark = [pytest.mark.process, pytest.mark.peer]

SWITCHED_ON = """
from pbxcerts.processes import startup
startup.prepare()
import json, sys
from pbxcerts.backup.models import BackupRun
from pbxcerts.system.models import General
General.load()
General.objects.update(language="en", backup_enabled=True, backup_recipients=[sys.argv[1]], backup_keep=2)
BackupRun.load()
"""
RUN = """
import json
from django.core.serializers.json import DjangoJSONEncoder
from pbxcerts.backup.models import BackupRun
print(json.dumps(BackupRun.objects.values().get(), cls=DjangoJSONEncoder))
"""
LARGE = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE filler AS SELECT randomblob(50000000)")
"""
DUE = "from pbxcerts.backup.models import BackupRun; BackupRun.objects.update(good_at=None, tries=0)"


@pytest.fixture
def key(tmp_path):
    return KeyPair(tmp_path)


def state(tree):
    return json.loads(tree.run(RUN))


def test_the_first_comes_within_a_minute_and_older_ones_go(tmp_path, key):
    place = tmp_path / "backups"
    place.mkdir()
    with Tree(tmp_path, PBXCERTS_BACKUPS=str(place)) as tree:
        tree.install().run(SWITCHED_ON, key.public)
        tree.start()
        made = {wait_for(lambda: next(place.glob("pbxcerts-*.age"), None), what="a backup")}
        with tree.asking_for_heartbeats():
            for _again in range(2):
                wait_for(lambda: not state(tree)["tries"], what="a good end")
                # The name of a backup has its second in it.
                time.sleep(1)
                tree.run(DUE)
                made.add(
                    wait_for(
                        lambda: next((one for one in place.glob("pbxcerts-*.age") if one not in made), None),
                        what="another",
                    )
                )
            wait_for(lambda: len([*place.iterdir()]) == 2, what="the oldest gone")
        wait_for(lambda: len(tree.processes()) == 6, what="no process left behind")

    newest = max(made)
    assert {*place.iterdir()} == {newest, sorted(made)[1]}
    assert stat.S_IMODE(newest.stat().st_mode) == 0o600
    assert "database.sqlite3" in contents(key.opened_by_age(newest))
    told = state(tree)
    assert (told["good_name"], told["good_size"], told["failure"]) == (newest.name, newest.stat().st_size, "")


def test_one_that_hangs_delays_no_heartbeat_and_none_is_begun_beside_it(tmp_path, key):
    """Its place stands still, as that of a server that is away does."""
    place = tmp_path / "backups"
    place.mkdir()
    with Tree(tmp_path, PBXCERTS_BACKUPS=str(place)) as tree:
        tree.install().run(SWITCHED_ON, key.public)
        tree.start(PBXCERTS_BACKUPS=str(tmp_path / "none"))
        wait_for(lambda: "is not there" in state(tree)["failure"], what="a failure that is told")
        tree.end()
        # So that it takes a while.
        tree.run(LARGE)
        tree.start()
        tree.run(DUE)
        with tree.asking_for_heartbeats():
            hanging = stopped_in_the_middle(tree)
            for _beat in range(3):
                tree.wait_for_a_heartbeat(seconds=15)
                assert backup_process(tree) == hanging
            os.kill(hanging, signal.SIGKILL)
            wait_for(lambda: backup_process(tree) is None, what="its end")
            tree.wait_for_a_heartbeat(seconds=15)
            assert state(tree)["tries"] == 1
            assert backup_process(tree) is None, "not again at once"
        assert tree.end() == 0


def stopped_in_the_middle(tree):
    """The process that makes a backup, when it has read all and writes."""
    packed = tree.data / "run" / "backup" / "archive.tar.gz"
    while not packed.exists():
        assert tree.still_runs()
        time.sleep(0.001)
    hanging = backup_process(tree)
    os.kill(hanging, signal.SIGSTOP)
    assert packed.exists()
    return hanging


def backup_process(tree):
    """The living one that this product has started; None where there is none."""
    of_the_product = tree.processes()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                parent, state = status_of(entry)
                if parent in of_the_product and state != "Z" and b"--scheduled" in (entry / "cmdline").read_bytes():
                    return int(entry.name)
    return None


def status_of(entry):
    fields = (entry / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), fields[0]
