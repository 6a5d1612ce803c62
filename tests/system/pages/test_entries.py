import pytest
from django.core.exceptions import ValidationError
from django.utils import translation

from certificates.pki.errors import IdentityCode
from pbxcerts.system.forms.entries import (
    IDENTITY_ERRORS,
    DnsNameField,
    ListField,
    OnOffField,
    clean_address,
    clean_dns_name,
    clean_ntp_server,
    clean_tls_address,
)


def code_of(parse, text):
    with pytest.raises(ValidationError) as raised:
        parse(text)
    return raised.value.error_list[0].code


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("pbx.example.com", "pbx.example.com"),
        ("  PBX.Example.COM.  ", "pbx.example.com"),
        ("pbx.münchen.example", "pbx.xn--mnchen-3ya.example"),
        ("pbx", "pbx"),
        (f"{'a' * 63}.example", f"{'a' * 63}.example"),
    ],
    ids=["plain", "upper-case-and-dot", "umlaut", "one-label", "63-characters"],
)
def test_a_name_is_stored_as_certificates_hold_it(typed, stored):
    assert clean_dns_name(typed) == stored


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("pbx one.example", IdentityCode.DNS_SPACE),
        ("pbx_1.example", IdentityCode.DNS_UNDERSCORE),
        (f"{'a' * 64}.example", IdentityCode.DNS_LABEL_TOO_LONG),
        (".".join(["a" * 60] * 5), IdentityCode.DNS_TOO_LONG),
        ("*.example.com", IdentityCode.DNS_WILDCARD),
        ("192.0.2.1", IdentityCode.DNS_IS_ADDRESS),
        ("-pbx.example", IdentityCode.DNS_HYPHEN),
        ("pbx..example", IdentityCode.DNS_LABEL_EMPTY),
        ("pbx/1.example", IdentityCode.DNS_CHARACTER),
        ("straße.example", IdentityCode.DNS_IDNA_AMBIGUOUS),
    ],
)
def test_a_bad_name_is_refused_for_its_reason(typed, code):
    assert code_of(clean_dns_name, typed) == code


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("[2001:db8::0:1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_is_stored_in_its_shortest_spelling(typed, stored):
    assert clean_address(typed) == stored


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("0.0.0.0", IdentityCode.ADDRESS_UNSPECIFIED),
        ("::", IdentityCode.ADDRESS_UNSPECIFIED),
        ("256.1.1.1", IdentityCode.ADDRESS_SYNTAX),
        ("pbx.example", IdentityCode.ADDRESS_SYNTAX),
        ("192.0.2.0/24", IdentityCode.ADDRESS_SYNTAX),
        ("fe80::1%eth0", IdentityCode.ADDRESS_SCOPE),
        ("224.0.0.1", IdentityCode.ADDRESS_MULTICAST),
        ("255.255.255.255", IdentityCode.ADDRESS_BROADCAST),
    ],
)
def test_a_bad_address_is_refused_for_its_reason(typed, code):
    assert code_of(clean_address, typed) == code


@pytest.mark.parametrize("code", [code for code in IdentityCode if code is not IdentityCode.IDENTITY_EMPTY])
def test_every_reason_has_a_sentence_that_takes_the_value(code):
    with translation.override("en"):
        sentence = str(IDENTITY_ERRORS[code]) % {"value": "5 % off"}
    assert sentence.endswith(".")
    assert "%%" not in sentence


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Time.Example.com", "time.example.com"),
        ("time.example.com:123", "time.example.com"),
        ("192.0.2.1:1123", "192.0.2.1:1123"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("[2001:db8::1]:1123", "[2001:db8::1]:1123"),
        ("no-such-host.invalid", "no-such-host.invalid"),
    ],
)
def test_an_ntp_server_is_stored_in_one_spelling_whether_it_answers_or_not(typed, stored):
    assert clean_ntp_server(typed) == stored


@pytest.mark.parametrize(
    ("typed", "code"), [("time server", "host"), ("a:b", "port"), ("a:0", "port"), ("[::", "host")]
)
def test_a_bad_ntp_server_is_refused_for_its_reason(typed, code):
    assert code_of(clean_ntp_server, typed) == code


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("PBX.example.com:5061", "pbx.example.com:5061"),
        ("192.0.2.1:5061", "192.0.2.1:5061"),
        ("[2001:DB8:0::1]:5061", "[2001:db8::1]:5061"),
        ("münchen.example:05061", "xn--mnchen-3ya.example:5061"),
    ],
)
def test_a_tls_address_is_stored_in_one_spelling(typed, stored):
    assert clean_tls_address(typed) == stored


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("pbx.example.com", "port_missing"),
        ("192.0.2.1", "port_missing"),
        ("2001:db8::1", "port_missing"),
        ("[2001:db8::1]", "port_missing"),
        ("2001:db8::1:5061", "port_missing"),
        ("pbx.example.com:", "port"),
        ("pbx.example.com:65536", "port"),
        ("pbx.example.com:٣", "port"),
        ("pbx_1.example:5061", IdentityCode.DNS_UNDERSCORE),
        ("0.0.0.0:5061", IdentityCode.ADDRESS_UNSPECIFIED),
    ],
)
def test_a_bad_tls_address_is_refused_for_its_reason(typed, code):
    assert code_of(clean_tls_address, typed) == code


def names(most=3) -> ListField:
    return ListField(parse=clean_dns_name, most=most)


@pytest.mark.parametrize("typed", ["a.example\nb.example", "a.example, b.example", "\r\n a.example,,\r\nb.example \n"])
def test_a_list_has_a_line_or_a_comma_between_its_entries(typed):
    assert names().clean(typed) == ["a.example", "b.example"]


@pytest.mark.parametrize("typed", ["", None, " \n ,"])
def test_an_empty_list_is_allowed(typed):
    assert names().clean(typed) == []


def test_each_bad_entry_of_a_list_is_named():
    with pytest.raises(ValidationError) as raised:
        names().clean("a_1.example\ngood.example\n*.example")
    assert [error.code for error in raised.value.error_list] == ["dns_underscore", "dns_wildcard"]
    assert "a_1.example" in raised.value.messages[0]


def test_an_entry_that_stands_twice_is_named_however_it_is_spelled():
    assert code_of(names().clean, "a.example\nA.Example.") == "duplicate"
    assert code_of(ListField(parse=clean_address, most=3).clean, "2001:db8::1, 2001:db8:0:0::1") == "duplicate"


def test_a_list_has_an_end():
    assert names(most=2).clean("a\nb") == ["a", "b"]
    assert code_of(names(most=2).clean, "a\nb\nc") == "too_many"


def test_a_list_is_shown_with_a_line_for_each_entry():
    assert names().prepare_value(["a.example", "b.example"]) == "a.example\nb.example"
    assert names().prepare_value("typed, as it is") == "typed, as it is"


def test_one_name_may_be_empty():
    assert DnsNameField(required=False).clean(" ") == ""
    assert DnsNameField(required=False).clean(" Pbx.example ") == "pbx.example"


@pytest.mark.parametrize(
    ("typed", "value"), [("on", True), ("True", True), ("no", False), ("off", False), (False, False), ("1", True)]
)
def test_a_switch_is_on_or_off(typed, value):
    assert OnOffField().clean(typed) is value


@pytest.mark.parametrize("typed", ["maybe", "", "2"])
def test_a_switch_never_takes_another_word_for_on(typed):
    assert code_of(OnOffField().clean, typed) == "switch"
