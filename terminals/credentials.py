"""SIP passwords at rest: encrypted with the key list that host keys are encrypted with; nothing shows them again."""

from __future__ import annotations

from cryptography.fernet import InvalidToken, MultiFernet

from certificates import host_keys
from certificates.host_keys import HostKeyError
from certificates.models import Generation
from terminals.models import DeliverySettings, Terminal


def cipher() -> MultiFernet:
    """What encrypts and decrypts them. Raises HostKeyError. The very first secret of an installation makes the key list."""
    if not _something_is_sealed():
        host_keys.make_key_list()
    return host_keys.key_list()


def seal(password: str) -> bytes:
    """Raises HostKeyError."""
    return cipher().encrypt(password.encode())


def unseal(token: bytes | memoryview, keys: MultiFernet | None = None) -> str:
    """`keys`: the key list, where it has been read for many. Raises HostKeyError."""
    try:
        return (keys or host_keys.key_list()).decrypt(bytes(token)).decode()
    except InvalidToken:
        raise HostKeyError("no key of the key list decrypts this password") from None


def _something_is_sealed() -> bool:
    """Then a key list that is missing is lost, and a new one in its place would hide that."""
    return (
        Generation.objects.filter(host_key__isnull=False).exists()
        or Terminal.objects.filter(sip_password__isnull=False).exists()
        or DeliverySettings.objects.filter(account_password__isnull=False).exists()
    )
