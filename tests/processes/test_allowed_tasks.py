"""What stands in django-q2's table of schedules or in its queue runs only if it is a task of ours (rule allowed-tasks)."""

from datetime import timedelta

import pytest
from django.db.models.signals import post_save
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import Schedule, Task
from django_q.scheduler import scheduler
from django_q.signals import call_hook, pre_execute

from pbxcerts.processes import allowed_tasks
from tests.support.running import MANAGE, Tree, wait_for

OURS = "pbxcerts.system.wake_worker.wake_worker"


@pytest.fixture
def _allowed():
    allowed_tasks.allow_only({OURS})
    yield
    pre_execute.disconnect(dispatch_uid="pbxcerts.allowed_tasks")
    post_save.connect(call_hook, sender=Task)


def due(function, *arguments, options=None, **others):
    """A row of the table that is run at once, in the process that looks at the table."""
    return Schedule.objects.create(
        func=function,
        args=repr(arguments),
        kwargs=repr({"q_options": {"sync": True, **(options or {})}}),
        next_run=timezone.now() - timedelta(minutes=1),
        cluster=Conf.CLUSTER_NAME,
        **others,
    )


@pytest.mark.django_db(transaction=True)
def test_django_q2_itself_would_run_anything(tmp_path):
    due("os.mkdir", str(tmp_path / "made"))

    scheduler()

    assert (tmp_path / "made").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_allowed")
def test_a_schedule_with_another_function_does_not_run(tmp_path, caplog):
    due("os.mkdir", str(tmp_path / "made"))

    scheduler()

    assert not (tmp_path / "made").exists()
    assert "os.mkdir" in caplog.text


@pytest.fixture
def called(monkeypatch):
    called = []
    monkeypatch.setattr("pbxcerts.tasks.beat", called.append)
    return called


@pytest.mark.django_db(transaction=True)
def test_django_q2_itself_would_call_a_hook(called):
    due(OURS, options={"save": True}, hook="pbxcerts.tasks.beat")

    scheduler()

    assert len(called) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_allowed")
def test_nor_does_the_hook_of_a_task_of_ours(called):
    due(OURS, options={"save": True}, hook="pbxcerts.tasks.beat")

    scheduler()

    assert Task.objects.get().success
    assert called == []


@pytest.mark.process
def test_the_cluster_takes_no_other_task_from_the_queue_and_goes_on(tmp_path):
    with Tree(tmp_path) as tree:
        tree.install().start(program=MANAGE)
        wait_for(tree.beats, what="a heartbeat")
        worker = tree.worker_monitor_pusher()[0]
        with tree.asking() as ask:
            before = tree.beats()
            ask("os.mkdir", str(tmp_path / "made"))
            ask("pbxcerts.tasks.heartbeat")
            wait_for(lambda: tree.beats() > before, what="the heartbeat behind it")

        assert not (tmp_path / "made").exists()
        assert tree.worker_monitor_pusher()[0] == worker
        assert "os.mkdir" in tree.log.read_text()
