"""A simulated Mitel SIP phone: a NOTIFY restarts it, and it takes the trust file that its configuration names in the place of the one
before.
"""

import re

from pbxcerts.demo.desk_phone import DeskPhone

_TRUST_FILE = re.compile(r"^\^?sips trusted certificates: https://[^/]+(/\S+)", re.MULTILINE)


class MitelPhone(DeskPhone):
    comes_after = 2.0
    comes_at_start = False

    @property
    def user_agent(self) -> str:
        dashed = "-".join(self._mac[at : at + 2] for at in range(0, 12, 2))
        return f"{self._model} MAC:{dashed} V:6.4.0.140-SIP"

    def fetch(self) -> None:
        """By its MAC: what proves it to be the phone's own is its address."""
        configuration = self.get(f"/{self._mac}.cfg").decode()
        if named := _TRUST_FILE.findall(configuration):
            # The last line counts.
            self._trusts = self.get(named[-1]).decode()
