"""A simulated Flyingvoice: it reads what a Yealink reads, and writes its MAC with colons."""

from pbxcerts.demo.yealink_phone import YealinkPhone


class FlyingvoicePhone(YealinkPhone):
    @property
    def user_agent(self) -> str:
        mac = ":".join(self._mac[at : at + 2] for at in range(0, 12, 2))
        return f"Flyingvoice FIP13G V0.6.24 {mac}"
