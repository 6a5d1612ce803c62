"""The database as django-q2's broker."""

import time
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django_q.brokers.orm import ORM

from pbxcerts.system.database.database_lock import is_away, let_go_of

AGAIN_AFTER = 2.0


class DatabaseQueue(ORM):  # type: ignore[misc]
    """While the database is away it is waited for. With django-q2's own the process would end, be started again and again, and write a
    traceback each time; the supervisor says it (rule said-on-change).
    """

    def dequeue(self) -> Any:
        try:
            return super().dequeue()
        except (InterfaceError, OperationalError) as error:
            if not is_away(error):
                raise
            let_go_of(error)
        connections.close_all()
        time.sleep(AGAIN_AFTER)
        return None
