"""Root goes on as the user whom the data directory belongs to, before anything in it is opened (rule as-its-owner).

So no file of root's stays behind, which the service could not renew any more, and whoever owns the directory gains nothing by
what he has put into it: links to files of others, a database of his own making.
"""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pbxcerts.system import own_process
from pbxcerts.system.misconfigured import Misconfigured
from pbxcerts.system.misconfigured import gettext_noop as _

MOST_LINKS = 40
OF_A_USER = ("HOME", "USER", "LOGNAME")
"""Variables that programs go by when they look for a user's own files."""
STARTED_BY = os.getuid()
"""Who has started this process, whoever it goes on as."""


@dataclass(frozen=True)
class Owner:
    uid: int
    gid: int
    name: str
    home: str
    is_known: bool = True


def is_another_than_the_caller() -> bool:
    """Whether root has gone on as somebody else."""
    return os.geteuid() != STARTED_BY


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def go_on_as_owner(data: Path, product: Path) -> None:
    """For root: go on as the one who has a say in `data`, where that is not root alone. Raises Misconfigured."""
    if os.geteuid() == 0 and (owner := owner_of(data, product)) is not None:
        _become(owner, data, product)
        os.environ.update(dict(zip(OF_A_USER, (owner.home, owner.name, owner.name), strict=True)))


def owner_of(data: Path, product: Path) -> Owner | None:
    """Who has a say in `data`; None where that is root alone.

    A directory that is not there yet is his who owns the first directory or link on the way to it that is not root's: he could
    put something else in its place. If the `product` itself is his, root trusts him anyway. Raises Misconfigured where
    the directory is root's and the way to it another's.
    """
    there = _seen(data)
    if there is not None and there.st_uid:
        return _owner(there.st_uid, there.st_gid)
    place, way = next(((place, one) for place, one in _way(data) if one.st_uid), (None, None))
    if way is None or way.st_uid == product.stat().st_uid:
        return None
    if there is not None:
        raise Misconfigured(
            _(
                "The data directory %(directory)s is root's, but the user %(user)s could put another in its place, because %(place)s is "
                "his. Give it to that user, or name another directory in PBXCERTS_DATA or --data."
            ),
            directory=data,
            user=name_of(way.st_uid),
            place=place,
        )
    return _owner(way.st_uid, way.st_gid)


def _become(owner: Owner, data: Path, product: Path) -> None:
    """For good, and with the groups that the user is in."""
    try:
        if owner.is_known:
            os.initgroups(owner.name, owner.gid)
        else:
            os.setgroups([])
        os.setresgid(owner.gid, owner.gid, owner.gid)
        os.setresuid(owner.uid, owner.uid, owner.uid)
    except OSError as error:
        raise Misconfigured(
            _(
                "The data directory %(directory)s belongs to the user %(user)s, and root can't go on as that user here: %(reason)s. Run "
                "this command as that user, or name another directory in PBXCERTS_DATA or --data."
            ),
            directory=data,
            user=name_of(owner.uid),
            reason=error.strerror,
        ) from error
    for place in (product, os.__file__):
        if not os.access(place, os.R_OK):
            raise Misconfigured(
                _(
                    "The data directory %(directory)s belongs to the user %(user)s, who can't read %(place)s, which the program needs: "
                    "install it where that user can."
                ),
                directory=data,
                user=owner.name,
                place=place,
            )
    # The kernel has set it back with the user.
    own_process.leave_no_core_dump()


def _seen(place: Path) -> os.stat_result | None:
    """What a path leads to; None where that is not there, or this process may not look."""
    try:
        return place.stat()
    except OSError:
        return None


def _owner(uid: int, gid: int) -> Owner:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Owner(uid, gid, str(uid), "/", is_known=False)
    return Owner(uid, entry.pw_gid, entry.pw_name, entry.pw_dir)


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every directory and every link that leads to `path`, and itself, as far as they are there."""
    place, parts, links = Path("/"), list(path.absolute().parts[1:]), 0
    while parts:
        place /= parts.pop(0)
        try:
            there = place.lstat()
        except OSError:
            return
        yield place, there
        if stat.S_ISLNK(there.st_mode) and (links := links + 1) <= MOST_LINKS:
            target = place.readlink()
            above = target.parts[1:] if target.is_absolute() else target.parts
            place, parts = Path("/") if target.is_absolute() else place.parent, [*above, *parts]
