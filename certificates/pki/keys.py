"""Private keys: made, wrapped so that they do not leak by accident, and read back."""

import enum
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certificates.pki.errors import UnreadableError

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class KeyType(enum.StrEnum):
    """The kinds of key that an administrator can choose. RSA-2048 is what every telephone understands."""

    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    P256 = "p256"


_RSA_BITS = {KeyType.RSA2048: 2048, KeyType.RSA3072: 3072}


def key_type_of(key: object) -> KeyType:
    """What kind a public key is; of those that an administrator can't choose the one that is most like it."""
    if isinstance(key, rsa.RSAPublicKey):
        return KeyType.RSA2048 if key.key_size < _RSA_BITS[KeyType.RSA3072] else KeyType.RSA3072
    return KeyType.P256


@dataclass(frozen=True, slots=True, repr=False)
class SecretPem:
    """An unencrypted private key as PKCS#8 PEM (RFC 5958) that shows itself only when asked by `reveal`.

    It has a silent `repr` and refuses to be pickled, so that it reaches neither a log nor a task's arguments.
    """

    _pem: bytes

    def reveal(self) -> bytes:
        """The PEM bytes."""
        return self._pem

    def __repr__(self) -> str:
        return "SecretPem(...)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


def generate_two(key_type: KeyType) -> tuple[PrivateKey, PrivateKey]:
    """Two new keys of one type, the root's and the host's."""
    if key_type is KeyType.P256:
        return ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    bits = _RSA_BITS[key_type]
    # The search for primes releases the GIL: side by side two keys take about two thirds of the time.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="key") as beside:
        other = beside.submit(_generate_rsa, bits)
        return _generate_rsa(bits), other.result()


def host_key_pem(key: PrivateKey) -> SecretPem:
    """The key as it is stored (encrypted by the caller) and published."""
    return SecretPem(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def load_host_key(secret: SecretPem) -> PrivateKey:
    """Read back what `host_key_pem` wrote. Raises `UnreadableError` for anything else."""
    try:
        # The full check of an RSA key takes as long as making one. These keys are ours, and `verify_pair` lets
        # them sign a handshake before anything is published.
        key = serialization.load_pem_private_key(secret.reveal(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError):
        raise UnreadableError("not an unencrypted private key in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnreadableError(f"not a kind of key that we make: {type(key).__name__}")
    return key


def _generate_rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)
