"""Host keys at rest: encrypted with the first key of a list that lies outside the database; every key of the list decrypts."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from certificates.models import Generation
from certificates.pki.keys import SecretPem
from pbxcerts import env


class HostKeyError(Exception):
    """HostKeyError     the key list is missing or cannot be read
    └── HostKeyLost  it can, but lacks the key that a host key was encrypted with
    """


class HostKeyLost(HostKeyError):
    pass


def encrypt(host_key: SecretPem) -> bytes:
    """Raises HostKeyError. The very first host key makes the key list."""
    if not settings.KEY_FILE.exists() and not Generation.objects.filter(host_key__isnull=False).exists():
        # Only then: a new list in place of one that is lost, or not mounted, would hide what has happened.
        make_key_list()
    return key_list().encrypt(host_key.reveal())


def decrypt(token: bytes | memoryview) -> SecretPem:
    try:
        return SecretPem(key_list().decrypt(bytes(token)))
    except InvalidToken:
        raise HostKeyLost(f"no key in {settings.KEY_FILE} decrypts this host key") from None


def make_key_list() -> None:
    """Make the key list where there is none yet (mode 0600). Raises HostKeyError."""
    try:
        if not settings.KEY_FILE.exists():
            env.write_secret(settings.KEY_FILE, Fernet.generate_key().decode())
    except OSError as error:
        raise HostKeyError(f"the key list {settings.KEY_FILE} cannot be made: {error.strerror}") from error


def key_list() -> MultiFernet:
    """All keys of the list; the first encrypts. Raises HostKeyError."""
    try:
        lines = settings.KEY_FILE.read_text().split()
        return MultiFernet([Fernet(line) for line in lines])
    except OSError as error:
        raise HostKeyError(f"the key list {settings.KEY_FILE} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HostKeyError(f"the key list {settings.KEY_FILE} holds a line that is no Fernet key, or none") from error
