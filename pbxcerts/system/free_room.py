"""How much room is left where the product writes: what `check --deploy` and the event messages go by (rule almost-full)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

MB = 1_000_000
SCARCE, FULL = 250 * MB, 20 * MB
"""Octets that are left on a disk: below them it is told, and nothing can be renewed for long."""


@dataclass(frozen=True)
class FreeRoom:
    """`octets` that the product can still write; `no_more_files`: the file system has room, but for no other file."""

    octets: int
    no_more_files: bool = False

    @property
    def is_full(self) -> bool:
        return self.octets < FULL or self.no_more_files

    @property
    def is_scarce(self) -> bool:
        return self.octets < SCARCE or self.no_more_files

    @property
    def megabytes(self) -> int:
        return self.octets // MB


def free_room(place: Path) -> FreeRoom | None:
    """On the file system of a place, or of what is above it while it is not made yet; None where nothing says so."""
    for there in [place, *place.parents]:
        try:
            disk = os.statvfs(there)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return FreeRoom(disk.f_bavail * disk.f_frsize, bool(disk.f_files) and disk.f_favail == 0)
    return None


def places() -> dict[str, Path]:
    """Where each round of the heartbeat writes, by a name that stays."""
    return {"data": settings.DATA, "store": settings.STORE}


def places_of_their_own() -> Iterator[tuple[str, Path]]:
    """One of each file system."""
    devices = set()
    for name, place in places().items():
        there = next((one for one in [place, *place.parents] if one.exists()), place)
        try:
            device = there.stat().st_dev
        except OSError:
            continue
        if device not in devices:
            devices.add(device)
            yield name, place
