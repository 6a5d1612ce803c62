"""A host and a port, in every spelling that is taken, and which part of all others is wrong."""

import pytest

from pbxcerts.system.network.endpoint import Endpoint, EndpointError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("pbx.example.com:5061", "pbx.example.com", 5061),
        (" 192.0.2.1:65535 ", "192.0.2.1", 65535),
        ("[2001:DB8:0::1]:5061", "2001:db8::1", 5061),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
    ],
)
def test_host_and_port_are_read(text, host, port):
    assert Endpoint.parse(text) == Endpoint.parse(text, default_port=7) == Endpoint(host, port)


@pytest.mark.parametrize(
    ("text", "host"),
    [("pbx", "pbx"), ("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1")],
)
def test_a_port_may_be_missing_only_where_there_is_a_default(text, host):
    assert Endpoint.parse(text, default_port=5060) == Endpoint(host, 5060)
    with pytest.raises(EndpointError) as caught:
        Endpoint.parse(text)
    assert caught.value.fault == "port_missing"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        (" ", "empty"),
        (":5061", "host"),
        ("[]:5061", "host"),
        ("[pbx]:5061", "host"),
        ("[192.0.2.1]:5061", "host"),
        ("[::1:5061", "host"),
        ("[pbx:5061", "host"),
        ("[::1]x", "host"),
        ("2001:db8::1::2", "host"),
        ("pbx:", "port"),
        ("[::1]:", "port"),
        ("pbx:0", "port"),
        ("pbx:65536", "port"),
        ("pbx:-1", "port"),
        ("pbx:+1", "port"),
        ("pbx:1 2", "port"),
        ("pbx:http", "port"),
        ("pbx:１２３", "port"),
        ("pbx:1\n2", "port"),
    ],
)
def test_the_part_that_is_wrong_is_named(text, fault):
    with pytest.raises(EndpointError) as caught:
        Endpoint.parse(text, default_port=5061)
    assert caught.value.fault == fault


def test_a_listener_may_ask_for_any_free_port():
    assert Endpoint.parse("127.0.0.1:0", least_port=0) == Endpoint("127.0.0.1", 0)


@pytest.mark.parametrize("text", ["pbx:1", "192.0.2.1:443", "[2001:db8::1]:5061"])
def test_what_is_written_is_read_again(text):
    assert str(Endpoint.parse(text)) == text
