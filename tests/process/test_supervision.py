"""The real tree with the real cluster; only the supervisor's patience is shorter than a deployment's."""

import os
import signal
import subprocess
import sys

import pytest

from pbxcerts import process_state
from pbxcerts.supervision import Patience
from tests.support import returned_buffers
from tests.support.product import ROOT
from tests.support.running import Tree, wait_for

IT_TAKES_LONGER = "Erneutes Strg-C beendet alles sofort"


@pytest.fixture
def tree(tmp_path):
    with Tree(tmp_path) as tree:
        yield tree.start()


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

    assert process_state.read(process_state.file(tree.data)) == {}


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

    wait_for(lambda: not set(orphans) & set(tree.processes()), seconds=10, what="no orphan")
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
        tree.start(CLUSTER_ENDS_WITH="3")
        state = process_state.file(tree.data)

        failing = wait_for(lambda: process_state.read(state), what="the state of the processes")

        assert failing["worker"].failures >= 3
        assert failing["worker"].last_end == "exit code 3"
        assert "web" not in failing
        assert tree.answers()
