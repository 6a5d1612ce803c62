"""What Apprise makes of a URL (rule never-elsewhere). Only short-lived processes import this: Apprise and what it needs weigh as much as one of ours.

Free of Django, so that a URL is checked in a moment.
"""

import apprise
from apprise.plugins.base import NotifyBase

from pbxcerts.system.notifications.transports.user_agent import USER_AGENT

LOCAL_ONLY = {"dbus", "gio", "gnome", "kde", "glib", "qt", "macosx", "windows", "syslog"}
"""They show something on this machine's own screen or write its own log, or run what stands on it."""


class UrlNotUnderstood(Exception):
    pass


class LocalService(UrlNotUnderstood):
    """It would be told on this machine only. Its text is the name of the service."""


def service_of(url: str) -> NotifyBase:
    """Raises UrlNotUnderstood, and LocalService. No redirect is followed, nothing is kept on the disk, no template of somebody's is loaded."""
    scheme = url.partition("://")[0].lower()
    if scheme in LOCAL_ONLY:
        raise LocalService(scheme)
    asset = apprise.AppriseAsset(
        # It names itself by this in each request.
        app_id=USER_AGENT,
        app_desc="pbxcerts",
        app_url="",
        http_redirects=False,
        async_mode=False,
        secure_logging=True,
        storage_mode="memory",
        plugin_paths=[],
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if not isinstance(service, NotifyBase):
        raise UrlNotUnderstood
    service.redirects = False
    return service
