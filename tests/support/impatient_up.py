"""`up` with less patience, so that a test need not wait for three minutes: `impatient_up.py OPTIONS` is `manage.py up OPTIONS`."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent.parent
CLUSTER_STOPS_WITHIN = 3

if __name__ == "__main__":
    from pbxcerts import cluster, supervision

    match sys.argv[1:]:
        case ["supervise", plan]:
            patience = supervision.Patience(
                silence=8, look=0.5, first_delay=0.2, longest_delay=1, stop=CLUSTER_STOPS_WITHIN + 3
            )
            child = [str(HERE), "cluster"]
            if command := os.environ.get("CLUSTER_INSTEAD"):
                child = ["-c", command]
            sys.exit(supervision.main([plan], patience=patience, cluster=child))
        case ["cluster", parent]:
            sys.exit(cluster.main([parent], stops_within=CLUSTER_STOPS_WITHIN))
        case options:
            import django

            django.setup()
            from django.core.management import call_command

            from pbxcerts.system.management.commands.up import Command

            class ImpatientUp(Command):
                supervisor = [str(HERE), "supervise"]

            call_command(ImpatientUp(), *options)
