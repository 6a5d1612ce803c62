from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.pki.errors import IdentityCode, IdentityError
from certificates.pki.identity import UNNAMED, Identity, parse_address, parse_dns_name
from tests.support.x509 import IDENTITY, a_pair

LABEL_63 = "a" * 63
NAME_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 61])


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        pytest.param("pbx.example.com", "pbx.example.com", id="plain"),
        pytest.param("  pbx.example.com\t", "pbx.example.com", id="spaces-around"),
        pytest.param("PBX.Example.COM", "pbx.example.com", id="upper-case"),
        pytest.param("pbx.example.com.", "pbx.example.com", id="trailing-dot"),
        pytest.param("pbx", "pbx", id="single-label"),
        pytest.param("3com.example", "3com.example", id="leading-digit"),
        pytest.param("10.0.0.pbx", "10.0.0.pbx", id="numbers-but-no-address"),
        pytest.param("müller.example", "xn--mller-kva.example", id="umlaut"),
        pytest.param("MÜLLER.example", "xn--mller-kva.example", id="upper-case-umlaut"),
        pytest.param("mu\u0308ller.example", "xn--mller-kva.example", id="decomposed-umlaut"),
        pytest.param("xn--mller-kva.example", "xn--mller-kva.example", id="a-label"),
        pytest.param("XN--MLLER-KVA.example", "xn--mller-kva.example", id="upper-case-a-label"),
        pytest.param("xn--strae-oqa.example", "xn--strae-oqa.example", id="a-label-of-idna-2008"),
        pytest.param("例え。テスト", "xn--r8jz45g.xn--zckzah", id="ideographic-full-stop"),
        pytest.param("ＰＢＸ.example", "pbx.example", id="full-width-letters"),
        pytest.param(f"{LABEL_63}.example", f"{LABEL_63}.example", id="label-of-63"),
        pytest.param(NAME_253, NAME_253, id="name-of-253"),
    ],
)
def test_a_name_is_written_as_certificates_hold_it(typed, name):
    assert parse_dns_name(typed) == name


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", IdentityCode.DNS_EMPTY),
        ("   ", IdentityCode.DNS_EMPTY),
        (".", IdentityCode.DNS_EMPTY),
        ("pbx example.com", IdentityCode.DNS_SPACE),
        ("pbx\u00a0.example", IdentityCode.DNS_SPACE),
        ("pbx\n.example", IdentityCode.DNS_SPACE),
        ("pbx_1.example", IdentityCode.DNS_UNDERSCORE),
        ("*.example.com", IdentityCode.DNS_WILDCARD),
        ("pbx*.example.com", IdentityCode.DNS_WILDCARD),
        ("pbx.example:5061", IdentityCode.DNS_CHARACTER),
        ("https://pbx.example", IdentityCode.DNS_CHARACTER),
        ("sip:pbx.example", IdentityCode.DNS_CHARACTER),
        ("admin@pbx.example", IdentityCode.DNS_CHARACTER),
        ("pbx\0.example", IdentityCode.DNS_CHARACTER),
        ("-pbx.example", IdentityCode.DNS_HYPHEN),
        ("pbx-.example", IdentityCode.DNS_HYPHEN),
        ("pbx..example", IdentityCode.DNS_LABEL_EMPTY),
        (".example", IdentityCode.DNS_LABEL_EMPTY),
        ("pbx.example..", IdentityCode.DNS_LABEL_EMPTY),
        (f"{LABEL_63}a.example", IdentityCode.DNS_LABEL_TOO_LONG),
        ("ü" * 60 + ".example", IdentityCode.DNS_LABEL_TOO_LONG),
        (NAME_253 + "a", IdentityCode.DNS_TOO_LONG),
        ("192.0.2.1", IdentityCode.DNS_IS_ADDRESS),
        ("2001:db8::1", IdentityCode.DNS_IS_ADDRESS),
        ("[2001:db8::1]", IdentityCode.DNS_IS_ADDRESS),
        ("192.0.2.001", IdentityCode.DNS_IS_ADDRESS),
        ("192.0.2", IdentityCode.DNS_IS_ADDRESS),
        ("0x7f000001", IdentityCode.DNS_IS_ADDRESS),
        ("１９２.0.2.1", IdentityCode.DNS_IS_ADDRESS),
        ("straße.example", IdentityCode.DNS_IDNA_AMBIGUOUS),
        ("STRAẞE.example", IdentityCode.DNS_IDNA_AMBIGUOUS),
        ("νόμος.example", IdentityCode.DNS_IDNA_AMBIGUOUS),
        ("pbx\u200d.example", IdentityCode.DNS_IDNA_AMBIGUOUS),
        ("\U0001f4de.example", IdentityCode.DNS_IDNA),
        ("pbx\u202e.example", IdentityCode.DNS_IDNA),
        ("xn--é.example", IdentityCode.DNS_IDNA),
        ("xn--pbx-.example", IdentityCode.DNS_HYPHEN),
        ("xn--a-b9999999999.example", IdentityCode.DNS_IDNA),
    ],
)
def test_a_name_that_no_telephone_would_match_is_refused_for_its_reason(typed, code):
    with pytest.raises(IdentityError) as caught:
        parse_dns_name(typed)
    assert (caught.value.code, caught.value.value) == (code, typed)


@given(st.text(max_size=300))
def test_what_is_accepted_is_stable_and_can_stand_in_a_certificate(typed):
    try:
        name = parse_dns_name(typed)
    except IdentityError:
        return
    assert name.isascii()
    assert parse_dns_name(name) == name


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:0db8::0:0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::192.0.2.1", "2001:db8::c000:201"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:0201", "192.0.2.1"),
        ("fe80::1", "fe80::1"),
    ],
)
def test_an_address_is_normalised(typed, address):
    assert parse_address(typed) == ip_address(address)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", IdentityCode.ADDRESS_EMPTY),
        (" ", IdentityCode.ADDRESS_EMPTY),
        ("pbx.example", IdentityCode.ADDRESS_SYNTAX),
        ("192.0.2", IdentityCode.ADDRESS_SYNTAX),
        ("192.0.2.256", IdentityCode.ADDRESS_SYNTAX),
        ("192.0.2.01", IdentityCode.ADDRESS_SYNTAX),
        ("192.0.2.1/24", IdentityCode.ADDRESS_SYNTAX),
        ("192.0.2.1:5061", IdentityCode.ADDRESS_SYNTAX),
        ("[192.0.2.1]", IdentityCode.ADDRESS_SYNTAX),
        ("2001:db8:::1", IdentityCode.ADDRESS_SYNTAX),
        ("fe80::1%eth0", IdentityCode.ADDRESS_SCOPE),
        ("0.0.0.0", IdentityCode.ADDRESS_UNSPECIFIED),
        ("0.1.2.3", IdentityCode.ADDRESS_UNSPECIFIED),
        ("::", IdentityCode.ADDRESS_UNSPECIFIED),
        ("0:0:0:0:0:0:0:0", IdentityCode.ADDRESS_UNSPECIFIED),
        ("::ffff:0.0.0.0", IdentityCode.ADDRESS_UNSPECIFIED),
        ("224.0.1.75", IdentityCode.ADDRESS_MULTICAST),
        ("ff02::1", IdentityCode.ADDRESS_MULTICAST),
        ("255.255.255.255", IdentityCode.ADDRESS_BROADCAST),
    ],
)
def test_an_address_that_no_telephone_can_connect_to_is_refused_for_its_reason(typed, code):
    with pytest.raises(IdentityError) as caught:
        parse_address(typed)
    assert (caught.value.code, caught.value.value) == (code, typed)


ADDRESS = ip_address("192.0.2.1")


@pytest.mark.parametrize(
    ("names", "addresses", "common_name"),
    [
        (("pbx.example", "other.example"), (ADDRESS,), "pbx.example"),
        ((f"{LABEL_63}.example", "pbx.example"), (ADDRESS,), "pbx.example"),
        ((f"{LABEL_63}.example",), (ADDRESS,), "192.0.2.1"),
        ((f"{LABEL_63}.example",), (), UNNAMED),
        (("a" * 60 + ".com",), (), "a" * 60 + ".com"),
        ((), (ip_address("2001:db8::1"),), "2001:db8::1"),
    ],
    ids=["first-name", "second-name-fits", "no-name-fits", "nothing-fits", "exactly-64", "address-only"],
)
def test_the_common_name_is_the_first_that_fits(names, addresses, common_name):
    assert Identity(names, addresses).common_name == common_name


def test_duplicates_are_held_once_in_the_order_given():
    assert Identity(("b", "a", "b"), (ADDRESS, ADDRESS)) == Identity(("b", "a"), (ADDRESS,))


def test_merging_keeps_what_is_there_first_and_adds_what_is_new():
    other = Identity(("own.example", "pbx.example"), (ADDRESS, ip_address("192.0.2.2")))
    merged = Identity(("pbx.example",), (ADDRESS,)).merged_with(other)
    assert merged == Identity(("pbx.example", "own.example"), (ADDRESS, ip_address("192.0.2.2")))


def test_an_identity_without_anything_is_false():
    assert not Identity((), ())
    assert Identity(("pbx",), ())
    assert Identity((), (ADDRESS,))


def test_nothing_is_missing_from_the_certificate_made_for_it():
    assert IDENTITY.missing_from(a_pair().host) == ()


def test_what_a_host_certificate_does_not_hold_is_named():
    wanted = Identity(("pbx.example.com", "new.example"), (ip_address("192.0.2.10"), ip_address("2001:db8::99")))
    assert wanted.missing_from(a_pair().host) == ("new.example", "2001:db8::99")


def test_a_certificate_without_names_lacks_them_all():
    assert Identity(("pbx",), (ADDRESS,)).missing_from(a_pair().root) == ("pbx", "192.0.2.1")


def test_an_address_as_name_does_not_stand_for_the_address():
    made_for_names = a_pair(identity=Identity(("pbx",), ()))
    assert Identity((), (ADDRESS,)).missing_from(made_for_names.host) == ("192.0.2.1",)


def test_addresses_as_names_are_missed_only_where_they_are_wanted():
    host = a_pair().host
    assert IDENTITY.missing_from(host) == ()
    assert IDENTITY.missing_from(host, addresses_as_dns=True) == ("192.0.2.10", "2001:db8::10")
    assert IDENTITY.missing_from(a_pair(addresses_as_dns=True).host, addresses_as_dns=True) == ()
