"""A simulated Snom: it reads its configuration when it starts and at a NOTIFY, without a restart, and loads each certificate that has an
entry there. It loses none.
"""

import re
import ssl

from pbxcerts.demo.desk_phone import DeskPhone

_CERTIFICATE = re.compile(r'<certificate url="https://[^/"]+(/[^"]+)"')


class SnomPhone(DeskPhone):
    comes_after = 0.5

    @property
    def user_agent(self) -> str:
        return f"Mozilla/4.0 (compatible; snomD785-SIP 10.1.184.15 2010.12-00004 {self._mac} SXM:0 UXM:0)"

    def fetch(self) -> None:
        configuration = self.get(f"{self._path}/snomD785-{self._mac}.htm").decode()
        loaded = [ssl.DER_cert_to_PEM_cert(self.get(path)) for path in _CERTIFICATE.findall(configuration)]
        self._trusts += "".join(certificate for certificate in loaded if certificate not in self._trusts)
