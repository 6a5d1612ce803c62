"""A Flyingvoice: public templates have the files and names of a Yealink for it [C]; that it takes certificates as one is concluded [I]."""

from urllib.parse import urljoin

from tests.support.makers.yealink import INCLUDE, Yealink


class Flyingvoice(Yealink):
    MODEL, FIRMWARE = "FIP13G", "0.6.24"
    rejects_curves = False

    @property
    def generation(self):
        """[C] All names that templates have for it are those of a Yealink from V81 on."""
        return 81

    @property
    def user_agent(self):
        """[C]"""
        mac = ":".join(self.mac[at : at + 2] for at in range(0, 12, 2)).upper()
        return f"Flyingvoice {self.model} V{self.firmware} {mac}"

    def _files(self):
        """[C] Some models have a boot file, and the common one has the same name for all of them."""
        for name in (f"{self.mac}.boot", "y000000000000.boot"):
            url = urljoin(self.url, name)
            if (body := self.fetch(url)) is not None:
                yield from (urljoin(url, included) for included in INCLUDE.findall(self._text(url, body)))
                return
        yield urljoin(self.url, "y000000000000.cfg")
        yield urljoin(self.url, f"{self.mac}.cfg")
