"""IP system phones: they fetch the trust anchors by EST (RFC 7030 4.1) when a NOTIFY asks them to, and every hour by themselves.

Mitel's own protocol for these phones is not public; an open standard made for trust anchors stands in its place.
"""

from datetime import timedelta

from terminals.drivers.base import Capabilities, Method


class IpSystem:
    method = Method.IP_SYSTEM
    capabilities = Capabilities(automatic=True, restarts=False, answers_within=timedelta(minutes=45))

    def event(self, configured: str) -> str:
        return configured or "check-sync;reboot=false"


driver = IpSystem()
