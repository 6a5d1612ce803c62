"""A real telephone that believes its server with what a simulated one of another maker holds, and starts again when that one does."""

import time

from tests.support.telephony.baresip import Baresip
from tests.support.telephony.programs import eventually


class Lent(Baresip):
    """The line of `holder`, a telephone of tests.support.makers: nothing is brought to it but the trust store that this one holds.

    `restarted`: from when until when it was away for each restart, by the monotonic clock. What `holder` takes without a restart
    counts for it from the next connection on (`start_again`).
    """

    def __init__(self, directory, number, *, holder, **options):
        super().__init__(directory, number, trust=holder.trust_store.encode(), **options)
        self.number, self.holder = number, holder
        self.restarted = []
        self._restart_holder, holder.restart = holder.restart, self._restart

    def start_again(self):
        return super().start_again(self.holder.trust_store.encode())

    def _restart(self):
        eventually(self.is_idle, what=self.log)
        self.is_restarting, went = True, time.monotonic()
        self.restarts += 1
        self._restart_holder()
        self.start_again().refusal()
        self.restarted.append((went, time.monotonic()))
        self.is_restarting = False
