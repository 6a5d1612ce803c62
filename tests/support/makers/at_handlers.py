"""Simulated telephones that ask the listeners' own handlers instead of opening a connection."""

from urllib.parse import urlsplit

from tests.support.asking import HOST
from tests.support.generations import DAY
from tests.support.makers.checking import Refused

ADDRESS = "192.0.2.99"
"""That of the terminal in the list."""


def at_the_handlers(kind, listeners, mac, *, address=ADDRESS, judges=False, **options):
    """One that asks them from there, or where it is moved. `judges`: it refuses the pair that is served as it would in the handshake,
    if it checks and does not hold its root.
    """

    class Telephone(kind):
        def poll(self):
            listeners.look()
            super().poll()

        def _get(self, url, checks):
            place = urlsplit(url)
            if (
                judges
                and place.scheme == "https"
                and checks.chain
                and listeners.world.active.root not in checks.anchors
            ):
                raise Refused("unable to get local issuer certificate")
            answer = listeners.get_next(place.path, self.user_agent, self.address, place.scheme)
            return answer.status, "", answer.body

        def polls(self, times=1):
            for _poll in range(times):
                listeners.world.after(DAY)
                self.poll()
            return self

        def takes_calls(self):
            """Whether a new connection to the server of its calls comes about."""
            return not self.sip.chain or listeners.world.active.root in self.sip.anchors

    phone = Telephone(url=f"https://{HOST}/", mac=mac, clock=lambda: listeners.world.now, **options)
    phone.address = address
    return phone
