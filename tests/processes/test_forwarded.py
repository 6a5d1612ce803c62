"""What a proxy says about a client, and what it may not say (RFC 7239 section 6.2 and 6.3 know such names)."""

import asyncio
import http.client
from contextlib import closing

import pytest
import uvicorn

from pbxcerts.system.network.forwarded import believe_addresses_only
from terminals.by_hand.links import WRONG_ONES
from tests.support.running import Tree


def client_of(*forwarded, proxies=("127.0.0.1", "10.0.0.0/8"), peer="127.0.0.1"):
    """Whom the application sees, where the header comes as often as `forwarded` has values."""
    seen = {}

    async def app(scope, _receive, _send):
        seen["client"] = scope["client"]

    config = uvicorn.Config(app, proxy_headers=True, forwarded_allow_ips=list(proxies), log_config=None)
    config.load()
    believe_addresses_only(config)
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "client": (peer, 4711), "scheme": "http", "headers": headers}
    asyncio.run(config.loaded_app(scope, None, None))
    return seen["client"][0]


@pytest.mark.parametrize(
    "named", ["unknown", "unix:", "_hidden", "_hidden:443", "", "fe80::1%eth0", "192.0.2.300", "x" * 300]
)
def test_the_peers_address_counts_where_a_proxy_names_none(named):
    assert client_of(named) == "127.0.0.1"
    # What stands further to the left was said by a client.
    assert client_of(f"192.0.2.66, {named}") == "127.0.0.1"
    assert client_of("192.0.2.66", named) == "127.0.0.1"


def test_so_it_does_where_one_proxy_in_front_of_another_names_none():
    assert client_of("unknown, 10.1.2.3") == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:443", "192.0.2.7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("192.0.2.66, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
    ],
)
def test_an_address_is_believed(forwarded, client):
    assert client_of(forwarded) == client


def test_who_is_no_proxy_of_ours_is_not_asked():
    assert client_of("192.0.2.66", peer="198.51.100.1") == "198.51.100.1"


def test_where_no_proxy_is_declared_there_is_nothing_to_change():
    async def app(_scope, _receive, _send): ...

    config = uvicorn.Config(app, proxy_headers=False, log_config=None)
    config.load()

    believe_addresses_only(config)

    assert not hasattr(config.loaded_app, "trusted_hosts")


@pytest.mark.process
def test_a_listener_believes_its_proxies_so(tmp_path):
    """Told by the address at which the panel counts wrong links: those of the proxy that names nobody, and its own."""
    with Tree(tmp_path) as tree:
        tree.install().start(PBXCERTS_TRUSTED_PROXIES="127.0.0.1")

        def status(**headers):
            with closing(http.client.HTTPConnection("127.0.0.1", tree.port, timeout=30)) as connection:
                connection.request("GET", "/terminals/link/never-made/", headers=headers)
                return connection.getresponse().status

        for named in ("unknown", "unix:", "_hidden"):
            for _ in range(WRONG_ONES // 3 + 1):
                status(**{"X-Forwarded-For": named})

        assert status() == 429
        assert status(**{"X-Forwarded-For": "192.0.2.7"}) == 404
