"""A heartbeat every few seconds while there is something to see: in a demonstration nobody waits for the next minute."""

from django.db import DatabaseError
from django_q.models import OrmQ

from certificates.models import Generation, Switch
from pbxcerts.system.wake_worker import wake_worker


def quicken() -> None:
    """Ask for a heartbeat where a handover or a switch is under way and no other heartbeat waits."""
    try:
        is_busy = Generation.objects.pending().exists()
        is_busy = is_busy or Generation.objects.being_made().exists() or Switch.objects.running().exists()
        if is_busy and not OrmQ.objects.exists():
            wake_worker()
    except DatabaseError:
        # It is locked; what is due is done with the next heartbeat.
        return
