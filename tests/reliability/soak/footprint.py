"""What a process holds: memory, tasks, descriptors."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SETTLES_SECS: Final = 25


@dataclass(frozen=True)
class Footprint:
    """What a process holds.

    Parameters:
        memory: Resident, in bytes.
        tasks: Of the loop.
        descriptors: Files and sockets.
    """

    memory: int
    tasks: int
    descriptors: int

    def __sub__(self, other: Footprint) -> Footprint:
        return Footprint(
            self.memory - other.memory, self.tasks - other.tasks, self.descriptors - other.descriptors
        )


def footprint() -> Footprint:
    """Return what this process holds now."""
    gc.collect()
    _give_back()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    tasks = len(asyncio.all_tasks())
    return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), tasks, len(os.listdir("/proc/self/fd")))


def _give_back() -> None:
    """Have the system's allocator give back what is free, where it can: that is held by no call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def settled(before: Footprint | None = None) -> Footprint:
    """Return what is held once idle connections are let go of, which HTTP clients keep for 15 s.

    Args:
        before: What was held earlier; as soon as no more than that is, there is nothing to wait for.
    """
    for _ in range(_SETTLES_SECS):
        after = footprint()
        if before and after.tasks <= before.tasks and after.descriptors <= before.descriptors:
            break
        await asyncio.sleep(1.0)
    return footprint()
