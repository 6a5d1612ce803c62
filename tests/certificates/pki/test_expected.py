"""How large the certificates of a pair will be, before it is made."""

import pytest

from certificates.pki import formats
from certificates.pki.errors import IdentityError
from certificates.pki.expected import octets_of_pair
from certificates.pki.identity import Identity
from certificates.pki.keys import KeyType
from tests.support.x509 import IDENTITY, pair_of


@pytest.mark.parametrize("as_dns", [False, True], ids=["addresses", "addresses as names too"])
@pytest.mark.parametrize("key_type", KeyType)
def test_it_is_that_of_the_pair_that_is_made(key_type, as_dns):
    made = pair_of(key_type, addresses_as_dns=as_dns)

    found = octets_of_pair(IDENTITY, key_type, addresses_as_dns=as_dns, organisation="Site")

    assert found.root == pytest.approx(len(formats.der(made.root)), abs=12)
    assert found.host == pytest.approx(len(formats.der(made.host)), abs=12)


def test_nothing_can_be_made_for_nobody():
    with pytest.raises(IdentityError):
        octets_of_pair(Identity((), ()), KeyType.P256, addresses_as_dns=False)
