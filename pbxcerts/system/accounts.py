"""Users and what must hold for all of them together: there is always an administrator who can log in."""

from axes.utils import reset
from django.db import transaction

from pbxcerts.system.models import General, Role, User


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
    """What the set-up link is for. Raises AdministratorExists, also to the second of two who use the link at once."""
    General.load()
    # The row that is always there stands for the right to make the first one; SQLite has taken its write lock already.
    General.objects.select_for_update().get()
    if User.objects.administrators().exists():
        raise AdministratorExists
    return User.objects.create_superuser(username, password=password)


@transaction.atomic
def change(user: User, *, role: Role, is_active: bool) -> None:
    """Give a user a role, let them in or lock them out. Raises LastAdministrator, and then nothing has changed.

    All administrators are locked first: of two requests that take the right from each other, the second waits and is refused.
    """
    administrators = set(User.objects.administrators().select_for_update().order_by("pk").values_list("pk", flat=True))
    stays = role is Role.ADMINISTER and is_active
    if administrators == {user.pk} and not stays:
        raise LastAdministrator
    administers = role is Role.ADMINISTER
    User.objects.filter(pk=user.pk).update(
        role=role, is_active=is_active, is_superuser=administers, is_staff=administers
    )


def set_password(user: User, password: str) -> None:
    """Give a user a new password: all their sessions end, and a lock after wrong passwords with them."""
    user.set_password(password)
    user.save(update_fields=["password"])
    reset(username=user.get_username())
