"""`up` with less patience, so that a test need not wait for three minutes: `impatient_up.py OPTIONS` is `manage.py up OPTIONS`."""

import os
import sys
from functools import partial

CLUSTER_STOPS_WITHIN = 3
TASKS = {
    "pbxcerts.tasks.heartbeat",
    *(f"tests.support.slow_task.{name}" for name in ("work", "work_with_a_command", "work_after_a_reload")),
}

if __name__ == "__main__":
    import django

    django.setup()
    from django.core.management import call_command

    from pbxcerts.management.commands.up import Command
    from pbxcerts.processes.supervision import Patience

    class ImpatientUp(Command):
        def supervise(self, web, cluster, lock, listeners):
            patience = Patience(silence=8, look=0.5, first_delay=0.2, longest_delay=1, stop=CLUSTER_STOPS_WITHIN + 3)
            cluster = cluster and partial(cluster, stops_within=CLUSTER_STOPS_WITHIN, tasks_of_ours=TASKS)
            if code := os.environ.get("CLUSTER_ENDS_WITH"):
                cluster = lambda _works: int(code)  # noqa: E731
            super().supervise(web, cluster, lock, listeners, patience)

    call_command(ImpatientUp(), *sys.argv[1:])
