"""Where nobody has said how telephones reach us, a configuration names the host that was asked, if it is one."""

import pytest

from pbxcerts.system.models import General
from terminals.models import Terminal, TerminalType
from tests.support.asking import Listeners


@pytest.fixture
def ask(world):
    """What a Yealink gets that asks this host."""
    maker = TerminalType.objects.create(name="A Yealink", method="yealink", wants="root")
    Terminal.objects.create(number="101", type=maker, mac="001565000001", address="192.0.2.1")
    General.objects.update(fqdn="", ip_addresses=[])

    def asked(host):
        listeners = Listeners(world, host=host)
        return listeners.get("/001565000001.cfg", "Yealink SIP-T54W 96.86.0.100 001565000001", "192.0.2.1")

    return asked


@pytest.mark.parametrize("host", ["pbx.example.com", "pbx.example.com:8443", "192.0.2.2:8443", "[2001:db8::2]:8443"])
def test_it_names_the_host_that_was_asked(ask, host):
    given = ask(host)
    assert given.status == 200
    assert f"https://{host}/".encode() in given.body


@pytest.mark.parametrize(
    "host", ["", "pbx.example.com/..", "pbx.example.com\nmanager.url = x", "anna@example.com", "a b", "[2001:db8::2"]
)
def test_what_is_no_host_is_put_into_no_file(ask, host):
    given = ask(host)
    assert (given.status, given.refused) == (404, "no_trust_file")
