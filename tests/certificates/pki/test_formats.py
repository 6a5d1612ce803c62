import hashlib
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from certificates.pki import formats
from certificates.pki.errors import UnreadableError
from certificates.pki.keys import KeyType
from tests.support.x509 import a_pair, pair_of

OLD, NEW = a_pair(number=1), a_pair(number=2)


def test_pem_holds_the_certificates_in_the_order_given():
    assert x509.load_pem_x509_certificates(formats.pem(NEW.host, OLD.root)) == [NEW.host, OLD.root]


@pytest.mark.parametrize(
    "text",
    [
        formats.pem(OLD.root, OLD.host),
        formats.fullchain_pem(OLD.host, OLD.root),
        formats.agent_pem(OLD.host, OLD.host_key),
        formats.pkcs7_pem([OLD.root, OLD.host]),
    ],
    ids=["pem", "fullchain", "agent", "pkcs7"],
)
def test_text_ends_its_lines_with_lf_alone(text):
    assert b"\r" not in text
    assert text.endswith(b"-----\n")
    assert b"\n\n" not in text


def test_der_is_read_back():
    assert x509.load_der_x509_certificate(formats.der(OLD.host)) == OLD.host


@pytest.mark.parametrize("before", KeyType)
@pytest.mark.parametrize("after", KeyType)
def test_how_large_the_same_certificate_is_with_other_keys_is_known_before_there_are_any(before, after):
    was, becomes = pair_of(before), pair_of(after)

    for old, new in ((was.root, becomes.root), (was.host, becomes.host)):
        assert abs(formats.octets_with(old, after) - len(formats.der(new))) <= 12


def test_how_large_its_pem_is_is_exact():
    for certificate in (OLD.root, OLD.host, pair_of(KeyType.RSA3072).host):
        assert formats.pem_octets(len(formats.der(certificate))) == len(formats.pem(certificate))


def test_the_full_chain_begins_with_the_host():
    chain = formats.fullchain_pem(OLD.host, OLD.root)
    assert x509.load_pem_x509_certificates(chain) == [OLD.host, OLD.root]


def test_the_one_file_form_holds_the_host_and_its_key():
    text = formats.agent_pem(OLD.host, OLD.host_key)
    assert x509.load_pem_x509_certificates(text) == [OLD.host]
    key = serialization.load_pem_private_key(text[text.index(b"-----BEGIN PRIVATE KEY") :], None)
    assert key.public_key() == OLD.host.public_key()


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (formats.pkcs7_pem, pkcs7.load_pem_pkcs7_certificates),
        (formats.pkcs7_der, pkcs7.load_der_pkcs7_certificates),
    ],
    ids=["pem", "der"],
)
def test_pkcs7_holds_the_certificates_and_no_key(write, read):
    written = write([OLD.root, OLD.host, NEW.root])
    assert set(read(written)) == {OLD.root, OLD.host, NEW.root}
    assert b"PRIVATE" not in written


def test_the_bundle_holds_root_and_host_of_each_pair_in_order():
    bundle = formats.trust_bundle([(NEW.root, NEW.host), (OLD.root, OLD.host)])
    assert bundle == [NEW.root, NEW.host, OLD.root, OLD.host]


def test_the_bundle_holds_nothing_twice():
    assert formats.trust_bundle([(NEW.root, NEW.host)] * 2) == [NEW.root, NEW.host]
    assert formats.trust_bundle([]) == []


@pytest.mark.parametrize("text", [formats.pem(OLD.host), formats.pem(OLD.host).decode()], ids=["bytes", "str"])
def test_a_certificate_is_read_back(text):
    assert formats.load_pem(text) == OLD.host


@pytest.mark.parametrize("text", ["", "abc", b"\xff", OLD.host_key.reveal(), formats.pem(OLD.host)[:200]])
def test_what_is_not_a_certificate_is_refused(text):
    with pytest.raises(UnreadableError):
        formats.load_pem(text)


def test_fingerprints_are_the_hashes_of_the_der_in_pairs():
    expected = hashlib.sha256(formats.der(OLD.root)).hexdigest().upper()
    assert formats.sha256_fingerprint(OLD.root).replace(":", "") == expected
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", formats.sha256_fingerprint(OLD.root))
    assert (
        formats.sha1_fingerprint(OLD.root).replace(":", "") == hashlib.sha1(formats.der(OLD.root)).hexdigest().upper()
    )


def test_the_serial_number_is_shown_in_pairs():
    assert int(formats.serial_hex(OLD.root).replace(":", ""), 16) == OLD.root.serial_number
    assert re.fullmatch(r"([0-9A-F]{2}:)+[0-9A-F]{2}", formats.serial_hex(OLD.root))
