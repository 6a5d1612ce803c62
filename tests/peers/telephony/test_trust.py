"""Which server real telephones believe, with which trust file, and for what reason they refuse."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count

import pytest

from certificates.pki import formats
from certificates.pki.identity import Identity
from tests.support.telephony.office import Office, trust_file
from tests.support.x509 import a_pair

pytestmark = pytest.mark.peer

NAME, ADDRESS = "pbx.test", "127.0.0.1"
TELEPHONES = ["baresip", "linphone"]
# Why each telephone refuses, in the words of the library that it verifies with (OpenSSL, Mbed TLS).
UNKNOWN_ROOT = {"baresip": "self-signed certificate in certificate chain", "linphone": "not-trusted"}
EXPIRED = {"baresip": "certificate has expired", "linphone": "expired"}
NOT_YET_VALID = {"baresip": "certificate is not yet valid", "linphone": "future-validity"}
OTHER_NAME = {"baresip": "hostname mismatch", "linphone": "CN-mismatch"}

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
SERVERS = {
    "right": {},
    "expired": {"not_before": NOW - 9 * DAY, "end": NOW - timedelta(minutes=1)},
    "not yet valid": {"not_before": NOW + DAY},
    "other name": {"identity": Identity(("other.test",), (ip_address(ADDRESS),))},
    "other address": {"identity": Identity((NAME,), (ip_address("192.0.2.10"),))},
}


def a_pair_of_now(**changes):
    identity = Identity((NAME,), (ip_address(ADDRESS),))
    return a_pair(**({"identity": identity, "made_at": NOW, "not_before": NOW - DAY, "end": NOW + 9 * DAY} | changes))


class Site:
    """One communication server with a port for each of `SERVERS`, and telephones for it."""

    def __init__(self, office):
        self.office = office
        self.pairs = {name: a_pair_of_now(**changes) for name, changes in SERVERS.items()}
        self.stores = {name: office.store_with(name.replace(" ", "-"), pair) for name, pair in self.pairs.items()}
        self.server = office.kamailio(*self.stores.values())
        self.numbers = count(1)

    def refusal(self, telephone, server="right", *, host=NAME, trust=None):
        """Why the telephone refuses the server; "" when it registers. Without `trust` it has the server's trust file."""
        store = self.stores[server]
        trust = trust_file(store) if trust is None else formats.pem(*trust)
        place = f"{host}:{self.server.ports[store]}"
        registered = getattr(self.office, telephone)(f"phone{next(self.numbers)}", server=place, trust=trust)
        reason = registered.refusal()
        registered.stop()
        return reason


@pytest.fixture(scope="module")
def site():
    with Office() as office:
        yield Site(office)


@pytest.mark.parametrize("telephone", TELEPHONES)
@pytest.mark.parametrize("host", [NAME, ADDRESS])
def test_a_telephone_with_the_exported_trust_file_registers(site, telephone, host):
    assert site.refusal(telephone, host=host) == ""


@pytest.mark.parametrize("telephone", TELEPHONES)
@pytest.mark.parametrize(
    "order",
    [
        pytest.param(lambda old, new: (new.root,), id="root alone"),
        pytest.param(lambda old, new: (new.root, new.host), id="root, host"),
        pytest.param(lambda old, new: (new.host, new.root), id="host, root"),
        pytest.param(lambda old, new: (old.root, old.host, new.root, new.host), id="old, new"),
        pytest.param(lambda old, new: (new.root, new.host, old.root, old.host), id="new, old"),
    ],
)
def test_the_order_of_the_certificates_in_the_trust_file_does_not_matter(site, telephone, order):
    assert site.refusal(telephone, trust=order(a_pair_of_now(number=6), site.pairs["right"])) == ""


@pytest.mark.parametrize("telephone", TELEPHONES)
def test_the_trust_file_of_another_generation_is_not_enough(site, telephone):
    other = a_pair_of_now(number=6)
    assert site.refusal(telephone, trust=(other.root, other.host)) == UNKNOWN_ROOT[telephone]


@pytest.mark.parametrize("telephone", TELEPHONES)
def test_the_host_certificate_alone_is_not_enough(site, telephone):
    assert site.refusal(telephone, trust=(site.pairs["right"].host,)) == UNKNOWN_ROOT[telephone]


@pytest.mark.parametrize("telephone", TELEPHONES)
@pytest.mark.parametrize(
    ("server", "reason"), [("expired", EXPIRED), ("not yet valid", NOT_YET_VALID), ("other name", OTHER_NAME)]
)
def test_a_certificate_that_is_not_for_now_or_not_for_this_name_is_refused(site, telephone, server, reason):
    assert site.refusal(telephone, server) == reason[telephone]


def test_a_telephone_that_checks_addresses_refuses_another_one(site):
    assert site.refusal("linphone", "other address", host=ADDRESS) == OTHER_NAME["linphone"]
    assert site.refusal("linphone", "other address", host=NAME) == ""
