from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from certificates.pki.keys import KeyType
from tests.support.makers.configuration_server import ConfigurationServer
from tests.support.peers import require_program
from tests.support.x509 import a_pair


@pytest.fixture(autouse=True, scope="session")
def _openssl():
    """It judges what they trust."""
    require_program("openssl")


@cache
def pair(number=1, key_type=KeyType.P256, addresses_as_dns=False, **changes):
    """One of a generation; valid at the machine's time."""
    now = datetime.now(UTC)
    times = {"made_at": now, "not_before": now - timedelta(hours=24), "end": now + timedelta(days=395)}
    return a_pair(number=number, key_type=key_type, addresses_as_dns=addresses_as_dns, **(times | changes))


@pytest.fixture
def site():
    """The configuration server that the telephone asks."""
    with ConfigurationServer() as server:
        yield server
