import copy
import logging
import pickle
import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certificates.pki.errors import UnreadableError
from certificates.pki.keys import KeyType, SecretPem, generate_two, host_key_pem, load_host_key


@pytest.mark.parametrize(("key_type", "bits"), [(KeyType.RSA2048, 2048), (KeyType.RSA3072, 3072)])
def test_two_rsa_keys_are_of_the_chosen_size_and_differ(key_type, bits):
    first, second = generate_two(key_type)
    assert isinstance(first, rsa.RSAPrivateKey)
    assert isinstance(second, rsa.RSAPrivateKey)
    assert {first.key_size, second.key_size} == {bits}
    assert first.public_key().public_numbers().e == 65537
    assert first.public_key() != second.public_key()


def test_two_p256_keys_are_on_that_curve_and_differ():
    first, second = generate_two(KeyType.P256)
    assert isinstance(first.curve, ec.SECP256R1)
    assert isinstance(second.curve, ec.SECP256R1)
    assert first.public_key() != second.public_key()


@pytest.mark.parametrize("key_type", [KeyType.RSA2048, KeyType.P256])
def test_a_key_comes_back_from_its_pem(key_type):
    key, other = generate_two(key_type)
    assert load_host_key(host_key_pem(key)).public_key() == key.public_key()
    assert load_host_key(host_key_pem(other)).public_key() != key.public_key()


def test_it_is_stored_as_pkcs8():
    assert host_key_pem(generate_two(KeyType.P256)[0]).reveal().startswith(b"-----BEGIN PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    "show", [repr, str, format, lambda secret: repr([secret])], ids=["repr", "str", "format", "nested"]
)
def test_it_does_not_show_itself(show):
    assert "MATERIAL" not in show(SecretPem(b"MATERIAL"))


def test_a_log_record_does_not_hold_it(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("key %s %r", SecretPem(b"MATERIAL"), SecretPem(b"MATERIAL"))
    assert "SecretPem" in caplog.text
    assert "MATERIAL" not in caplog.text


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_neither_pickled_nor_copied(duplicate):
    with pytest.raises(TypeError, match="not pickled"):
        duplicate(SecretPem(b"MATERIAL"))


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        SecretPem(b"MATERIAL")._pem = b"OTHER"


def foreign_kind():
    return SecretPem(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def encrypted():
    return SecretPem(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )


def no_pem():
    return SecretPem(b"-----BEGIN MATERIAL")


@pytest.mark.parametrize("make", [no_pem, foreign_kind, encrypted])
def test_what_is_not_a_key_of_ours_is_refused_without_showing_it(make):
    with pytest.raises(UnreadableError) as caught:
        load_host_key(make())
    assert "MATERIAL" not in "".join(traceback.format_exception(caught.value))
