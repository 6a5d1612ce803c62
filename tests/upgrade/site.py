"""The site of the kept states: a machine at the time of its own, and a worker whose heartbeats reach its telephones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest.mock import patch

import time_machine

from pbxcerts import heartbeat
from pbxcerts.system.time.ntp import NtpAnswer, NtpSurvey
from terminals.models import Rollout
from tests.support.fleet import Fleet
from tests.support.generations import DAY, START

PEOPLE = {"vera": "view", "otto": "operate", "anna": "administer"}
"""Their names and roles; all of them have one password."""
PASSWORD = "seven copper kettles"
SIP_PASSWORD = "three teapots"
"""Of the account at the communication server, and of the terminals that have one of their own."""
TOKEN = "the-token-of-the-first-agent"
LINK = "the-personal-link-that-works"
FIRST_BOOT = START - DAY


@contextmanager
def machine_at(moment: datetime) -> Iterator[None]:
    """This process at another time. Its clock stands still; CLOCK_BOOTTIME is what it was by then, as nobody set the clock."""
    up = (moment - FIRST_BOOT).total_seconds()
    with time_machine.travel(moment, tick=False), patch("time.clock_gettime", lambda _clock: up):
        yield


def agreeing(servers: Sequence[str]) -> NtpSurvey:
    """NTP servers that agree with this machine."""
    return NtpSurvey(
        tuple(
            NtpAnswer(name, f"192.0.2.{n}", timedelta(), timedelta(), 2, 0) for n, name in enumerate(servers, start=1)
        )
    )


class Site(Fleet):
    """A fleet whose heartbeat is the worker's, with clock, warnings and event messages. Only the network is replaced."""

    def beat(self, **_options: object) -> Rollout | None:
        with machine_at(self.world.now), patch.object(heartbeat, "_ask_terminals", self.run):
            heartbeat.beat(server=self.world.server, ask=agreeing)
        return Rollout.objects.exclude(state=Rollout.State.ENDED).first()
