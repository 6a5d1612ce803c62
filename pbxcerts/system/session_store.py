"""The engine of sessions: as Django's own in the database, and each row says whose it is, so that those of one account are found
(rule own-sessions). The class must have this name: it is in what the rows are signed with, also those of before.
"""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls) -> Any:
        from pbxcerts.system.models import Session

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        return row
