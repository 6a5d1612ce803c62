"""The moment of a restore: what was verified beside the data directory's files takes their place (rule restored-whole).

Renames within one file system, after a list of them has been written down and flushed. Whoever is killed among them leaves the
list, and whichever command comes next carries out the rest before it reads anything. What was there before is kept. Without
Django, because the settings already read secrets.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pbxcerts.system.misconfigured import Misconfigured
from pbxcerts.system.misconfigured import gettext_noop as _

STAGING = ".restore"
"""Below the data directory: what is being restored, until it has taken its place."""
DECIDED = "decided.json"
KEYS = ("host.key", "agent.pem")
LINKS = ("trust.pem", "next", "current")
"""In the order in which they are made: `current` last (rule written-whole)."""


@dataclass(frozen=True)
class Move:
    """`new` takes the place of `target`, and what is there goes to `aside`. Without `new` it only goes."""

    target: str
    aside: str
    new: str = ""


@dataclass(frozen=True)
class Exchange:
    """`store`: the directory to be filled with what is in `new_store`, "" where the store stays as it is; `group`: who may read it
    beside its owner (rule store-modes).
    """

    moves: list[Move]
    new_store: str = ""
    store: str = ""
    links: dict[str, str] = field(default_factory=dict)
    group: int | None = None


def staging_of(data: Path) -> Path:
    return data / STAGING


def decide(data: Path, exchange: Exchange) -> None:
    """From here on it happens, whatever ends this process. Raises OSError."""
    staging = staging_of(data)
    _flush(staging)
    new = staging / f".{DECIDED}"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(exchange), file)
        file.flush()
        os.fsync(file.fileno())
    new.rename(staging / DECIDED)
    _flush_places([staging])


def carry_out(data: Path) -> None:
    """Do what was decided, as far as it is not done yet. The caller holds the lock of the data directory. Raises OSError."""
    staging = staging_of(data)
    values = json.loads((staging / DECIDED).read_text())
    moves = [Move(**move) for move in values.pop("moves")]
    exchange = Exchange(moves=moves, **values)
    # First what has no successor: a write-ahead log of before must never lie beside another database.
    for move in sorted(exchange.moves, key=lambda move: bool(move.new)):
        _move(move)
    _flush_places({Path(place).parent for move in exchange.moves for place in (move.target, move.aside)})
    if exchange.store:
        _fill(exchange, Path(exchange.new_store), Path(exchange.store))
    (staging / DECIDED).unlink()
    _flush_places([staging])
    shutil.rmtree(staging)


def finish_interrupted(data: Path) -> None:
    """For whichever command comes first after a restore that was killed. What was not decided is removed. Raises
    Misconfigured.
    """
    if not os.path.lexists(staging_of(data)):
        return
    try:
        descriptor = os.open(data / "run" / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.lexists(staging_of(data) / DECIDED):
                carry_out(data)
            else:
                shutil.rmtree(staging_of(data), ignore_errors=True)
        finally:
            os.close(descriptor)
    except BlockingIOError as error:
        # Until it is decided, all is as before for everybody else.
        if os.path.lexists(staging_of(data) / DECIDED):
            raise Misconfigured(
                _("A backup is being restored into %(directory)s. Try again in a moment."), directory=data
            ) from error
    except OSError as error:
        raise Misconfigured(
            _(
                "A restore into %(directory)s was interrupted and can't be finished: %(place)s: %(reason)s. Remove what is in the way "
                "and run any command again; the files of before are in the directory replaced-… there."
            ),
            directory=data,
            place=error.filename2 or error.filename or data,
            reason=error.strerror,
        ) from error


def _move(move: Move) -> None:
    target, new = Path(move.target), Path(move.new)
    if move.new and not os.path.lexists(new):
        return
    if os.path.lexists(target):
        aside = free(Path(move.aside))
        aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.rename(aside)
    if move.new:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.rename(target)


def free(place: Path) -> Path:
    """This place, or one beside it where something has been put aside already."""
    number, free = 1, place
    while os.path.lexists(free):
        number += 1
        free = place.with_name(f"{place.name}-{number}")
    return free


def _fill(exchange: Exchange, new: Path, store: Path) -> None:
    """Into a store that holds nothing yet. Each directory and file appears whole; what is there already stays."""
    for place in (store, store / "generations", store / "trust"):
        if not place.is_dir():
            place.mkdir(parents=True)
            _give(place, exchange.group)
    for name in ("generations", "trust"):
        for entry in sorted((new / name).glob("*")):
            _copy(entry, store / name / entry.name, exchange.group)
    if (new / "mark.json").exists():
        _copy(new / "mark.json", store / "mark.json", exchange.group)
    _flush_places([store / "generations", store / "trust", store])
    for name in LINKS:
        if name in exchange.links and not os.path.lexists(store / name):
            (store / name).symlink_to(exchange.links[name])
    _flush_places([store])


def _copy(source: Path, target: Path, group: int | None) -> None:
    if os.path.lexists(target):
        return
    staged = target.with_name(f".new-{target.name}")
    if source.is_dir():
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        # One by one: what shutil.copytree raises names no file.
        for file in source.iterdir():
            shutil.copyfile(file, staged / file.name)
    else:
        shutil.copyfile(source, staged)
    for place in [staged, *(staged.iterdir() if source.is_dir() else ())]:
        _give(place, group)
    _flush(staged)
    staged.rename(target)


def _give(place: Path, group: int | None) -> None:
    """Mode and group by rule store-modes. Where the group is not ours to give, the next heartbeat says so."""
    shared = group is not None
    if place.is_dir():
        mode = 0o750 if shared else 0o700
    elif place.name.endswith(KEYS):
        mode = 0o640 if shared else 0o600
    else:
        mode = 0o644
    if group is not None:
        with suppress(PermissionError):
            os.chown(place, -1, group)
    place.chmod(mode)


def _flush(place: Path) -> None:
    """Everything in it, to the disk."""
    below = [place, *place.rglob("*")] if place.is_dir() else [place]
    for entry in below:
        if not entry.is_symlink():
            _flush_places([entry])


def _flush_places(places: Iterable[Path]) -> None:
    """Or files. One that is not there needs none."""
    for place in places:
        try:
            descriptor = os.open(place, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
