"""A machine whose clock a test sets: pass its `read` where the product takes `read_instant`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pbxcerts.system.time.clock import MachineReading


@dataclass
class Machine:
    wall: datetime = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
    boottime: float = 5000.0
    boot_id: str = "3756d8b3-7c9f-465e-93fe-9b5fb01f6744"

    def read(self) -> MachineReading:
        return MachineReading(self.wall, self.boottime, self.boot_id)

    def run(self, span: timedelta) -> MachineReading:
        """Run, or sleep: CLOCK_BOOTTIME counts both."""
        self.wall += span
        self.boottime += span.total_seconds()
        return self.read()

    def set_clock(self, by: timedelta) -> MachineReading:
        self.wall += by
        return self.read()

    def restart(self, *, clock_moves: timedelta = timedelta()) -> MachineReading:
        self.wall += clock_moves
        self.boottime = 12.5
        self.boot_id = f"{int(self.boot_id[:8], 16) + 1:08x}{self.boot_id[8:]}"
        return self.read()
