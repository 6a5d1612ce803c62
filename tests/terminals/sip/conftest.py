import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from certificates.pki import formats
from certificates.pki.identity import Identity
from tests.support.x509 import a_pair


@pytest.fixture(scope="session")
def pair():
    now = datetime.now(UTC)
    return a_pair(
        identity=Identity(("pbx.test",), (ip_address("127.0.0.1"),)),
        made_at=now,
        not_before=now - timedelta(days=1),
        end=now + timedelta(days=9),
    )


@pytest.fixture(scope="session")
def server_tls(pair, tmp_path_factory):
    place = tmp_path_factory.mktemp("server") / "agent.pem"
    place.write_bytes(formats.agent_pem(pair.host, pair.host_key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    return context


@pytest.fixture(scope="session")
def client_tls(pair):
    return ssl.create_default_context(cadata=formats.pem(pair.root).decode())
