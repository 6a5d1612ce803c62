"""SIP standard terminals: a person installs the file that the work list gives; a NOTIFY only where the type has an event string."""

from datetime import timedelta

from terminals.drivers.base import Capabilities, Method


class SipStandard:
    method = Method.SIP_STANDARD
    capabilities = Capabilities(automatic=False, restarts=False, answers_within=timedelta(minutes=45))

    def event(self, configured: str) -> str:
        return configured


driver = SipStandard()
