"""The product as an unprivileged user on a disk that refuses: the old pair stays in service, everybody is told, and it heals."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.peers import missing, only_root
from tests.support.published import leftovers, served
from tests.support.racing import Processes

NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ["setpriv", "--reuid", str(NOBODY.pw_uid), "--regid", str(NOBODY.pw_gid), "--clear-groups"]
BEAT = "crashes.beat(directory) and None"
STATE = "crashes.state(directory)"
MESSAGES = "crashes.open_messages()"
STATES = "{row.number: row.state for row in Generation.objects.order_by('number')}"


def works(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = [
    pytest.mark.process,
    only_root,
]


@pytest.fixture(scope="module", autouse=True)
def _nobody_can_run_it():
    if not works(*AS_NOBODY, sys.executable, "-c", "import django"):
        missing("setpriv is missing, or the user nobody cannot run this Python")


@pytest.fixture
def directory():
    place = Path(tempfile.mkdtemp(prefix="pbxcerts-disk-"))
    os.chown(place, NOBODY.pw_uid, NOBODY.pw_gid)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def product(directory):
    """The store lies beside the data, on the same disk."""
    with Processes(directory, before=AS_NOBODY) as processes:
        assert processes.ask("__import__('os').geteuid()") == NOBODY.pw_uid
        yield processes


class SmallDisk:
    """A tmpfs of its own for the product, which nobody but its processes sees."""

    def __init__(self, processes, place):
        self.processes, self._place = processes, place
        self.path = Path(f"/proc/{processes.pid}/root{place}")

    def mount(self, options):
        """Mount it anew with other options; what is on it stays."""
        subprocess.run(
            [
                *("nsenter", "--target", str(self.processes.pid), "--mount"),
                *("mount", "-o", f"remount,{options}", str(self._place)),
            ],
            check=True,
        )

    def fill(self):
        """To the last byte and the last inode."""
        (self.path / "filler").mkdir()
        with (self.path / "filler" / "bytes").open("wb", buffering=0) as filler:
            fill_up(lambda: filler.write(b"x" * 512))
        numbers = iter(range(10000))
        fill_up(lambda: (self.path / "filler" / str(next(numbers))).touch())

    def free(self):
        shutil.rmtree(self.path / "filler")


def fill_up(write):
    while True:
        try:
            write()
        except OSError:
            return


@contextmanager
def on_a_disk_of(size, directory, place):
    mount = f"mount -t tmpfs -o {size},mode=0700,uid={NOBODY.pw_uid},gid={NOBODY.pw_gid} tmpfs {place}"
    in_a_namespace = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    if not works(*in_a_namespace, mount):
        missing("nothing can be mounted here")
    with Processes(directory, before=[*in_a_namespace, f'{mount} && exec "$@"', "sh", *AS_NOBODY]) as processes:
        assert processes.ask(f"__import__('os').path.ismount('{place}')")
        yield SmallDisk(processes, place)


@pytest.fixture
def small_disk(directory):
    """For the store alone."""
    (directory / "store").mkdir()
    with on_a_disk_of("size=400k,nr_inodes=100", directory, directory / "store") as disk:
        yield disk


@pytest.fixture
def disk_for_all(directory):
    """For database, secrets and store."""
    with on_a_disk_of("size=16m,nr_inodes=200", directory, directory) as disk:
        yield disk


def is_told(product, cause):
    severity, params = product.ask(MESSAGES)["publish_failed"]
    return severity == "critical" and cause in params["error"]


def still_serves(product, number):
    """Whole, seen from outside the database."""
    found = product.ask(
        "__import__('tests.support.published', fromlist=['x']).served(crashes.a_server(directory).store)"
    )
    return found == number


def assert_healed(product, *, current, following):
    found = product.ask(STATE)
    assert (found["current"], found["next"]) == (current, following)
    assert found["differences"] == found["leftovers"] == []
    assert (found["running"], found["publish_failure"]) == (0, "")
    assert product.ask(MESSAGES).keys().isdisjoint({"publish_failed", "files_differ", "generation_failed"})


# -- a full disk ---------------------------------------------------------------------------------------------------------


def test_on_a_full_disk_a_new_pair_waits_and_the_old_one_is_served(small_disk):
    product = small_disk.processes
    product.ask("crashes.GenerationWithHandover().prepare(directory)")
    small_disk.fill()
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "active", "2": "prepared"}
    assert is_told(product, "No space left on device")
    assert still_serves(product, 1)
    taken = sorted(small_disk.path.rglob("*"))
    for _minute in range(3):
        product.ask(BEAT)
    assert sorted(small_disk.path.rglob("*")) == taken, "trying again takes no more of the disk"
    assert not [path for path in taken if ".new-" in path.name], "and leaves no key behind"
    assert product.ask(STATES) == {"1": "active", "2": "prepared"}, "it is not made again each time"
    small_disk.free()
    product.ask(BEAT)
    assert_healed(product, current=1, following="generations/0002")


def test_a_disk_that_fills_up_in_the_middle_of_a_pair_leaves_no_half_of_it(small_disk):
    product = small_disk.processes
    product.ask("crashes.GenerationWithHandover().prepare(directory)")
    small_disk.fill()
    with (small_disk.path / "filler" / "bytes").open("r+b") as filler:
        filler.truncate(filler.seek(0, os.SEEK_END) - 3 * 4096)
    for number in range(10):
        (small_disk.path / "filler" / str(number)).unlink()
    product.ask(BEAT)
    assert is_told(product, "No space left on device")
    assert not (small_disk.path / "generations" / "0002").exists()
    assert leftovers(crashed(small_disk)) == []
    assert still_serves(product, 1)
    small_disk.free()
    product.ask(BEAT)
    assert_healed(product, current=1, following="generations/0002")


def crashed(small_disk):
    from certificates.communication_server.store import Store

    return Store(small_disk.path)


def test_a_switch_on_a_full_disk_waits_and_is_gone_on_with(small_disk):
    product = small_disk.processes
    product.ask("crashes.Activation().prepare(directory)")
    small_disk.fill()
    product.ask("orders.activate(crashes.clock(), by='anna').pk")
    for _minute in range(2):
        product.ask(BEAT)
        assert is_told(product, "No space left on device")
        assert still_serves(product, 1)
    reloads = (product.directory / "log").read_text()
    small_disk.free()
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "superseded", "2": "active"}
    assert_healed(product, current=2, following="")
    assert (product.directory / "log").read_text() == reloads + "generations/0002\n"


def test_an_older_database_adopts_what_is_served_though_the_disk_is_full(small_disk):
    product = small_disk.processes
    product.ask("crashes.OlderDatabase().prepare(directory)")
    small_disk.fill()
    for _minute in range(2):
        product.ask(BEAT)
        assert is_told(product, "No space left on device")
        assert still_serves(product, 2)
        assert product.ask(STATES) == {"1": "superseded", "2": "active"}
    small_disk.free()
    product.ask(BEAT)
    assert product.ask(STATE)["standing"] == "same"
    assert_healed(product, current=2, following="")


def test_where_the_database_is_on_the_full_disk_too_nothing_is_half_done(disk_for_all):
    """Nothing can be written down, not even what is wrong; the heartbeat that fails is seen by its supervisor."""
    product = disk_for_all.processes
    product.ask("crashes.GenerationWithHandover().prepare(directory)")
    assert product.ask("crashes.empty_the_journal()")
    disk_for_all.fill()
    for _minute in range(2):
        assert product.ask("crashes.refusal_of(lambda: crashes.beat(directory))") == "OperationalError"
        assert still_serves(product, 1)
    disk_for_all.free()
    # The claim of an attempt that could not be finished runs out first.
    for _minute in range(3):
        product.ask(BEAT)
        product.ask("crashes.grow_older()")
    states = product.ask(STATES)
    assert [state for state in states.values() if state != "failed"] == ["active", "prepared"]
    assert_healed(product, current=1, following=f"generations/{len(states):04d}")


# -- a store that cannot be written --------------------------------------------------------------------------------------------


def test_on_a_disk_that_has_become_read_only_the_old_pair_is_served(small_disk):
    product = small_disk.processes
    product.ask("crashes.GenerationWithHandover().prepare(directory)")
    small_disk.mount("ro")
    for _minute in range(2):
        product.ask(BEAT)
        assert is_told(product, "Read-only file system")
        assert still_serves(product, 1)
    small_disk.mount("rw")
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "active", "2": "prepared"}
    assert_healed(product, current=1, following="generations/0002")


def test_an_older_database_turns_nothing_on_a_read_only_disk(small_disk):
    product = small_disk.processes
    product.ask("crashes.OlderDatabase().prepare(directory)")
    small_disk.mount("ro")
    for _minute in range(2):
        product.ask(BEAT)
        assert is_told(product, "Read-only file system")
        assert still_serves(product, 2)
    assert product.ask(STATE)["standing"] == "older"
    small_disk.mount("rw")
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "superseded", "2": "active"}
    assert_healed(product, current=2, following="")


def chmod_all(store, modes):
    for path in [store, store / "generations", store / "trust", store / "generations" / "0001"]:
        path.chmod(modes)


def test_a_store_that_another_user_owns_is_told_and_left_alone(product):
    product.ask("crashes.GenerationWithHandover().prepare(directory)")
    store = product.directory / "store"
    chmod_all(store, 0o500)
    product.ask(BEAT)
    assert is_told(product, "Permission denied")
    assert is_told(product, str(store / "generations")), "it says where"
    assert still_serves(product, 1)
    chmod_all(store, 0o700)
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "active", "2": "prepared"}
    assert_healed(product, current=1, following="generations/0002")


def test_a_store_that_cannot_even_be_locked_is_told_although_nothing_is_due(product):
    product.ask("crashes.Activation().prepare(directory)")
    lock = product.directory / "store" / ".lock"
    os.chown(lock, 0, 0)
    product.ask(BEAT)
    assert is_told(product, str(lock))
    os.chown(lock, NOBODY.pw_uid, NOBODY.pw_gid)
    product.ask(BEAT)
    assert_healed(product, current=1, following="generations/0002")


# -- the key list ----------------------------------------------------------------------------------------------------------------


def test_a_key_list_that_cannot_be_read_costs_no_pair(product):
    product.ask("crashes.GenerationWithHandover().prepare(directory)")
    key_list = product.directory / "secrets" / "host-keys.key"
    content = key_list.read_text()
    os.chown(key_list, 0, 0)
    product.ask(BEAT)
    assert is_told(product, "Permission denied")
    assert is_told(product, str(key_list))
    severity, _ = product.ask(MESSAGES)["generation_failed"]
    assert severity == "critical"
    assert product.ask(STATES) == {"1": "active", "2": "failed"}
    assert still_serves(product, 1)
    assert key_list.read_text() == content
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "active", "2": "failed"}, "not again within a minute"
    os.chown(key_list, NOBODY.pw_uid, NOBODY.pw_gid)
    product.ask("crashes.grow_older()")
    product.ask(BEAT)
    assert product.ask(STATES) == {"1": "active", "2": "failed", "3": "prepared"}
    assert_healed(product, current=1, following="generations/0003")


def test_served_tells_half_a_set_from_a_whole_one(product):
    """The check that all of these tests rest upon can fail."""
    product.ask("crashes.Activation().prepare(directory)")
    store = product.directory / "store"
    shutil.copy(store / "generations" / "0002" / "host.key", store / "generations" / "0001" / "host.key")
    from certificates.communication_server.store import Store

    with pytest.raises(AssertionError):
        served(Store(store))
