"""The whole matrix: which cells there are, and running a row of them."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.reliability.carrier_cells import carrier_cell
from tests.reliability.carrier_faults import CARRIERS, carrier_faults
from tests.reliability.phases import Phase
from tests.reliability.service_cells import service_cell
from tests.reliability.service_faults import service_faults
from tests.reliability.subjects import SUBJECTS
from tests.reliability.verdict import Allowed, Outcome


@dataclass(frozen=True)
class Row:
    """One fault of one subject, in every phase.

    Parameters:
        subject: Whose fault it is.
        group: The rows it stands with.
        name: Of the fault.
        run: Has a call meet it.
        allowed: What may come of it.
    """

    subject: str
    group: str
    name: str
    run: Callable[[Phase], Awaitable[Outcome]]
    allowed: Callable[[Phase], Allowed]

    @property
    def id(self) -> str:
        return f"{self.subject}: {self.group}: {self.name}"


@dataclass(frozen=True)
class Cell:
    """What came of a fault in a phase."""

    outcome: Outcome
    problems: tuple[str, ...]


@dataclass(frozen=True)
class RowResult:
    """What came of a row."""

    row: Row
    cells: dict[Phase, Cell]
    left: tuple[str, ...]
    """Tasks, threads and descriptors that it left behind."""

    @property
    def problems(self) -> list[str]:
        told = [f"{phase}: {problem}" for phase, cell in self.cells.items() for problem in cell.problems]
        return [*told, *self.left]


def rows() -> Iterator[Row]:
    """Yield all rows."""
    for subject in SUBJECTS:
        for fault in service_faults(subject):
            run = partial(service_cell, subject, fault)
            yield Row(subject.name, fault.group, fault.name, run, fault.allowed_in)
    for carrier in CARRIERS:
        for trouble in carrier_faults():
            call = partial(carrier_cell, carrier, trouble)
            yield Row(carrier.capitalize(), trouble.group, trouble.name, call, trouble.allowed_in)


async def run_row(row: Row) -> RowResult:
    """Run the cells of a row side by side, each with servers of its own, and look for what is left of them."""
    tasks, threads, descriptors = asyncio.all_tasks(), set(threading.enumerate()), _descriptors()
    outcomes = await asyncio.gather(*(row.run(phase) for phase in Phase))
    left = [f"a task is left: {task.get_name()}" for task in asyncio.all_tasks() - tasks if not task.done()]
    left += [f"a thread is left: {thread.name}" for thread in set(threading.enumerate()) - threads]
    if _descriptors() > descriptors:
        # A socket that was cut is closed when the loop comes to it.
        await asyncio.sleep(1)
        gc.collect()
        if _descriptors() > descriptors:
            left.append(f"{_descriptors() - descriptors} descriptors are left")
    cells = {
        phase: Cell(outcome, tuple(row.allowed(phase).problems(outcome)))
        for phase, outcome in zip(Phase, outcomes, strict=True)
    }
    return RowResult(row, cells, tuple(left))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
