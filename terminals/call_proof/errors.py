"""What ends a step of a proof."""

from certificates.call_proof.steps import Finding
from terminals.sip.errors import SipError


class StepFailed(SipError):
    """`finding` says why; `said` is what the server or the system said."""

    def __init__(self, finding: Finding, said: object = "") -> None:
        super().__init__(f"{finding}: {said}")
        self.finding, self.said = finding, said
