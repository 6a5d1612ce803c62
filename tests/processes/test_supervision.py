"""The real tree with the real cluster; only the supervisor's patience is shorter than a deployment's
(rules process-tree, proof-of-life).
"""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pbxcerts.processes.supervision import Patience
from pbxcerts.system.run_files import FAILING_PROCESSES
from tests.support import returned_buffers
from tests.support.product import ROOT
from tests.support.running import MANAGE, Tree, wait_for

pytestmark = pytest.mark.process

IT_TAKES_LONGER = "Erneutes Strg-C beendet alles sofort"


@pytest.fixture
def tree(tmp_path):
    with Tree(tmp_path) as tree:
        yield tree.install().start()


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def assert_the_next_heartbeat_comes(tree, *, not_by=None):
    """And nothing is left of the cluster `not_by`, which had been given up."""
    with tree.asking_for_heartbeats():
        if not_by is not None:
            wait_for(lambda: tree.child("worker") not in {None, not_by}, what="a new cluster")
        tree.wait_for_a_heartbeat()
    assert not_by not in tree.processes()
    wait_for(lambda: len(tree.processes()) == 6, what="the whole tree")


def test_a_deployments_patience_lets_the_next_heartbeat_come_within_four_minutes():
    """A cluster that starts asks for a heartbeat at once; 30 s are left for its start on a slow machine."""
    patience = Patience()

    assert patience.silence + patience.look + patience.first_delay + 30 <= 4 * 60


def test_its_processes_give_the_large_buffers_of_connections_back_to_the_system():
    def is_returned(*options):
        program = [sys.executable, "-m", returned_buffers.__name__, *options]
        return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.strip()

    assert (is_returned("alone"), is_returned()) == ("0", "1")


def test_a_heartbeat_comes_with_the_start_and_nothing_is_told_where_all_is_well(tree):
    wait_for(tree.beats, seconds=20, what="a heartbeat before the guard looks at its schedules")

    assert FAILING_PROCESSES.read(tree.data) == {}


def test_a_worker_killed_while_it_waits_costs_no_more_than_the_patience(tree):
    cluster = tree.cluster
    wait_for(tree.beats)
    worker, _monitor, _pusher = tree.worker_monitor_pusher()

    kill(worker)

    assert_the_next_heartbeat_comes(tree, not_by=cluster)


def test_a_worker_killed_while_it_works_is_replaced(tree):
    with tree.working_for(60) as worker:
        kill(worker)

        assert_the_next_heartbeat_comes(tree)
    assert not tree.task_ended_properly


def test_a_killed_sentinel_takes_its_processes_along_and_is_replaced(tree):
    cluster = tree.cluster
    orphans = tree.worker_monitor_pusher()

    kill(cluster)

    wait_for(lambda: not set(orphans) & set(tree.processes()), what="no orphan")
    assert_the_next_heartbeat_comes(tree, not_by=cluster)


def test_a_sentinel_killed_while_its_worker_works_is_replaced(tree):
    cluster = tree.cluster
    with tree.working_for(60):
        kill(cluster)

        assert_the_next_heartbeat_comes(tree, not_by=cluster)
    assert not tree.task_ended_properly


def test_the_heartbeat_survives_the_clusters_helpers(tree):
    _worker, monitor, pusher = tree.worker_monitor_pusher()

    kill(monitor)
    kill(pusher)

    assert_the_next_heartbeat_comes(tree)


def test_no_process_of_it_leaves_a_core_dump(tmp_path):
    """As the caller allowed: a core dump would hold host keys and passwords (rule no-core-dump)."""
    with Tree(tmp_path) as tree:
        tree.install().start(program=MANAGE)
        assert len(tree.worker_monitor_pusher()) == 3

        limits = [Path(f"/proc/{pid}/limits").read_text() for pid in tree.processes()]

    assert len(limits) == 6
    assert [said for said in limits if not re.search(r"Max core file size +0 ", said)] == []


def test_where_core_dumps_go_to_a_program_they_are_none_either(tmp_path):
    """There the limit does not count (core(5)). What a process of ours starts leaves what the caller wants."""
    program = (
        "import ctypes, os, resource, subprocess\n"
        "from pbxcerts.system import own_process\n"
        "own_process.begin()\n"
        "if not os.fork():\n"
        "    os._exit(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
        "assert os.wait()[1] == 0\n"
        "with own_process.callers_core_limit():\n"
        "    subprocess.run(['sh', '-c', 'ulimit -c'])"
    )
    limit = (4096, resource.getrlimit(resource.RLIMIT_CORE)[1])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limit),
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) in {4, 8}, "in units of 512 or 1024 octets"


def test_a_killed_web_process_is_replaced_on_the_same_port(tree):
    web = tree.web

    kill(web)

    wait_for(lambda: tree.child("web") not in {None, web}, what="a new web process")
    assert tree.answers()


def test_nothing_is_left_when_up_is_killed_while_idle(tree):
    assert tree.cluster

    kill(tree.process.pid)

    tree.ends_without_a_trace()


@pytest.mark.parametrize("task", ["work", "work_with_a_command"])
def test_nothing_is_left_when_up_is_killed_while_a_task_runs(tree, task):
    with tree.working_for(60, task):
        kill(tree.process.pid)

        tree.ends_without_a_trace()
    assert not tree.task_ended_properly


@pytest.fixture
def reload_command(tmp_path):
    """Starts a server in the background, without a session of its own, and tells its process and what it ignores."""
    told = tmp_path / "server"
    command = tmp_path / "restart-pbx"
    command.write_text(
        "#!/bin/sh\n"
        f"grep SigIgn /proc/self/status > {told}-ignores\n"
        f"sleep 98765 > /dev/null 2>&1 < /dev/null &\necho $! > {told}\n"
    )
    command.chmod(0o755)
    yield command
    if told.exists():
        os.kill(int(told.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("ending", ["up is killed", "the cluster is killed", "everything is told to end"])
def test_a_server_that_the_reload_command_started_lives_on_when(tmp_path, reload_command, ending):
    with Tree(tmp_path) as tree:
        tree.install().start(PBXCERTS_RELOAD_COMMAND=str(reload_command))
        with tree.working_for(60, "work_after_a_reload"):
            cluster = tree.cluster
            server = int((tmp_path / "server").read_text())
            if ending == "everything is told to end":
                assert tree.end() == 0
            else:
                kill(tree.process.pid if ending == "up is killed" else cluster)
            wait_for(lambda: cluster not in tree.processes(), what="the end of the cluster")

    assert tree.processes() == []
    assert Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    # Python ignores SIGPIPE, and the sentinel of django-q2 SIGINT; a server that ignored them could not be stopped by Ctrl-C.
    assert int((tmp_path / "server-ignores").read_text().split()[1], 16) == 0


def test_ctrl_c_lets_the_running_task_end(tree):
    with tree.working_for(1):
        os.killpg(tree.process.pid, signal.SIGINT)

        assert tree.process.wait(timeout=30) == 0
    assert tree.task_ended_properly
    assert tree.processes() == []
    assert "Traceback" not in tree.log.read_text()
    assert IT_TAKES_LONGER not in tree.log.read_text()


def test_a_task_that_takes_too_long_does_not_hold_up_the_end(tree):
    with tree.working_for(60):
        tree.process.terminate()

        assert tree.process.wait(timeout=30) == 0
    assert not tree.task_ended_properly
    assert tree.processes() == []
    assert IT_TAKES_LONGER in tree.log.read_text()


def test_a_second_ctrl_c_ends_it_at_once(tree):
    with tree.working_for(60):
        os.killpg(tree.process.pid, signal.SIGINT)
        wait_for(lambda: tree.child("web") is None, what="the web process to end")
        os.killpg(tree.process.pid, signal.SIGINT)

        assert tree.process.wait(timeout=4) == 0
    assert tree.processes() == []


def test_a_worker_that_cannot_be_started_is_told_and_the_panel_goes_on(tmp_path):
    with Tree(tmp_path) as tree:
        tree.install().start(CLUSTER_ENDS_WITH="3")
        failing = wait_for(lambda: FAILING_PROCESSES.read(tree.data), what="the state of the processes")

        assert failing["worker"].failures >= 3
        assert failing["worker"].last_end == "Exit-Code 3"
        assert "web" not in failing
        assert tree.answers()
