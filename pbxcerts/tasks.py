"""What django-q2 calls, by name."""

from pbxcerts.heartbeat import beat

HEARTBEAT = "pbxcerts.tasks.heartbeat"


def heartbeat() -> None:
    """One round of reconciling (DESIGN 3.6)."""
    beat()
