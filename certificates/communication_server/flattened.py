"""A directory where a symlink of the store belongs: a copy or a restore that followed links leaves one."""

import ctypes
import os
import shutil
from contextlib import suppress
from pathlib import Path

# linux/fs.h, fcntl.h; the call is renameat2(2).
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def make_way(place: Path, *, link_to: str = "") -> None:
    """Move the directory aside, as `NAME.aside`, and put the link in its place: where the system can, in one step, so that
    nobody finds nothing there. A directory that only repeats what stands under `generations` is deleted. Raises OSError.
    """
    aside = _free_name(place)
    if not link_to:
        place.rename(aside)
    else:
        aside.symlink_to(link_to)
        try:
            _exchange(aside, place)
        except OSError:
            # Not on this file system.
            aside.unlink()
            place.rename(aside)
            place.symlink_to(link_to)
    if _only_repeats(aside, place.parent / "generations"):
        shutil.rmtree(aside)


def _free_name(place: Path) -> Path:
    number = 1
    while True:
        name = place.with_name(f"{place.name}.aside" + (f"-{number}" if number > 1 else ""))
        if name.is_symlink():
            # Left behind when a process was killed before the exchange.
            name.unlink()
        if not os.path.lexists(name):
            return name
        number += 1


def _only_repeats(directory: Path, generations: Path) -> bool:
    """Whether each file in it is one of the same pair under `generations` too."""
    with suppress(OSError):
        files = {file.name: file.read_bytes() for file in directory.iterdir()}
        for pair in generations.iterdir():
            if all(
                (pair / name).is_file() and (pair / name).read_bytes() == content for name, content in files.items()
            ):
                return True
    return False


def _exchange(one: Path, other: Path) -> None:
    """Raises OSError, also where the C library has no such function."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError as error:
        raise OSError("no renameat2") from error
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
