"""A simulated Yealink: it reads its configuration when it starts and at a NOTIFY, without a restart, and adds the one certificate that
is named there to those that it holds. What has the same URL it does not fetch again.
"""

import re

from pbxcerts.demo.desk_phone import DeskPhone

_CERTIFICATE = re.compile(r"^static\.trusted_certificates\.url = https://[^/]+(/\S+)", re.MULTILINE)


class YealinkPhone(DeskPhone):
    comes_after = 0.5
    _loaded = ""

    @property
    def user_agent(self) -> str:
        return f"Yealink SIP-T54W 96.86.0.100 {self._mac.lower()}"

    def fetch(self) -> None:
        configuration = self.get(f"{self._path}/{self._mac.lower()}.cfg").decode()
        named = _CERTIFICATE.findall(configuration)
        if named and named[-1] != self._loaded:
            self._trusts += self.get(named[-1]).decode()
            self._loaded = named[-1]
