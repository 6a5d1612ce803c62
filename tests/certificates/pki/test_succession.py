"""What the key of a pair signs about the pair that is served, as others read it."""

import base64
import json

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from certificates.pki.keys import KeyType
from certificates.pki.succession import Succession, number_of, sign
from tests.support.x509 import a_pair, pair_of

SAID = Succession(number=41, served="ab" * 32, next=("cd" * 32,))


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify(jws, certificate):
    """As RFC 7515 section 5.2 has it. Raises InvalidSignature."""
    head, words, signature = jws.split(".")
    signed, octets, key = f"{head}.{words}".encode(), decoded(signature), certificate.public_key()
    if json.loads(decoded(head))["alg"] == "RS256":
        key.verify(octets, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = (int.from_bytes(part) for part in (octets[:32], octets[32:]))
        key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("key_type", "algorithm"), [(KeyType.P256, "ES256"), (KeyType.RSA2048, "RS256"), (KeyType.RSA3072, "RS256")]
)
def test_it_is_a_jws_by_the_host_key_with_its_certificate(key_type, algorithm):
    pair = pair_of(key_type)
    jws = sign(SAID, pair.host, pair.host_key)
    head, words, _signature = jws.split(".")
    header = json.loads(decoded(head))
    assert (header["alg"], header["typ"]) == (algorithm, "pbxcerts-succession")
    assert [x509.load_der_x509_certificate(base64.b64decode(one)) for one in header["x5c"]] == [pair.host]
    assert json.loads(decoded(words)) == {"number": 41, "served": "ab" * 32, "next": ["cd" * 32]}
    assert not set("=+/") & set(jws)
    verify(jws, pair.host)
    with pytest.raises(InvalidSignature):
        verify(sign(SAID, pair.host, pair.host_key), a_pair(key_type=key_type).host)


def test_its_number_is_read_back():
    pair = pair_of(KeyType.P256)
    assert number_of(sign(SAID, pair.host, pair.host_key)) == 41


@pytest.mark.parametrize("text", ["", "a.b.c", "e30.e30.", "e30.W10.", "x", "a.eyJudW1iZXIiOm51bGx9.c"])
def test_any_other_text_has_none(text):
    assert number_of(text) is None
