"""Mitel SIP phones (67xx, 68xx, 69xx): a NOTIFY makes them read their configuration again; they restart and fetch a trust file.

Mitel 6800 administrator guide 4.2: `sips trusted certificates` and `https user certificates` are read at boot only. A phone
whose registration was refused asks again after up to 1800 s, so it may be back as late as 45 minutes after the NOTIFY.
"""

from datetime import timedelta

from terminals.drivers.base import Capabilities, Method


class MitelSip:
    method = Method.MITEL_SIP
    capabilities = Capabilities(automatic=True, restarts=True, answers_within=timedelta(minutes=45))

    def event(self, configured: str) -> str:
        return configured or "check-sync"


driver = MitelSip()
