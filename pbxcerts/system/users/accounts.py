"""Users and what must hold for all of them together: there is always an administrator who can log in."""

from django.db import transaction
from django.utils.crypto import get_random_string

from pbxcerts.system.models import General, Role, User
from pbxcerts.system.users import passwords


class AccountError(Exception):
    """AccountError
    ├── LastAdministrator     it would leave nobody who administers
    └── AdministratorExists   the first administrator was made already
    """


class LastAdministrator(AccountError):
    pass


class AdministratorExists(AccountError):
    pass


@transaction.atomic
def create_first_administrator(username: str, password: str) -> User:
    """Make the administrator of the set-up link. Raises AdministratorExists, also to the second of two at once."""
    General.load()
    # The row that is always there stands for the right to make the first one; SQLite has taken its write lock already.
    General.objects.select_for_update().get()
    if User.objects.administrators().exists():
        raise AdministratorExists
    return User.objects.create_superuser(username, password=password)


@transaction.atomic
def change(user: User, *, role: Role, is_active: bool) -> None:
    """Give a user a role, let them in or lock them out: then their sessions end, and none comes back when they are let in
    again (rule sessions). Raises LastAdministrator, and then nothing has changed.

    All administrators are locked first: of two requests that take the right from each other, the second waits and is refused.
    """
    administrators = set(User.objects.administrators().select_for_update().order_by("pk").values_list("pk", flat=True))
    stays = role is Role.ADMINISTER and is_active
    if administrators == {user.pk} and not stays:
        raise LastAdministrator
    administers = role is Role.ADMINISTER
    proof = {} if is_active else {"sessions_proof": get_random_string(32)}
    User.objects.filter(pk=user.pk).update(
        role=role, is_active=is_active, is_superuser=administers, is_staff=administers, **proof
    )


def set_password(user: User, password: str) -> None:
    """Give a user a new password: all their sessions end, and so does the waiting after wrong passwords."""
    user.set_password(password)
    user.save(update_fields=["password"])
    passwords.forget_failures(user)
