from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.pki.describe import ExtensionItem, basic_fields, describe_extensions
from certificates.pki.formats import sha256_fingerprint
from certificates.pki.keys import KeyType
from tests.support.x509 import NOW, a_pair, pair_of, remade

PAIR = a_pair()


def described(certificate):
    return {extension.code: extension for extension in describe_extensions(certificate)}


def items(certificate, code):
    return [(item.code, item.value) for item in described(certificate)[code].items]


@pytest.mark.parametrize("certificate", [PAIR.root, PAIR.host], ids=["root", "host"])
def test_every_extension_of_ours_is_known_with_its_criticality(certificate):
    found = describe_extensions(certificate)
    assert [(e.oid, e.critical) for e in found] == [(e.oid.dotted_string, e.critical) for e in certificate.extensions]
    assert "unknown" not in {e.code for e in found}
    assert all(e.items for e in found)


def test_the_root_may_sign_but_nobody_below_it():
    assert items(PAIR.root, "basic_constraints") == [("authority_of_last_level", "")]
    assert items(PAIR.root, "key_usage") == [("key_cert_sign", ""), ("crl_sign", "")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (x509.BasicConstraints(ca=False, path_length=None), ("no_authority", "")),
        (x509.BasicConstraints(ca=True, path_length=None), ("authority", "")),
        (x509.BasicConstraints(ca=True, path_length=2), ("authority_with_levels", "2")),
    ],
    ids=["none", "unlimited", "two-levels"],
)
def test_other_authorities_are_told_apart(value, expected):
    assert items(remade(PAIR, instead={x509.BasicConstraints: (value, True)}).host, "basic_constraints") == [expected]


def test_the_use_of_the_key_follows_its_type():
    assert items(PAIR.host, "key_usage") == [("digital_signature", "")]
    of_rsa = pair_of(KeyType.RSA2048).host
    assert items(of_rsa, "key_usage") == [("digital_signature", ""), ("key_encipherment", "")]


def test_a_key_for_agreement_tells_its_limits():
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=True, key_cert_sign=False, crl_sign=False, encipher_only=True, decipher_only=False,
    )  # fmt: skip
    host = remade(PAIR, instead={x509.KeyUsage: (usage, True)}).host
    assert items(host, "key_usage") == [("key_agreement", ""), ("encipher_only", "")]


def test_purposes_are_told_by_name_and_foreign_ones_by_number():
    assert items(PAIR.host, "extended_key_usage") == [("server_auth", ""), ("client_auth", ""), ("sip_domain", "")]
    foreign = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    host = remade(PAIR, instead={x509.ExtendedKeyUsage: (foreign, False)}).host
    assert items(host, "extended_key_usage") == [("purpose", "1.3.6.1.5.5.7.3.8")]


def test_names_and_addresses_are_told_apart():
    assert items(PAIR.host, "subject_alternative_name") == [
        ("dns_name", "pbx.example.com"),
        ("dns_name", "sip.xn--mller-kva.example"),
        ("address", "192.0.2.10"),
        ("address", "2001:db8::10"),
    ]
    names = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier("sip:example.com"), x509.RFC822Name("pbx@example.com")]
    )
    host = remade(PAIR, instead={x509.SubjectAlternativeName: (names, False)}).host
    assert items(host, "subject_alternative_name") == [("uri", "sip:example.com"), ("other_name", "pbx@example.com")]


def test_the_hosts_issuer_key_is_the_roots_key():
    [(code, root_key)] = items(PAIR.root, "subject_key_identifier")
    assert code == "key_identifier"
    assert items(PAIR.host, "authority_key_identifier") == [("issuer_key_identifier", root_key)]


def test_an_issuer_named_by_serial_number_is_told():
    issuer = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(PAIR.root.subject)], 0xAB)
    host = remade(PAIR, instead={x509.AuthorityKeyIdentifier: (issuer, False)}).host
    assert items(host, "authority_key_identifier") == [("issuer_serial", "ab")]


@pytest.mark.parametrize(
    ("value", "der"),
    [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), "05:00"),
        (x509.OCSPNoCheck(), "05:00"),
    ],
    ids=["foreign", "without-words"],
)
def test_an_extension_without_words_is_shown_by_number_and_bytes(value, der):
    [found] = [
        e for e in describe_extensions(remade(PAIR, instead={type(value): (value, False)}).host) if e.code == "unknown"
    ]
    assert found.oid == value.oid.dotted_string
    assert not found.critical
    assert found.items == (ExtensionItem("der", der),)


def test_the_basic_fields_are_those_of_the_certificate():
    fields = basic_fields(PAIR.host)
    assert fields.subject == "CN = pbx.example.com, O = Site"
    assert fields.issuer == basic_fields(PAIR.root).subject
    assert fields.not_before == NOW - timedelta(hours=24)
    assert fields.end == NOW + timedelta(days=395) == fields.not_after + timedelta(seconds=1)
    assert fields.signature_hash == "SHA256"
    assert fields.sha256 == sha256_fingerprint(PAIR.host)


@pytest.mark.parametrize(
    ("key_type", "shown"),
    [(KeyType.RSA2048, "RSA 2048"), (KeyType.RSA3072, "RSA 3072"), (KeyType.P256, "EC secp256r1")],
)
def test_the_key_is_named_with_its_size(key_type, shown):
    assert basic_fields(pair_of(key_type).host).key == shown


def test_a_name_is_shown_as_it_was_entered_without_escapes():
    site = "Zürich, Süd + Ost"
    assert basic_fields(a_pair(organisation=site).host).subject == f"CN = pbx.example.com, O = {site}"


def test_an_attribute_of_another_kind_is_shown_by_number_and_a_value_without_text_in_hex():
    name = x509.Name(
        [
            x509.NameAttribute(x509.ObjectIdentifier("2.5.4.45"), b"\x05\xab", _ASN1Type.BitString),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "root"),
        ]
    )
    assert basic_fields(remade(PAIR, root_name=name).root).subject == "CN = root, 2.5.4.45 = 05:AB"
