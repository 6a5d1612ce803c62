"""`up` whose worker also runs the task that the benchmark measures: `up_with_a_rollout.py OPTIONS` is `manage.py up OPTIONS`."""

import sys
from functools import partial

TASKS = {"pbxcerts.tasks.heartbeat", "tests.benchmarks.rollout_task.roll_out"}

if __name__ == "__main__":
    import django

    django.setup()
    from django.core.management import call_command

    from pbxcerts.management.commands.up import Command

    class UpWithARollout(Command):
        def supervise(self, web, cluster, lock, listeners):
            super().supervise(web, partial(cluster, tasks_of_ours=TASKS), lock, listeners)

    call_command(UpWithARollout(), *sys.argv[1:])
