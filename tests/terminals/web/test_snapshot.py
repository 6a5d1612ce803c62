"""What the listeners answer from."""

import pytest

from terminals.web import snapshot


@pytest.mark.parametrize(
    ("host", "transport", "told"),
    [
        ("pbx.example.com", "tls", ("pbx.example.com", 5061)),
        ("192.0.2.10", "tls", ("192.0.2.10", 5061)),
        ("127.0.0.1", "tls", ("", 0)),
        ("pbx.example.com", "tcp", ("", 0)),
        ("", "tls", ("", 0)),
    ],
)
def test_phones_are_told_of_a_server_over_tls_that_its_certificate_names(world, delivery, host, transport, told):
    world.set(ip_addresses=["192.0.2.10"])
    delivery(proxy_host=host, proxy_port=5061, proxy_transport=transport)

    assert snapshot.read_snapshot().proxy == told
