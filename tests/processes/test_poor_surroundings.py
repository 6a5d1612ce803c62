"""It starts where something is missing that others take for granted: an output, UTF-8, shared memory, glibc."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pbxcerts.processes import memory
from tests.support.peers import missing
from tests.support.product import ROOT
from tests.support.running import MANAGE, TreeFromItsBeginning, wait_for

pytestmark = pytest.mark.process

CLOSED = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
FULL = ("sh", "-c", 'exec "$@" > /dev/full', "sh")
ONLY_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
HUNG_UP = 128 + signal.SIGTERM


@pytest.fixture
def tree(tmp_path):
    with TreeFromItsBeginning(tmp_path) as tree:
        yield tree


def manage(tree, *arguments, before=(), **changes):
    return subprocess.run(
        [*before, sys.executable, MANAGE, *arguments],
        cwd=ROOT,
        env=tree.environment | changes,
        capture_output=True,
        timeout=60,
        check=False,
    )


# -- output ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [CLOSED, FULL], ids=["closed", "full"])
def test_it_starts_where_nobody_can_read_its_output(tree, before):
    tree.launch("--bind", f"127.0.0.1:{tree.port}", program=MANAGE, before=before)
    tree.wait_until_it_answers()
    wait_for(tree.beats, what="a heartbeat")

    assert tree.end() == 0
    assert "Traceback" not in tree.log.read_text()


def test_no_file_becomes_the_output_that_the_caller_closed(tmp_path):
    told = tmp_path / "told"
    program = (
        "from pbxcerts.system import own_process; import os, sys; own_process.begin()\n"
        "number = os.open(os.devnull, os.O_RDONLY)\n"
        f"open({str(told)!r}, 'w').write(f'{{number > 2}} {{sys.stdin.read()!r}}')\n"
        "print('to nobody'); print('to nobody', file=sys.stderr)"
    )

    done = subprocess.run([*CLOSED, sys.executable, "-c", program], cwd=ROOT, check=False)

    assert (done.returncode, told.read_text()) == (0, "True ''")


def test_a_reader_that_has_gone_is_no_reason_for_a_traceback(tree):
    # More than a pipe holds: whoever read it has gone long before the end.
    with subprocess.Popen(
        ["sh", "-c", '"$@" | true', "sh", sys.executable, MANAGE, "help", "up"],
        env=tree.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as help_:
        assert help_.stderr.read() == b""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, MANAGE, "version"], env=tree.environment, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


# -- a console that is not UTF-8 -----------------------------------------------------------------------------------------


def test_a_console_that_is_not_utf_8_shows_what_it_can(tree):
    tree.start(program=MANAGE, **ONLY_ASCII)

    assert "Die Bedienoberfl?che ist unter" in tree.log.read_text()
    refused = manage(tree, "statüs", **ONLY_ASCII)
    assert (refused.returncode, b"Traceback" in refused.stderr) == (2, False)
    assert manage(tree, "help", "activate", **ONLY_ASCII).returncode == 0


def test_a_table_for_a_program_stays_utf_8_on_any_console(tree, tmp_path):
    file = tmp_path / "terminals.csv"
    file.write_text("number,name,type\n101,Łódź,Snom\n", encoding="utf-8")
    assert manage(tree, "migrate").returncode == 0
    assert manage(tree, "terminals", "import", str(file)).returncode == 0

    exported = manage(tree, "terminals", "export", **ONLY_ASCII)

    assert exported.returncode == 0
    assert "Łódź" in exported.stdout.decode()


# -- shared memory -------------------------------------------------------------------------------------------------------

SHARED_MEMORY = {
    "read-only": "mount -t tmpfs -o ro none /dev/shm",
    "full": "mount -t tmpfs -o size=4k none /dev/shm && head -c 4096 /dev/zero > /dev/shm/full",
    "missing": "mount -t tmpfs none /dev && for it in 'null 3' 'zero 5' 'full 7' 'urandom 9'; do "
    "mknod -m 666 /dev/${it% *} c 1 ${it#* }; done",
}


@pytest.fixture
def tree_on_the_disk():
    with (
        tempfile.TemporaryDirectory(prefix="pbxcerts-", dir="/var/tmp") as place,
        TreeFromItsBeginning(Path(place)) as tree,
    ):
        yield tree


@pytest.mark.parametrize("shared_memory", SHARED_MEMORY)
def test_without_shared_memory_it_works_in_one_process_and_says_so(tree_on_the_disk, shared_memory):
    tree = tree_on_the_disk
    mount = SHARED_MEMORY[shared_memory]
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode != 0:
        missing("this user can't mount anything")
    tree.install().start(program=MANAGE, before=("unshare", "-m", "sh", "-c", f'{mount}; exec "$@"', "sh"))
    wait_for(tree.beats, what="a heartbeat")
    worker = tree.child("worker")
    before = tree.beats()

    with tree.asking() as ask:
        ask("pbxcerts.tasks.heartbeat")
        wait_for(lambda: tree.beats() > before, seconds=10, what="the heartbeat that was asked for")

    assert tree.children(worker) == []
    assert tree.child("worker") == worker
    assert tree.log.read_text().count("/dev/shm") == 1
    assert tree.end() == 0
    assert tree.processes() == []


# -- another C library ---------------------------------------------------------------------------------------------------


def test_a_c_library_without_malloc_trim_does_without(tmp_path):
    """musl: neither mallopt nor malloc_trim. The process has glibc, so the names are looked up where there are none."""
    program = (
        "import ctypes\n"
        "class Musl:\n"
        "    def __init__(self, name, **options): self._libc = real(name, **options)\n"
        "    def __getattr__(self, name):\n"
        "        if name in {'mallopt', 'malloc_trim'}: raise AttributeError(name)\n"
        "        return getattr(self._libc, name)\n"
        "real, ctypes.CDLL = ctypes.CDLL, Musl\n"
        "from pbxcerts.processes import memory\n"
        "memory.share(); memory.give_back()"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
    memory.give_back()


# -- a terminal that is closed -------------------------------------------------------------------------------------------


def test_a_hang_up_ends_it_in_order_with_the_status_with_which_a_service_manager_starts_it_again(tree):
    tree.install().start(program=MANAGE)

    tree.process.send_signal(signal.SIGHUP)

    assert tree.process.wait(timeout=90) == HUNG_UP
    assert tree.processes() == []


def test_a_hang_up_while_it_starts_ends_it_with_the_same_status(tree):
    tree.launch("--bind", f"127.0.0.1:{tree.port}", program=MANAGE)
    wait_for(lambda: (tree.data / "run" / "up.lock").exists(), what="the lock")

    tree.process.send_signal(signal.SIGHUP)

    assert tree.process.wait(timeout=90) == HUNG_UP
    tree.ends_without_a_trace()


def test_nohup_holds(tree):
    tree.install().start(program=MANAGE, before=("nohup",))

    tree.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)

    assert tree.answers()
    assert tree.end() == 0
