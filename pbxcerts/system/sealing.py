"""Secrets at rest (rule sealed): the first key of a list outside the database seals, every key of the list unseals.

SealingError
├── KeyListError     the key list is missing, or cannot be made or read
└── SealingKeyLost   the key list can be read, but lacks the key that a secret was sealed with

What is sealed stands in a `SealedField`, so that this module finds every such column, whichever app it belongs to.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext as _

from pbxcerts.system import files


class SealingError(Exception):
    pass


class KeyListError(SealingError):
    pass


class SealingKeyLost(SealingError):
    pass


class SealedField(models.BinaryField):  # type: ignore[type-arg]
    """A column for what `seal` returns. To migrations it is a BinaryField, because nothing in the database tells them apart."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


class SealedText(str):
    """A text as a `SealedTextField` gives it: what was sealed, with the token that it came from. Where no key decrypts that, it is
    empty and `is_lost`; saved as it is it stays what it was, and to read its lines raises: nobody must take it for no text.
    """

    token: bytes
    is_lost: bool

    @classmethod
    def of(cls, token: bytes) -> Self:
        try:
            text, is_lost = unseal(token).decode(), False
        except SealingError:
            text, is_lost = "", True
        sealed = cls(text)
        sealed.token, sealed.is_lost = token, is_lost
        return sealed

    def splitlines(self, keepends: bool = False) -> list[str]:  # noqa: FBT001, FBT002 - as str has it
        if self.is_lost:
            raise SealingKeyLost(_("no key in %(file)s decrypts it") % {"file": settings.KEY_FILE})
        return super().splitlines(keepends)


class SealedTextField(SealedField):
    """A column whose texts are sealed when they are saved and unsealed when they are loaded; an empty one is NULL."""

    # For django-stubs: what an attribute of this column holds.
    _pyi_private_get_type: str  # type: ignore[assignment]

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        # Only in the database: what is loaded is a text, if an empty one.
        super().__init__(verbose_name, **options | {"null": True})

    def get_default(self) -> str:
        return ""

    def to_python(self, value: Any) -> Any:
        return value

    def from_db_value(self, value: bytes | memoryview | None, _expression: Any, _connection: Any) -> str:
        return "" if value is None else SealedText.of(bytes(value))

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, SealedText):
            return value.token
        return seal(value.encode()) if value else None


def seal(secret: bytes) -> bytes:
    """Encrypt a secret for the database. Raises KeyListError."""
    return cipher().encrypt(secret)


def unseal(token: bytes | memoryview, keys: MultiFernet | None = None) -> bytes:
    """Decrypt what `seal` returned. `keys`: the key list, for a caller that has read it already. Raises SealingError."""
    try:
        return (keys or key_list()).decrypt(bytes(token))
    except InvalidToken:
        raise SealingKeyLost(_("no key in %(file)s decrypts it") % {"file": settings.KEY_FILE}) from None


def cipher() -> MultiFernet:
    """Read the key list to seal secrets with; the very first secret of an installation makes it. Raises KeyListError."""
    if not settings.KEY_FILE.exists() and not _something_is_sealed():
        make_key_list()
    return key_list()


def make_key_list() -> None:
    """Make the key list where there is none yet (mode 0600). Raises KeyListError."""
    try:
        if not settings.KEY_FILE.exists():
            files.write_secret(settings.KEY_FILE, Fernet.generate_key().decode())
    except OSError as error:
        raise KeyListError(
            _("the key list %(file)s can't be made: %(reason)s") % {"file": settings.KEY_FILE, "reason": error.strerror}
        ) from error


def key_list() -> MultiFernet:
    """Read the key list. Raises KeyListError."""
    return MultiFernet(_keys())


def key_fingerprints(fingerprint: Callable[[bytes], str]) -> list[str]:
    """Of each key of the list, in its order. Raises KeyListError."""
    return [fingerprint(line) for line in _lines()]


def _keys() -> list[Fernet]:
    return [Fernet(line) for line in _lines()]


def _lines() -> list[bytes]:
    """Each a Fernet key. As editors and copies leave it: with byte order marks, blank lines, CRLF. Raises KeyListError."""
    try:
        octets = settings.KEY_FILE.read_bytes()
        # Without a mark: of a text in ASCII every second octet is NUL.
        unmarked = b"\0" in octets and any(octets[::2]) != any(octets[1::2])
        if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or unmarked:
            raise KeyListError(_("the key list %(file)s is in UTF-16: save it as UTF-8") % {"file": settings.KEY_FILE})
        lines = octets.replace(codecs.BOM_UTF8, b"").split()
        if lines and all(Fernet(line) for line in lines):
            return lines
        raise ValueError
    except OSError as error:
        raise KeyListError(
            _("the key list %(file)s can't be read: %(reason)s") % {"file": settings.KEY_FILE, "reason": error.strerror}
        ) from error
    except ValueError as error:
        raise KeyListError(
            _("the key list %(file)s holds a line that is no Fernet key, or none") % {"file": settings.KEY_FILE}
        ) from error


def _something_is_sealed() -> bool:
    """Whether any column of the product holds a sealed secret."""
    return any(model._base_manager.filter(**{f"{name}__isnull": False}).exists() for model, name in _sealed_columns())


def _sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for column in model._meta.local_fields:
            if isinstance(column, SealedField):
                yield model, column.name


@dataclass
class SealedAnew:
    """What `seal_anew` did. `lost`: the rows that no key of the list decrypts, as "terminals.terminal.sip_password 12"."""

    anew: int = 0
    as_before: int = 0
    lost: list[str] = field(default_factory=list)


def seal_anew() -> SealedAnew:
    """Seal every secret with the first key of the list, in one transaction; then the others may go (rule sealed). What no key
    decrypts is left as it is. Raises KeyListError.
    """
    first, every = _keys()[0], key_list()
    done = SealedAnew()
    with transaction.atomic():
        for model, name in _sealed_columns():
            changed = []
            # Locked, so that nothing that is written meanwhile is overwritten with what was before.
            for row in model._base_manager.select_for_update().filter(**{f"{name}__isnull": False}).only("pk", name):
                held = getattr(row, name)
                token = held.token if isinstance(held, SealedText) else bytes(held)
                if _decrypts(first, token):
                    done.as_before += 1
                elif _decrypts(every, token):
                    anew = every.rotate(token)
                    setattr(row, name, SealedText.of(anew) if isinstance(held, SealedText) else anew)
                    changed.append(row)
                else:
                    done.lost.append(f"{model._meta.label_lower}.{name} {row.pk}")
            # (rule many-rows)
            model._base_manager.bulk_update(changed, [name], batch_size=500)
            done.anew += len(changed)
    return done


def _decrypts(keys: Fernet | MultiFernet, token: bytes) -> bool:
    try:
        keys.decrypt(token)
    except InvalidToken:
        return False
    return True
