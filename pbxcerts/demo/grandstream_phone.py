"""A simulated Grandstream: a NOTIFY restarts it, and what it then finds in the six places of its configuration is what it trusts."""

import re

from pbxcerts.demo.desk_phone import DeskPhone

_PLACE = re.compile(r"<P843[3-8]>([^<]+)</P843[3-8]>")


class GrandstreamPhone(DeskPhone):
    comes_after = 2.0

    @property
    def user_agent(self) -> str:
        return f"Grandstream Model HW GRP2614 SW 1.0.11.74 DevId {self._mac.lower()}"

    def fetch(self) -> None:
        configuration = self.get(f"{self._path}/cfg{self._mac.lower()}.xml").decode()
        if held := _PLACE.findall(configuration):
            self._trusts = "\n".join(held)
